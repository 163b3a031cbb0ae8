//! What came, as tables of text.
//!
//! Owns: the figures of a row, what they are compared with, and what is lost. Pure.

use std::fmt::Write as _;

use super::program::OURS;
use super::rounds::{Measured, Results, Row};
use crate::table::Table;
use crate::{Kind, Latency, Sample, stats};

/// The CPU time of each round's operations.
pub fn cpu_ns(row: &Row) -> Vec<f64> {
    each(row, |sample| sample.cpu_ns as f64 / sample.ops as f64)
}

fn each(row: &Row, figure: impl Fn(&Sample) -> f64) -> Vec<f64> {
    row.samples.iter().map(figure).collect()
}

/// How a row compares with ours.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Verdict {
    /// It is ours, or ours is not there.
    None,
    /// Inside the noise.
    Same,
    /// So many times the CPU time that ours takes.
    Times(f64),
}

/// The noise band of a workload: how far the program that ran twice is from itself.
pub fn band(measured: &Measured) -> f64 {
    let Some(again) = measured.rows.iter().find(|row| row.again) else {
        return 0.0;
    };
    let once = measured.rows.iter().find(|row| !row.again && row.peer == again.peer);
    once.map_or(0.0, |once| stats::band(&cpu_ns(once), &cpu_ns(again)))
}

/// How a row of a workload compares with ours.
pub fn verdict(measured: &Measured, row: &Row) -> Verdict {
    let ours = measured.rows.iter().find(|row| row.peer == OURS && !row.again);
    let Some(ours) = ours.filter(|_| row.peer != OURS) else {
        return Verdict::None;
    };
    let (theirs, ours) = (cpu_ns(row), cpu_ns(ours));
    let ratio = stats::ratio(&theirs, &ours);
    if stats::is_same(ratio, band(measured).max(stats::scatter(&theirs, &ours))) {
        return Verdict::Same;
    }
    Verdict::Times(ratio)
}

/// The rows by CPU time, the best first, without the repetition.
pub fn ranked(measured: &Measured) -> Vec<&Row> {
    let mut rows: Vec<&Row> = measured.rows.iter().filter(|row| !row.again).collect();
    rows.sort_by(|a, b| stats::median(&cpu_ns(a)).total_cmp(&stats::median(&cpu_ns(b))));
    rows
}

/// So many connections tell what one of them takes.
const CROWD: u32 = 1000;

/// The table of a workload.
pub fn table(measured: &Measured) -> Table {
    let workload = &measured.workload;
    let served = workload.kind == Kind::Server;
    let mut head = vec!["", "CPU ns", "spread", "per second", "to annulus"];
    let counted = measured.rows.iter().any(|row| row.instructions.is_some());
    if counted {
        head.push("instructions");
    }
    if served {
        head.extend(["p50 µs", "p99 µs", "p99.9 µs"]);
    }
    let crowded = served && workload.tasks >= CROWD;
    if crowded {
        head.push("KiB/connection");
    }
    let rows = ranked(measured)
        .into_iter()
        .map(|row| {
            let mut cells = cells(measured, row);
            if counted {
                cells.push(row.instructions.map_or_else(|| "?".to_owned(), |n| format!("{n:.0}")));
            }
            if served {
                cells.extend(latencies(row));
            }
            if crowded {
                let bytes = each(row, |sample| sample.resident_bytes.unwrap_or(0) as f64);
                let each = stats::median(&bytes) / f64::from(workload.tasks) / 1024.0;
                cells.push(format!("{each:.1}"));
            }
            cells
        })
        .collect();
    let (band, operation) = (percent(band(measured)), workload.operation);
    let again = measured.rows.iter().find(|row| row.again).map_or(OURS, |row| &row.peer);
    let mut notes = vec![format!("noise band, {again} against itself: {band}")];
    notes.extend(measured.skipped.iter().map(|(peer, why)| format!("skipped: {peer}: {why}")));
    let title = format!("{}: {}, for each {operation}", workload.name, workload.title);
    Table { title, head, rows, notes }
}

fn cells(measured: &Measured, row: &Row) -> Vec<String> {
    let cpu = cpu_ns(row);
    let rate = each(row, |sample| sample.ops as f64 * 1e9 / sample.wall_ns as f64);
    let verdict = match verdict(measured, row) {
        Verdict::None => String::new(),
        Verdict::Same => "same".to_owned(),
        Verdict::Times(ratio) => format!("{ratio:.2} ×"),
    };
    vec![
        row.peer.clone(),
        number(stats::median(&cpu)),
        percent(stats::spread(&cpu)),
        format!("{:.0}", stats::median(&rate)),
        verdict,
    ]
}

fn latencies(row: &Row) -> [String; 3] {
    let micros = |figure: fn(&Latency) -> u64| {
        let each = each(row, |sample| {
            sample.latency.as_ref().map_or(f64::NAN, |latency| figure(latency) as f64 / 1e3)
        });
        format!("{:.1}", stats::median(&each))
    };
    [micros(|l| l.p50_ns), micros(|l| l.p99_ns), micros(|l| l.p999_ns)]
}

/// Three digits or more.
fn number(value: f64) -> String {
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$}")
}

fn percent(share: f64) -> String {
    format!("±{:.1} %", share * 100.0)
}

/// Where a peer, or the limit, takes less than ours.
pub fn losses(results: &Results) -> String {
    let mut text = String::new();
    for measured in &results.tables {
        let less = ranked(measured).into_iter().filter_map(|row| match verdict(measured, row) {
            // Ours in another way is not somebody else.
            _ if row.peer.starts_with(OURS) => None,
            Verdict::Times(ratio) if ratio < 1.0 => Some(format!("{} {ratio:.2} ×", row.peer)),
            _ => None,
        });
        let less: Vec<String> = less.collect();
        if !less.is_empty() {
            let _ = writeln!(text, "  {:<14} {}", measured.workload.name, less.join(", "));
        }
    }
    if text.is_empty() {
        return "\nannulus is behind nobody\n".to_owned();
    }
    format!("\nannulus is behind (CPU time, to annulus):\n{text}")
}

#[cfg(test)]
mod tests;
