//! What a run showed: for people as a table, for programs as JSON.
//!
//! Owns: the words, the units, the names in JSON. Does not own: the chart (`svg`).

use std::fmt::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::args::Plan;
use super::server_cpu::CpuTime;
use super::tally::{Failure, PERCENTILES, Tally};

/// What a run was, and what came of it.
pub struct Report<'a> {
    /// What was to be done.
    pub plan: &'a Plan,
    /// What came of it.
    pub tally: &'a Tally,
    /// What the server took, if that was asked for.
    pub server: Option<CpuTime>,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
}

impl Report<'_> {
    /// The table.
    pub fn text(&self) -> String {
        let tally = self.tally;
        let mut text = format!("{}\n{}\n\n", self.plan.target, self.title());
        let mut line = |name: &str, what: String| {
            let _ = writeln!(text, "  {name:<11} {what}");
        };
        line("answers", format!("{}  {} a second", tally.answered, amount(tally.per_second())));
        let classes = tally.statuses.iter().enumerate().filter(|(class, _)| *class > 0);
        let classes: Vec<String> = classes
            .filter(|(_, count)| **count > 0)
            .map(|(class, count)| format!("{class}xx {count}"))
            .collect();
        if !classes.is_empty() {
            line("status", classes.join(", "));
        }
        let failed = Failure::ALL.iter().zip(tally.failures).filter(|(_, count)| *count > 0);
        let failed: Vec<String> = failed
            .map(|(failure, count)| format!("{} {count}", failure.name().replace('_', " ")))
            .collect();
        line("errors", if failed.is_empty() { "none".to_owned() } else { failed.join(", ") });
        if tally.unasked > 0 {
            line("unasked", format!("{} connections sent more than was asked", tally.unasked));
        }
        if tally.unanswered() > 0 {
            line("unanswered", format!("{} at the end", tally.unanswered()));
        }
        if self.plan.rate.is_some() && tally.unsent > 0 {
            let why = "due, while the server, or this program, was slower than the rate";
            line("unsent", format!("{}: {why}", tally.unsent));
        }
        if tally.given_up > 0 {
            let how =
                "timed out, unanswered or unsent: in the latency with the time they had waited";
            line("given up", format!("{} {how}", tally.given_up));
        }
        let seconds = tally.elapsed.as_secs_f64().max(1e-9);
        for (name, bytes) in [("received", tally.received_bytes), ("sent", tally.sent_bytes)] {
            let rate = bytes as f64 / seconds;
            line(name, format!("{}  {} a second", size(bytes as f64), size(rate)));
        }
        if let Some(cpu) = self.server {
            line("server CPU", self.server_text(cpu));
        }
        text + &self.latencies()
    }

    fn title(&self) -> String {
        let plan = self.plan;
        let plural =
            |count: u32, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let mut title = format!(
            "{:.2} s, {}, {}, ",
            self.tally.elapsed.as_secs_f64(),
            plural(plan.connections, "connection"),
            plural(plan.cores, "core"),
        );
        if plan.pipeline > 1 {
            let _ = write!(title, "{} requests outstanding on each, ", plan.pipeline);
        }
        if !plan.keep_alive {
            title += "a connection for each request, ";
        }
        match plan.rate {
            Some(rate) => {
                let _ = write!(title, "open loop at {} a second", amount(rate));
            }
            None => title += "closed loop",
        }
        if self.interrupted {
            title += ", interrupted";
        }
        title
    }

    fn server_text(&self, cpu: CpuTime) -> String {
        let answered = self.tally.answered.max(1) as f64;
        let each = |time: Duration| time.as_secs_f64() * 1e6 / answered;
        let busy = cpu.total().as_secs_f64() / self.tally.elapsed.as_secs_f64().max(1e-9);
        format!(
            "{:.3} µs an answer (user {:.3}, system {:.3}), {:.0} % of a CPU",
            each(cpu.total()),
            each(cpu.user),
            each(cpu.system),
            100.0 * busy
        )
    }

    fn latencies(&self) -> String {
        let (latency, service) = (&self.tally.latency_ns, &self.tally.service_ns);
        if latency.is_empty() {
            return String::new();
        }
        let both = self.plan.rate.is_some();
        let mut text = match both {
            true => {
                format!("\n  {:<11}{:>16}{:>16}\n", "latency", "since it was due", "since sent")
            }
            false => format!("\n  {:<11}{:>16}\n", "latency", "since sent"),
        };
        let (due_from, sent_from) = (self.tally.given_up_from_ns, self.tally.unserved_from_ns);
        // A time that some were given up by is one that may have been longer.
        let shown = |ns: f64, from: Option<u64>, is_mean: bool| {
            let is_least = from.is_some_and(|from| is_mean || ns >= from as f64);
            format!("{}{}", if is_least { "≥ " } else { "" }, time(ns))
        };
        let mut line = |name: &str, of: &dyn Fn(&Histogram<u64>) -> f64| {
            let is_mean = name == "mean";
            let _ = write!(text, "  {name:<11}{:>16}", shown(of(latency), due_from, is_mean));
            let _ = match both {
                true => writeln!(text, "{:>16}", shown(of(service), sent_from, is_mean)),
                false => writeln!(text),
            };
        };
        line("mean", &|histogram| histogram.mean());
        for (name, percent) in PERCENTILES {
            line(name, &|histogram| histogram.value_at_percentile(percent) as f64);
        }
        line("max", &|histogram| histogram.max() as f64);
        text
    }

    /// Everything that was measured.
    pub fn json(&self) -> Value {
        let (plan, tally) = (self.plan, self.tally);
        let failures = Failure::ALL.iter().zip(tally.failures);
        let failures: Map<String, Value> =
            failures.map(|(failure, count)| (failure.name().to_owned(), count.into())).collect();
        let classes = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
        let statuses: Map<String, Value> = classes
            .iter()
            .zip(tally.statuses)
            .map(|(class, count)| ((*class).to_owned(), count.into()))
            .collect();
        let server = self.server.map(|cpu| {
            json!({
                "user_s": cpu.user.as_secs_f64(),
                "system_s": cpu.system.as_secs_f64(),
                "us_per_answer": cpu.total().as_secs_f64() * 1e6 / tally.answered.max(1) as f64,
            })
        });
        json!({
            "program": concat!("annulus load ", env!("CARGO_PKG_VERSION")),
            "target": plan.target.to_string(),
            "loop": if plan.rate.is_some() { "open" } else { "closed" },
            "rate": plan.rate,
            "connections": plan.connections,
            "pipeline": plan.pipeline,
            "cores": plan.cores,
            "keep_alive": plan.keep_alive,
            "interrupted": self.interrupted,
            "elapsed_s": tally.elapsed.as_secs_f64(),
            "requests": {
                "started": tally.started,
                "answered": tally.answered,
                "failed": tally.failed(),
                "unanswered": tally.unanswered(),
                "unsent": tally.unsent,
                "given_up": tally.given_up,
            },
            "answers_per_s": tally.per_second(),
            "statuses": statuses,
            "errors": failures,
            "connections_made": tally.connections,
            "connections_unasked": tally.unasked,
            "received_bytes": tally.received_bytes,
            "sent_bytes": tally.sent_bytes,
            "latency_ns": histogram(&tally.latency_ns, tally.given_up_from_ns),
            "service_ns": histogram(&tally.service_ns, tally.unserved_from_ns),
            "answers_over_time": {
                "width_s": tally.series.width().as_secs_f64(),
                "answers": tally.series.answers(),
            },
            "server_cpu": server,
        })
    }
}

/// Times, and from which one on they are the least that they can have been.
fn histogram(histogram: &Histogram<u64>, at_least_from: Option<u64>) -> Value {
    let mut numbers = Map::new();
    numbers.insert("at_least_from".to_owned(), at_least_from.into());
    numbers.insert("count".to_owned(), histogram.len().into());
    numbers.insert("min".to_owned(), histogram.min().into());
    numbers.insert("mean".to_owned(), histogram.mean().into());
    numbers.insert("stdev".to_owned(), histogram.stdev().into());
    for (name, percent) in PERCENTILES {
        numbers.insert(name.to_owned(), histogram.value_at_percentile(percent).into());
    }
    numbers.insert("max".to_owned(), histogram.max().into());
    Value::Object(numbers)
}

/// A number of something, short.
pub(super) fn amount(number: f64) -> String {
    match number {
        number if number >= 1e6 => format!("{:.2} M", number / 1e6),
        number if number >= 1e4 => format!("{:.1} k", number / 1e3),
        number if number >= 100.0 => format!("{number:.0}"),
        number => format!("{number:.1}"),
    }
}

fn size(bytes: f64) -> String {
    match bytes {
        bytes if bytes >= 1024.0 * 1024.0 * 1024.0 => {
            format!("{:.2} GiB", bytes / (1 << 30) as f64)
        }
        bytes if bytes >= 1024.0 * 1024.0 => format!("{:.1} MiB", bytes / f64::from(1 << 20)),
        bytes if bytes >= 1024.0 => format!("{:.1} KiB", bytes / 1024.0),
        bytes => format!("{bytes:.0} B"),
    }
}

/// A time, in the unit that suits it.
pub(super) fn time(ns: f64) -> String {
    match ns {
        ns if ns >= 1e10 => format!("{:.1} s", ns / 1e9),
        ns if ns >= 1e9 => format!("{:.2} s", ns / 1e9),
        ns if ns >= 1e7 => format!("{:.1} ms", ns / 1e6),
        ns if ns >= 1e6 => format!("{:.2} ms", ns / 1e6),
        ns if ns >= 1e4 => format!("{:.1} µs", ns / 1e3),
        ns => format!("{:.2} µs", ns / 1e3),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::target::Target;
    use super::*;

    /// A run with a rate, of which everything is known.
    pub(in crate::load) fn known() -> (Plan, Tally) {
        let plan = Plan {
            target: Target::parse(&["http://host:8080/x?a&b".to_owned()]).unwrap(),
            connections: 2,
            pipeline: 4,
            cores: 1,
            duration: Some(Duration::from_secs(2)),
            requests: None,
            rate: Some(550.0),
            timeout: Duration::from_secs(1),
            keep_alive: true,
        };
        let mut tally = Tally::new();
        tally.started = 1010;
        tally.unsent = 90;
        for n in 1..=1000 {
            let latency = Duration::from_micros(10 * n);
            let at = Duration::from_millis(2 * n);
            tally.answer(Some(if n % 10 == 0 { 404 } else { 200 }), at, (latency, latency / 10));
        }
        tally.fail(Failure::TimedOut, 3);
        tally.fail(Failure::Reset, 2);
        (tally.connections, tally.received_bytes, tally.sent_bytes) = (2, 3 << 20, 2048);
        tally.elapsed = Duration::from_secs(2);
        (plan, tally)
    }

    #[test]
    fn the_table_says_what_happened() {
        let (plan, tally) = known();
        let (user, system) = (Duration::from_millis(1), Duration::from_millis(4));
        let server = Some(CpuTime { user, system });
        let text = Report { plan: &plan, tally: &tally, server, interrupted: true }.text();
        for line in [
            "http://host:8080/x?a&b\n2.00 s, 2 connections, 1 core, 4 requests outstanding on each, \
             open loop at 550 a second, interrupted\n",
            "  answers     1000  500 a second\n",
            "  status      2xx 900, 4xx 100\n",
            "  errors      reset 2, timed out 3\n",
            "  unanswered  5 at the end\n",
            "  unsent      90: ",
            "  received    3.0 MiB  1.5 MiB a second\n",
            "  sent        2.0 KiB  1.0 KiB a second\n",
            "  server CPU  5.000 µs an answer (user 1.000, system 4.000), 0 % of a CPU\n",
            "  p50                 5.00 ms        500.2 µs\n",
            "  p99                 9.90 ms        990.2 µs\n",
            "  max                 10.0 ms         1.00 ms\n",
        ] {
            assert!(text.contains(line), "{line:?} is not in\n{text}");
        }
    }

    #[test]
    fn json_has_all_numbers() {
        let (plan, tally) = known();
        let report = Report { plan: &plan, tally: &tally, server: None, interrupted: false };
        let json = report.json();
        assert_eq!(json["requests"]["started"], 1010);
        assert_eq!(json["requests"]["unanswered"], 5);
        assert_eq!(json["errors"]["timed_out"], 3);
        assert_eq!(json["statuses"]["4xx"], 100);
        assert_eq!(json["latency_ns"]["count"], 1000);
        let p99 = json["latency_ns"]["p99"].as_u64().unwrap();
        assert!((9_890_000..=9_910_000).contains(&p99), "{p99}");
        let answers = json["answers_over_time"]["answers"].as_array().unwrap();
        let sum: u64 = answers.iter().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!((answers.len(), sum), (21, 1000));
        assert!(json["server_cpu"].is_null());
    }
}
