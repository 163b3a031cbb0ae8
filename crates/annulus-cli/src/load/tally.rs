//! What came of the requests.
//!
//! Owns: the counts, the histograms, the course over time; bounded, however long a run is.
//! Invariant: a request that started ends as an answer, as an error, or stays unanswered, once.

use std::time::Duration;

use hdrhistogram::Histogram;

/// How a request can fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// Nobody listens there.
    Refused,
    /// The connection was reset.
    Reset,
    /// The connection ended before the answer.
    Closed,
    /// It took longer than it may.
    TimedOut,
    /// The answer is not what it has to be.
    Wrong,
    /// Something else.
    Other,
}

impl Failure {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Refused, Self::Reset, Self::Closed, Self::TimedOut, Self::Wrong, Self::Other];

    /// For people, and for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::TimedOut => "timed_out",
            Self::Wrong => "wrong",
            Self::Other => "other",
        }
    }
}

/// The course of a run: how many answers came when.
#[derive(Clone, Debug)]
pub struct Series {
    width: Duration,
    answers: Vec<u64>,
}

/// How much time a number of the course stands for, at first; it doubles when there are too many.
const FIRST_WIDTH: Duration = Duration::from_millis(100);
const NUMBERS_MAX: usize = 1200;

impl Default for Series {
    fn default() -> Self {
        Self { width: FIRST_WIDTH, answers: Vec::new() }
    }
}

impl Series {
    /// How much time a number stands for.
    pub fn width(&self) -> Duration {
        self.width
    }

    /// The numbers, from the beginning on.
    pub fn answers(&self) -> &[u64] {
        &self.answers
    }

    fn add(&mut self, at: Duration) {
        let mut index = (at.as_nanos() / self.width.as_nanos()) as usize;
        while index >= NUMBERS_MAX {
            self.coarsen();
            index /= 2;
        }
        if index >= self.answers.len() {
            self.answers.resize(index + 1, 0);
        }
        self.answers[index] += 1;
    }

    fn coarsen(&mut self) {
        self.answers = self.answers.chunks(2).map(|pair| pair.iter().sum()).collect();
        self.width *= 2;
    }

    fn merge(&mut self, mut other: Self) {
        while self.width < other.width {
            self.coarsen();
        }
        while other.width < self.width {
            other.coarsen();
        }
        if self.answers.len() < other.answers.len() {
            self.answers.resize(other.answers.len(), 0);
        }
        for (sum, more) in self.answers.iter_mut().zip(other.answers) {
            *sum += more;
        }
    }
}

/// The longest latency that is told from longer ones.
const LONGEST_NS: u64 = 3_600_000_000_000;
/// Digits of a latency that are kept.
const DIGITS: u8 = 3;

/// What came of the requests of a core, or of all.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Requests that started, those included whose connection could not be made.
    pub started: u64,
    /// Requests of the schedule that were due, and never started.
    pub unsent: u64,
    /// Answers.
    pub answered: u64,
    /// Answers by the hundred of their status; those without one are at 0.
    pub statuses: [u64; 6],
    /// Errors by kind.
    pub failures: [u64; Failure::ALL.len()],
    /// Connections that were made.
    pub connections: u64,
    /// Connections that were given up because bytes came that nobody had asked for.
    pub unasked: u64,
    /// Bytes of requests.
    pub sent_bytes: u64,
    /// Bytes of answers.
    pub received_bytes: u64,
    /// Requests that were given up, or never sent, before there was an answer; the histograms have
    /// how long they had waited by then.
    pub given_up: u64,
    /// The shortest of these times: what is slower than this may be slower than it looks.
    pub given_up_from_ns: Option<u64>,
    /// The same of those that were sent, since then.
    pub unserved_from_ns: Option<u64>,
    /// Nanoseconds from when a request had to start.
    pub latency_ns: Histogram<u64>,
    /// Nanoseconds from when it was sent.
    pub service_ns: Histogram<u64>,
    /// Answers over time.
    pub series: Series,
    /// How long it took.
    pub elapsed: Duration,
}

impl Tally {
    /// Nothing yet.
    pub fn new() -> Self {
        let histogram = || match Histogram::new_with_bounds(1, LONGEST_NS, DIGITS) {
            Ok(histogram) => histogram,
            Err(error) => unreachable!("the bounds are constants: {error}"),
        };
        Self {
            started: 0,
            unsent: 0,
            answered: 0,
            statuses: [0; 6],
            failures: [0; Failure::ALL.len()],
            connections: 0,
            unasked: 0,
            sent_bytes: 0,
            received_bytes: 0,
            given_up: 0,
            given_up_from_ns: None,
            unserved_from_ns: None,
            latency_ns: histogram(),
            service_ns: histogram(),
            series: Series::default(),
            elapsed: Duration::ZERO,
        }
    }

    /// An answer came, so long after the beginning of all.
    pub fn answer(&mut self, status: Option<u16>, at: Duration, times: (Duration, Duration)) {
        let (latency, service) = times;
        self.answered += 1;
        let class = usize::from(status.unwrap_or(0) / 100);
        self.statuses[if class < 6 { class } else { 0 }] += 1;
        self.latency_ns.saturating_record(nanos(latency));
        self.service_ns.saturating_record(nanos(service));
        self.series.add(at);
    }

    /// A request that was sent has waited so long, since it was due and since it was sent, and is
    /// not waited for any longer.
    pub fn gave_up_after(&mut self, waited: Duration, served: Duration) {
        self.service_ns.saturating_record(nanos(served));
        self.unserved_from_ns = least(self.unserved_from_ns, Some(nanos(served)));
        self.waited(1, waited);
    }

    /// So many requests that were due so long ago were never sent.
    pub fn unsent(&mut self, requests: u64, waited: Duration) {
        self.unsent += requests;
        self.waited(requests, waited);
    }

    fn waited(&mut self, requests: u64, waited: Duration) {
        self.given_up += requests;
        self.given_up_from_ns = least(self.given_up_from_ns, Some(nanos(waited)));
        self.latency_ns.saturating_record_n(nanos(waited), requests);
    }

    /// So many requests have failed.
    pub fn fail(&mut self, failure: Failure, requests: u64) {
        self.failures[failure as usize] += requests;
    }

    /// Requests that failed.
    pub fn failed(&self) -> u64 {
        self.failures.iter().sum()
    }

    /// Requests that were under way at the end.
    pub fn unanswered(&self) -> u64 {
        self.started - self.answered - self.failed()
    }

    /// Adds what another core has.
    pub fn merge(&mut self, other: Self) {
        self.started += other.started;
        self.unsent += other.unsent;
        self.answered += other.answered;
        let statuses = self.statuses.iter_mut().zip(other.statuses);
        let failures = self.failures.iter_mut().zip(other.failures);
        statuses.chain(failures).for_each(|(sum, more)| *sum += more);
        self.given_up += other.given_up;
        self.given_up_from_ns = least(self.given_up_from_ns, other.given_up_from_ns);
        self.unserved_from_ns = least(self.unserved_from_ns, other.unserved_from_ns);
        self.connections += other.connections;
        self.unasked += other.unasked;
        self.sent_bytes += other.sent_bytes;
        self.received_bytes += other.received_bytes;
        // Their bounds are the same, so this cannot fail.
        let _ = self.latency_ns.add(&other.latency_ns);
        let _ = self.service_ns.add(&other.service_ns);
        self.series.merge(other.series);
        self.elapsed = self.elapsed.max(other.elapsed);
    }

    /// Answers a second.
    pub fn per_second(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// The percentiles that are shown: the name, and how many of a hundred are at most so slow.
pub const PERCENTILES: [(&str, f64); 6] = [
    ("p50", 50.0),
    ("p75", 75.0),
    ("p90", 90.0),
    ("p99", 99.0),
    ("p99.9", 99.9),
    ("p99.99", 99.99),
];

fn least(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_course_of_a_long_run_stays_small_and_loses_nothing() {
        let mut series = Series::default();
        for second in 0..10_000 {
            series.add(Duration::from_secs(second));
        }
        assert!(series.answers().len() <= NUMBERS_MAX && series.width() > FIRST_WIDTH);
        assert_eq!(series.answers().iter().sum::<u64>(), 10_000);
        let mut short = Series::default();
        short.add(Duration::from_millis(50));
        short.add(Duration::from_millis(150));
        short.merge(series.clone());
        assert_eq!(short.width(), series.width());
        assert_eq!(short.answers()[0], series.answers()[0] + 2);
    }

    #[test]
    fn what_was_given_up_counts_with_the_time_that_it_had_waited() {
        let mut one = Tally::new();
        let ms = Duration::from_millis;
        one.started = 2;
        one.answer(None, Duration::ZERO, (ms(1), ms(1)));
        one.fail(Failure::TimedOut, 1);
        one.gave_up_after(ms(700), ms(500));
        let mut all = Tally::new();
        all.unsent(97, ms(300));
        all.merge(one);
        assert_eq!((all.given_up, all.unsent, all.unanswered()), (98, 97, 0));
        assert_eq!(
            (all.given_up_from_ns, all.unserved_from_ns),
            (Some(300_000_000), Some(500_000_000))
        );
        assert_eq!((all.latency_ns.len(), all.service_ns.len()), (99, 2));
        let half = all.latency_ns.value_at_percentile(50.0);
        assert!((299_000_000..301_000_000).contains(&half), "{half}");
    }

    #[test]
    fn every_request_is_counted_once() {
        let mut one = Tally::new();
        one.started = 5;
        let (short, long) = (Duration::from_micros(10), Duration::from_secs(7200));
        one.answer(Some(200), Duration::ZERO, (short, short));
        one.answer(Some(999), Duration::ZERO, (long, short));
        one.fail(Failure::Reset, 2);
        let mut all = Tally::new();
        all.merge(one.clone());
        all.merge(one);
        assert_eq!((all.started, all.answered, all.failed(), all.unanswered()), (10, 4, 4, 2));
        assert_eq!((all.statuses[2], all.statuses[0]), (2, 2));
        assert_eq!(all.latency_ns.len(), 4);
        assert!(all.latency_ns.max() >= LONGEST_NS && all.service_ns.max() < 11_000);
    }
}
