//! Samples as a table.
//!
//! Owns: what is shown of a case, and what is said about the noise. Pure.

use super::case::{Case, Role, Workload};
use super::meter::Sample;
use super::stats;
use super::table::Table;

/// What a ratio inside the noise band prints as.
pub const SAME: &str = "same";

/// The figures of one row, round by round.
struct Figures {
    cpu_ns: Vec<f64>,
    rate: Vec<f64>,
    p50_us: Vec<f64>,
    p99_us: Vec<f64>,
}

impl Figures {
    fn new(samples: &[Sample]) -> Self {
        let each = |figure: &dyn Fn(&Sample) -> f64| samples.iter().map(figure).collect();
        let micros = |ns: Option<u64>| ns.map_or(f64::NAN, |ns| ns as f64 / 1e3);
        Self {
            cpu_ns: each(&|sample| sample.cpu_ns as f64 / sample.ops as f64),
            rate: each(&|sample| sample.ops as f64 * 1e9 / sample.wall_ns as f64),
            p50_us: each(&|sample| micros(sample.latency.map(|latency| latency.p50_ns))),
            p99_us: each(&|sample| micros(sample.latency.map(|latency| latency.p99_ns))),
        }
    }
}

/// The table of a case.
pub fn table(case: &Case, samples: &[Vec<Sample>]) -> Table {
    let figures: Vec<Figures> = samples.iter().map(|row| Figures::new(row)).collect();
    let echo = case.workload == Workload::Echo;
    let bands = bands(case, &figures);
    let rows = case.rows.iter().zip(&figures).map(|(row, own)| {
        let mut cells = vec![
            row.label.to_owned(),
            format!("{:.0}", stats::median(&own.cpu_ns)),
            percent(stats::spread(&own.cpu_ns)),
            format!("{:.0}", stats::median(&own.rate)),
        ];
        if echo {
            cells.push(format!("{:.1}", stats::median(&own.p50_us)));
            cells.push(format!("{:.1}", stats::median(&own.p99_us)));
        }
        if let Role::Ours { against } = row.role {
            let limit = &figures[against];
            cells.push(verdict(&own.cpu_ns, &limit.cpu_ns, bands.cpu));
            if echo {
                cells.push(verdict(&own.p50_us, &limit.p50_us, bands.p50));
            }
        }
        cells
    });
    let mut head = vec!["", "CPU ns/op", "spread", "op/s"];
    if echo {
        head.extend(["p50 µs", "p99 µs"]);
    }
    head.push("CPU ours/limit");
    if echo {
        head.push("p50 ours/limit");
    }
    Table { title: case.title.to_owned(), head, rows: rows.collect(), notes: notes(case, &bands) }
}

/// The noise bands of a case.
struct Bands {
    cpu: f64,
    p50: f64,
}

fn bands(case: &Case, figures: &[Figures]) -> Bands {
    let pair = case.rows.iter().zip(figures).find_map(|(row, again)| {
        if let Role::Again { of } = row.role { Some((&figures[of], again)) } else { None }
    });
    pair.map_or(Bands { cpu: 0.0, p50: 0.0 }, |(once, again)| Bands {
        cpu: stats::band(&once.cpu_ns, &again.cpu_ns),
        p50: stats::band(&once.p50_us, &again.p50_us),
    })
}

fn notes(case: &Case, bands: &Bands) -> Vec<String> {
    let mut noise =
        format!("noise band, the same program against itself: CPU {}", percent(bands.cpu));
    if case.workload == Workload::Echo {
        noise += &format!(", p50 {}", percent(bands.p50));
    }
    let mut notes = vec![noise];
    if case.latency_decides {
        notes.push("here p50 decides; annulus is compared with the limit that waits alike".into());
    }
    notes
}

fn verdict(ours: &[f64], limit: &[f64], band: f64) -> String {
    let ratio = stats::ratio(ours, limit);
    if stats::is_same(ratio, band.max(stats::scatter(ours, limit))) {
        SAME.to_owned()
    } else {
        format!("{ratio:.3}")
    }
}

fn percent(share: f64) -> String {
    format!("±{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests;
