//! Connections that are still for too long.
//!
//! Owns: looking at the connections of a core now and then. Does not own: what is seen
//! (`conn::still`).

use std::sync::Arc;
use std::time::Duration;

use super::shared::{Shared, lock};
use super::worker::or_stop;
use crate::time::sleep;

/// Between two looks, at most and at least.
const PERIOD_MAX: Duration = Duration::from_secs(1);
const PERIOD_MIN: Duration = Duration::from_millis(1);

/// Starts looking at the connections of this core, unless that goes on already.
pub(super) fn ensure(shared: &Arc<Shared>, core: usize) {
    let here = shared.handles().get(core).is_some_and(crate::runtime::CoreHandle::is_current);
    if here && lock(&shared.cores[core].registry).begin_sweeping() {
        let shared = shared.clone();
        drop(crate::task::spawn_named("serve: idle connections", sweep(shared, core)));
    }
}

async fn sweep(shared: Arc<Shared>, core: usize) {
    let of_core = &shared.cores[core];
    let quarter = shared.config.idle.map_or(PERIOD_MAX, |idle| idle / 4);
    let period = quarter.clamp(PERIOD_MIN, PERIOD_MAX);
    // While the server stops, the drain is the limit.
    while or_stop(sleep(period)).await.is_some() {
        let now_ns = crate::time::Instant::now().as_ns();
        let conns = lock(&of_core.registry).all();
        for conn in conns {
            if conn.sweep(now_ns) {
                of_core.idle.add(1);
            }
        }
    }
}
