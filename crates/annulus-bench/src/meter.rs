//! Counting operations, and CPU time over a window of them.
//!
//! Owns: when a loop is warm, when it has run long enough, and what it took. All programs pay the
//! same for it: a decrement for each operation, and a look at the clock for each batch of them.

use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

use crate::sys;

/// Operations between two looks at the clock, unless the workload has slower ones.
pub(crate) const BATCH: u64 = 1024;

/// What a window of operations took.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sample {
    /// Operations done.
    pub ops: u64,
    /// User and system CPU time of the process.
    pub cpu_ns: u64,
    /// Wall-clock time.
    pub wall_ns: u64,
    /// Latency, where it was measured.
    pub latency: Option<Latency>,
    /// What memory grew by, in a server whose connections have all spoken.
    pub resident_bytes: Option<u64>,
    /// What memory was before, in a server that one connection has spoken with.
    pub base_bytes: Option<u64>,
    /// By how many thousandths of the mean the core with most open connections is above it.
    pub imbalance: Option<u64>,
}

/// Of single operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Latency {
    /// The middle one.
    pub p50_ns: u64,
    /// One in a hundred takes longer.
    pub p99_ns: u64,
    /// One in a thousand takes longer.
    pub p999_ns: u64,
}

impl Sample {
    /// The line that a program prints, read by the driver.
    pub fn to_json(&self) -> String {
        let mut fields = vec![
            format!("\"ops\":{}", self.ops),
            format!("\"cpu_ns\":{}", self.cpu_ns),
            format!("\"wall_ns\":{}", self.wall_ns),
        ];
        if let Some(Latency { p50_ns, p99_ns, p999_ns }) = self.latency {
            fields.push(format!("\"p50_ns\":{p50_ns},\"p99_ns\":{p99_ns},\"p999_ns\":{p999_ns}"));
        }
        fields.extend(self.resident_bytes.map(|bytes| format!("\"resident_bytes\":{bytes}")));
        fields.extend(self.base_bytes.map(|bytes| format!("\"base_bytes\":{bytes}")));
        fields.extend(self.imbalance.map(|thousandths| format!("\"imbalance\":{thousandths}")));
        format!("{{{}}}", fields.join(","))
    }
}

/// Counts the operations of one thread, all its tasks together.
#[derive(Debug)]
pub struct Meter {
    /// Operations until the next checkpoint.
    left: Cell<u64>,
    /// Operations between two checkpoints.
    batch: u64,
    stage: Cell<Stage>,
    made: Instant,
    warm_up: Duration,
    window: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// So many operations, without a clock.
    Counting(u64),
    Warming,
    Measuring {
        cpu_ns: u64,
        since: Instant,
        ops: u64,
    },
    Over(Sample),
}

impl Meter {
    /// Measures for this long, after a tenth of it to get warm; looks at the clock after each
    /// batch.
    pub fn timed(window: Duration, batch: u64) -> Self {
        Self::new(Stage::Warming, batch, window)
    }

    /// Lets so many operations pass and measures nothing.
    pub fn counted(ops: u64) -> Self {
        Self::new(Stage::Counting(ops), ops, Duration::ZERO)
    }

    fn new(stage: Stage, batch: u64, window: Duration) -> Self {
        Self {
            left: Cell::new(batch),
            batch,
            stage: Cell::new(stage),
            made: Instant::now(),
            warm_up: window / 10,
            window,
        }
    }

    /// One more operation is done. False if that is enough.
    #[inline]
    pub fn tick(&self) -> bool {
        self.ticks(1)
    }

    /// So many more operations are done at once; a batch is a multiple of it. False if that is
    /// enough.
    #[inline]
    pub fn ticks(&self, ops: u64) -> bool {
        let left = self.left.get();
        if left > ops {
            self.left.set(left - ops);
            return true;
        }
        self.checkpoint()
    }

    #[cold]
    fn checkpoint(&self) -> bool {
        let now = Instant::now();
        let next = match self.stage.get() {
            Stage::Counting(ops) => Stage::Over(Sample { ops, ..Sample::default() }),
            Stage::Warming if now - self.made < self.warm_up => Stage::Warming,
            Stage::Warming => Stage::Measuring { cpu_ns: sys::cpu_time_ns(), since: now, ops: 0 },
            Stage::Measuring { cpu_ns, since, ops } if now - since < self.window => {
                let ops = ops + self.batch;
                Stage::Measuring { cpu_ns, since, ops }
            }
            Stage::Measuring { cpu_ns, since, ops } => Stage::Over(Sample {
                ops: ops + self.batch,
                cpu_ns: sys::cpu_time_ns() - cpu_ns,
                wall_ns: (now - since).as_nanos() as u64,
                ..Sample::default()
            }),
            over @ Stage::Over(_) => over,
        };
        self.stage.set(next);
        self.left.set(self.batch);
        let over = matches!(next, Stage::Over(_));
        if over {
            self.left.set(0);
        }
        !over
    }

    /// What it took.
    ///
    /// # Errors
    /// If `tick` has not said yet that it is enough.
    pub fn sample(&self) -> io::Result<Sample> {
        match self.stage.get() {
            Stage::Over(sample) => Ok(sample),
            _ => Err(io::Error::other("the loop ended before its time")),
        }
    }
}

/// CPU time of the stretches between `start` and `stop`: for phases that alternate with others.
/// Under callgrind, their instructions alone are collected.
#[derive(Debug, Default)]
pub struct Stopwatch {
    since: Option<(u64, Instant)>,
    sample: Sample,
}

impl Stopwatch {
    /// Begins a stretch.
    pub fn start(&mut self) {
        if self.since.replace((sys::cpu_time_ns(), Instant::now())).is_none() {
            sys::toggle_counting();
        }
    }

    /// Ends a stretch in which so many operations were done.
    pub fn stop(&mut self, ops: u64) {
        if let Some((cpu_ns, since)) = self.since.take() {
            self.sample.ops += ops;
            self.sample.cpu_ns += sys::cpu_time_ns() - cpu_ns;
            self.sample.wall_ns += since.elapsed().as_nanos() as u64;
            sys::toggle_counting();
        }
    }

    /// All stretches together.
    pub fn sample(&self) -> Sample {
        self.sample
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_meter_ends_with_the_last_operation() {
        let meter = Meter::counted(5000);
        assert_eq!((0..5000).take_while(|_| meter.tick()).count(), 4999);
        assert!(!meter.tick(), "what was in flight besides ends too");
        assert_eq!(meter.sample().unwrap().ops, 5000);
    }

    #[test]
    fn a_timed_meter_counts_whole_batches_after_warming_up() {
        let meter = Meter::timed(Duration::from_millis(5), BATCH);
        let mut ticks = 1;
        while meter.tick() {
            ticks += 1;
        }
        let sample = meter.sample().unwrap();
        assert_eq!(sample.ops % BATCH, 0);
        assert!(sample.ops > 0 && sample.ops < ticks);
        assert!(sample.cpu_ns > 0 && sample.wall_ns >= 5_000_000);
    }

    #[test]
    fn operations_are_counted_in_lumps_too() {
        let meter = Meter::counted(300);
        assert!(meter.ticks(100) && meter.ticks(100) && !meter.ticks(100));
        assert_eq!(meter.sample().unwrap().ops, 300);
        let meter = Meter::timed(Duration::from_millis(2), 100);
        let lumps =
            1 + std::iter::repeat_with(|| meter.ticks(100)).take_while(|&more| more).count();
        let ops = meter.sample().unwrap().ops;
        assert!(ops % 100 == 0 && ops <= 100 * lumps as u64, "{ops} in {lumps} lumps");
    }

    #[test]
    fn a_loop_that_breaks_off_has_no_sample() {
        let meter = Meter::counted(2);
        assert!(meter.tick());
        meter.sample().unwrap_err();
    }

    #[test]
    fn a_stopwatch_adds_its_stretches_up() {
        let mut watch = Stopwatch::default();
        watch.stop(7);
        assert_eq!(watch.sample(), Sample::default(), "nothing had begun");
        for _ in 0..2 {
            watch.start();
            watch.stop(3);
        }
        assert_eq!(watch.sample().ops, 6);
    }

    #[test]
    fn a_sample_is_one_line() {
        let latency = Latency { p50_ns: 4, p99_ns: 5, p999_ns: 6 };
        let sample = Sample { ops: 1, cpu_ns: 2, wall_ns: 3, ..Sample::default() };
        assert_eq!(sample.to_json(), r#"{"ops":1,"cpu_ns":2,"wall_ns":3}"#);
        let sample = Sample {
            latency: Some(latency),
            resident_bytes: Some(7),
            base_bytes: Some(8),
            imbalance: Some(9),
            ..sample
        };
        let more = r#","p50_ns":4,"p99_ns":5,"p999_ns":6,"resident_bytes":7,"base_bytes":8"#;
        let more = format!(r#"{more},"imbalance":9}}"#);
        assert_eq!(sample.to_json(), format!(r#"{{"ops":1,"cpu_ns":2,"wall_ns":3{more}"#));
    }
}
