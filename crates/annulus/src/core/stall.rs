//! Who keeps a core from everything else.
//!
//! Owns: the clock readings between polls, and the comparison with the threshold. Exists only if a
//! threshold is set; then the clock is read once a turn and once after each poll (21 ns each).
//! Does not own: the report (`runtime::Stall`), nor the turn.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use annulus_ring::Kernel as _;
use annulus_task::{Name, TaskId};

use super::Core;
use crate::runtime::stall::{Report, Stall, StalledBy};

/// What `Builder::stall_threshold` and `Builder::on_stall` set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    pub(crate) threshold_ns: Option<u64>,
    pub(crate) report: Report,
}

/// One core's watch.
pub(crate) struct Watch {
    threshold_ns: u64,
    report: Report,
    /// When this turn's user code began.
    start_ns: Cell<u64>,
    /// When what runs now began.
    lap_ns: Cell<u64>,
    polls: Cell<u32>,
    longest: RefCell<Longest>,
}

/// The longest poll of a turn.
#[derive(Default)]
struct Longest {
    lasted_ns: u64,
    task: Option<TaskId>,
    name: Option<Name>,
}

impl Watch {
    pub(crate) fn new(config: &Config) -> Option<Self> {
        Some(Self {
            threshold_ns: config.threshold_ns?,
            report: config.report.clone(),
            start_ns: Cell::new(0),
            lap_ns: Cell::new(0),
            polls: Cell::new(0),
            longest: RefCell::default(),
        })
    }

    /// The turn's user code begins.
    pub(crate) fn begin(&self, core: &Core) {
        let (_, now_ns) = core.state.borrow_mut().sample();
        core.state.borrow().counters.life.lap_ns.set(now_ns);
        self.start_ns.set(now_ns);
        self.lap_ns.set(now_ns);
        self.polls.set(0);
        self.longest.take();
    }

    /// A poll of a task is over.
    pub(crate) fn polled(&self, core: &Core, task: TaskId, name: Option<Name>) {
        self.polls.set(self.polls.get() + 1);
        let lasted_ns = self.lap(core, StalledBy::Task { id: task, name: name.as_deref() });
        let longest_ns = self.longest.borrow().lasted_ns;
        if (longest_ns..=self.threshold_ns).contains(&lasted_ns) {
            self.longest.replace(Longest { lasted_ns, task: Some(task), name });
        }
    }

    /// Something else of the user's is over.
    pub(crate) fn lap(&self, core: &Core, by: StalledBy<'_>) -> u64 {
        let now_ns = now_ns(core);
        core.state.borrow().counters.life.lap_ns.set(now_ns);
        let lasted_ns = now_ns.saturating_sub(self.lap_ns.replace(now_ns));
        if lasted_ns > self.threshold_ns {
            self.tell(core, by, lasted_ns);
            // A turn is not reported again for what was reported already.
            self.begin(core);
        }
        lasted_ns
    }

    /// The turn's user code is over.
    pub(crate) fn end(&self, core: &Core) {
        let lasted_ns = self.lap_ns.get().saturating_sub(self.start_ns.get());
        core.state.borrow().counters.longest_turn_ns.raise(lasted_ns);
        if lasted_ns <= self.threshold_ns {
            return;
        }
        let longest = self.longest.take();
        if let Some(id) = longest.task {
            let by = StalledBy::Crowd {
                polls: self.polls.get(),
                longest: id,
                name: longest.name.as_deref(),
            };
            self.tell(core, by, lasted_ns);
        }
    }

    #[cold]
    fn tell(&self, core: &Core, by: StalledBy<'_>, lasted_ns: u64) {
        let board = core.state.borrow().counters.clone();
        board.stalls.add(1);
        board.longest_turn_ns.raise(lasted_ns);
        let lasted = Duration::from_nanos(lasted_ns);
        let threshold = Duration::from_nanos(self.threshold_ns);
        core.contain(|| self.report.tell(&Stall { by, lasted, threshold }));
    }
}

fn now_ns(core: &Core) -> u64 {
    core.state.borrow_mut().ring.kernel().now()
}
