//! What a server counts.

use super::shared::Shared;

/// Counters and levels of a server, core by core.
///
/// ```
/// # let metrics = annulus::serve::Metrics::default();
/// println!("{} open, imbalance {:.2}", metrics.open(), metrics.imbalance());
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Metrics {
    /// By the index of the core.
    pub cores: Vec<CoreMetrics>,
}

/// Counters and levels of one core of a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct CoreMetrics {
    /// Whether it takes connections: its handler has started, and it is not to stop. A server whose
    /// cores all do is ready.
    pub serving: bool,
    /// Connections that are open now.
    pub open: u64,
    /// Connections that this core was given, accepted by whomever.
    pub accepted: u64,
    /// Connections that this core accepted for others.
    pub handed_over: u64,
    /// Connections that were closed at once, because their peer had too many.
    pub refused: u64,
    /// How often accepting paused, because the core had as many connections as it may.
    pub pauses: u64,
    /// How often accepting paused, because descriptors or memory had run out.
    pub exhausted: u64,
    /// Listeners that fail now: of accepting, because descriptors or memory have run out.
    /// [`Config::on_trouble`](super::Config::on_trouble) tells of each.
    pub resting: u64,
    /// Handlers that have ended.
    pub finished: u64,
    /// Of those, the ones that ended with an error.
    pub failed: u64,
    /// Handlers that panicked, those of ticks, notices and datagrams included.
    pub panicked: u64,
    /// Handlers that were dropped because the drain was over.
    pub cancelled: u64,
    /// Connections that were aborted because they were still for too long.
    pub idle: u64,
    /// Handshakes of layers that failed or took too long.
    pub handshakes_failed: u64,
    /// Datagrams that were received.
    pub datagrams: u64,
}

impl Metrics {
    pub(super) fn of(shared: &Shared) -> Self {
        let of_core = |core: &super::shared::OfCore| CoreMetrics {
            serving: core.takes(),
            open: core.open.now(),
            accepted: core.accepted.now(),
            handed_over: core.handed_over.now(),
            refused: core.refused.now(),
            pauses: core.pauses.now(),
            exhausted: core.exhausted.now(),
            resting: core.resting.now(),
            finished: core.finished.now(),
            failed: core.failed.now(),
            panicked: core.panicked.now(),
            cancelled: core.cancelled.now(),
            idle: core.idle.now(),
            handshakes_failed: core.handshakes_failed.now(),
            datagrams: core.datagrams.now(),
        };
        Self { cores: shared.cores.iter().map(of_core).collect() }
    }

    fn sum(&self, of: impl Fn(&CoreMetrics) -> u64) -> u64 {
        self.cores.iter().map(of).sum()
    }

    /// Whether every core takes connections.
    ///
    /// ```
    /// fn until_ready(server: &annulus::serve::Handle) {
    ///     while !server.metrics().is_serving() {
    ///         std::thread::yield_now();
    ///     }
    /// }
    /// ```
    pub fn is_serving(&self) -> bool {
        self.cores.iter().all(|core| core.serving)
    }

    /// Connections that are open now, on all cores.
    pub fn open(&self) -> u64 {
        self.sum(|core| core.open)
    }

    /// Connections that were accepted, on all cores.
    pub fn accepted(&self) -> u64 {
        self.sum(|core| core.accepted)
    }

    /// Listeners that fail now, on all cores.
    pub fn resting(&self) -> u64 {
        self.sum(|core| core.resting)
    }

    /// Connections that were refused, on all cores.
    pub fn refused(&self) -> u64 {
        self.sum(|core| core.refused)
    }

    /// Handlers that panicked, on all cores.
    pub fn panicked(&self) -> u64 {
        self.sum(|core| core.panicked)
    }

    /// Handlers that a stop cut off, on all cores.
    pub fn cancelled(&self) -> u64 {
        self.sum(|core| core.cancelled)
    }

    /// Datagrams that were received, on all cores.
    pub fn datagrams(&self) -> u64 {
        self.sum(|core| core.datagrams)
    }

    /// By which part of the mean the core that accepted most is above it: 0 where all accepted as
    /// many, 1 where one accepted twice the mean. 0 without connections.
    pub fn imbalance(&self) -> f64 {
        let most = self.cores.iter().map(|core| core.accepted).max().unwrap_or(0);
        let mean = self.accepted() as f64 / self.cores.len().max(1) as f64;
        if mean == 0.0 { 0.0 } else { most as f64 / mean - 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(counts: &[u64]) -> Metrics {
        let of = |accepted: &u64| CoreMetrics { accepted: *accepted, ..CoreMetrics::default() };
        Metrics { cores: counts.iter().map(of).collect() }
    }

    #[test]
    fn imbalance_is_how_far_the_busiest_core_is_above_the_mean() {
        assert_eq!(accepted(&[]).imbalance(), 0.0);
        assert_eq!(accepted(&[0, 0]).imbalance(), 0.0);
        assert_eq!(accepted(&[5, 5]).imbalance(), 0.0);
        assert_eq!(accepted(&[10, 0]).imbalance(), 1.0);
        assert_eq!(accepted(&[6, 4]).accepted(), 10);
    }
}
