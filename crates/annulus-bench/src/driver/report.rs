//! What came, as tables of text.
//!
//! Owns: the figures of a row, what they are compared with, and what is lost. Pure.

use std::fmt::Write as _;

use super::instructions::Counts;
use super::program::OURS;
use super::rounds::{Measured, Results, Row};
use crate::table::Table;
use crate::{Kind, Latency, Sample, stats};

/// What decides, of each round: the CPU time of an operation, in nanoseconds, or the memory of a
/// connection, in bytes.
pub fn figures(measured: &Measured, row: &Row) -> Vec<f64> {
    match measured.workload.kind {
        Kind::Memory => bytes_per_connection(measured, row),
        Kind::Alone | Kind::Server => each(row, |sample| sample.cpu_ns as f64 / sample.ops as f64),
    }
}

fn bytes_per_connection(measured: &Measured, row: &Row) -> Vec<f64> {
    let connections = f64::from(measured.workload.tasks);
    let bytes = |sample: &Sample| sample.resident_bytes.map_or(f64::NAN, |bytes| bytes as f64);
    each(row, |sample| bytes(sample) / connections)
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
    /// So many times the CPU time or memory that ours takes.
    Times(f64),
}

/// What is compared, of each round.
type Figures = fn(&Measured, &Row) -> Vec<f64>;

/// The noise band of a workload: how far the program that ran twice is from itself.
pub fn band(measured: &Measured) -> f64 {
    band_of(measured, figures)
}

fn band_of(measured: &Measured, of: Figures) -> f64 {
    let Some(again) = measured.rows.iter().find(|row| row.again) else {
        return 0.0;
    };
    let once = measured.rows.iter().find(|row| !row.again && row.peer == again.peer);
    once.map_or(0.0, |once| stats::band(&of(measured, once), &of(measured, again)))
}

/// How a row of a workload compares with ours.
pub fn verdict(measured: &Measured, row: &Row) -> Verdict {
    verdict_of(measured, row, figures)
}

fn verdict_of(measured: &Measured, row: &Row, of: Figures) -> Verdict {
    let ours = measured.rows.iter().find(|row| row.peer == OURS && !row.again);
    let Some(ours) = ours.filter(|_| row.peer != OURS) else {
        return Verdict::None;
    };
    let (theirs, ours) = (of(measured, row), of(measured, ours));
    let ratio = stats::ratio(&theirs, &ours);
    if stats::is_same(ratio, band_of(measured, of).max(stats::scatter(&theirs, &ours))) {
        return Verdict::Same;
    }
    Verdict::Times(ratio)
}

/// The rows by what decides, the best first, without the repetition.
pub fn ranked(measured: &Measured) -> Vec<&Row> {
    let mut rows: Vec<&Row> = measured.rows.iter().filter(|row| !row.again).collect();
    let median = |row: &Row| stats::median(&figures(measured, row));
    rows.sort_by(|a, b| median(a).total_cmp(&median(b)));
    rows
}

/// So many connections tell what one of them takes.
const CROWD: u32 = 1000;

/// The table of a workload.
pub fn table(measured: &Measured) -> Table {
    let workload = &measured.workload;
    let columns = columns(measured);
    let head = columns.iter().map(|column| column.head(workload.kind)).collect();
    let rows = ranked(measured)
        .into_iter()
        .map(|row| columns.iter().map(|column| column.cell(measured, row)).collect::<Vec<_>>());
    let (band, operation) = (percent(band(measured)), workload.operation);
    let again = measured.rows.iter().find(|row| row.again).map_or(OURS, |row| &row.peer);
    let mut notes = Vec::new();
    if !measured.rows.is_empty() {
        notes.push(format!("noise band, {again} against itself: {band}"));
    }
    notes.extend(measured.rows.iter().filter_map(|row| {
        let why = row.uncounted.as_ref()?;
        Some(format!("instructions not counted: {}: {why}", row.peer))
    }));
    notes.extend(measured.skipped.iter().map(|(peer, why)| format!("skipped: {peer}: {why}")));
    let title = format!("{}: {}, for each {operation}", workload.name, workload.title);
    Table { title, head, rows: rows.collect(), notes }
}

/// What a table can show.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Peer,
    Figure,
    Spread,
    Rate,
    Ratio,
    Instructions,
    Calls,
    Allocations,
    P50,
    P99,
    P999,
    Connection,
    Base,
    Imbalance,
}

/// The columns that a workload has.
fn columns(measured: &Measured) -> Vec<Column> {
    use Column::*;
    let workload = &measured.workload;
    if workload.kind == Kind::Memory {
        return vec![Peer, Figure, Spread, Ratio, Base];
    }
    let mut columns = vec![Peer, Figure, Spread, Rate, Ratio];
    if measured.rows.iter().any(|row| row.counts.is_some() || row.uncounted.is_some()) {
        columns.push(Instructions);
    }
    let counts = || measured.rows.iter().filter_map(|row| row.counts);
    if counts().any(|counts| counts.calls.is_some()) {
        columns.extend([Calls, Allocations]);
    }
    if workload.kind == Kind::Server {
        columns.extend([P50, P99, P999]);
        if workload.load == "load" && workload.tasks >= CROWD {
            columns.push(Connection);
        }
        if workload.is_shared() {
            columns.push(Imbalance);
        }
    }
    columns
}

impl Column {
    fn head(self, kind: Kind) -> &'static str {
        match self {
            Self::Peer => "",
            Self::Figure if kind == Kind::Memory => "KiB/connection",
            Self::Figure => "CPU ns",
            Self::Spread => "spread",
            Self::Rate => "per second",
            Self::Ratio => "to annulus",
            Self::Instructions => "instructions",
            Self::Calls => "calls",
            Self::Allocations => "allocations",
            Self::P50 => "p50 µs",
            Self::P99 => "p99 µs",
            Self::P999 => "p99.9 µs",
            Self::Connection => "KiB/connection",
            Self::Base => "base MiB",
            Self::Imbalance => "imbalance",
        }
    }

    fn cell(self, measured: &Measured, row: &Row) -> String {
        let deciding = figures(measured, row);
        let middle = stats::median(&deciding);
        match self {
            Self::Peer => row.peer.clone(),
            Self::Figure if measured.workload.kind == Kind::Memory => kib(middle),
            Self::Figure => number(middle),
            Self::Spread => percent(stats::spread(&deciding)),
            Self::Rate => {
                let rate = each(row, |sample| sample.ops as f64 * 1e9 / sample.wall_ns as f64);
                format!("{:.0}", stats::median(&rate))
            }
            Self::Ratio => match verdict(measured, row) {
                Verdict::None => String::new(),
                Verdict::Same => "same".to_owned(),
                Verdict::Times(ratio) => format!("{ratio:.2} ×"),
            },
            Self::Instructions => {
                counted(row, |counts| Some(format!("{:.0}", counts.instructions)))
            }
            Self::Calls => counted(row, |counts| Some(format!("{:.2}", counts.calls?))),
            Self::Allocations => counted(row, |counts| Some(format!("{:.2}", counts.allocations?))),
            Self::P50 => micros(&latencies(row, |latency| latency.p50_ns)),
            Self::P99 => micros(&latencies(row, |latency| latency.p99_ns)),
            Self::P999 => micros(&latencies(row, |latency| latency.p999_ns)),
            Self::Connection => kib(stats::median(&bytes_per_connection(measured, row))),
            Self::Base => {
                let base = each(row, |sample| sample.base_bytes.unwrap_or(0) as f64);
                format!("{:.1}", stats::median(&base) / f64::from(1 << 20))
            }
            Self::Imbalance => {
                let worst = row.samples.iter().filter_map(|sample| sample.imbalance).max();
                worst.map_or_else(String::new, |it| format!("{:.1} %", it as f64 / 10.0))
            }
        }
    }
}

/// A question mark where it was not.
fn counted(row: &Row, cell: impl Fn(Counts) -> Option<String>) -> String {
    row.counts.and_then(cell).unwrap_or_else(|| "?".to_owned())
}

/// In nanoseconds; no number where none was measured.
fn latencies(row: &Row, figure: fn(&Latency) -> u64) -> Vec<f64> {
    each(row, |sample| sample.latency.as_ref().map_or(f64::NAN, |latency| figure(latency) as f64))
}

fn micros(nanos: &[f64]) -> String {
    format!("{:.1}", stats::median(nanos) / 1e3)
}

fn kib(bytes: f64) -> String {
    format!("{:.2}", bytes / 1024.0)
}

/// Three digits or more.
fn number(value: f64) -> String {
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$}")
}

fn percent(share: f64) -> String {
    format!("±{:.1} %", share * 100.0)
}

/// What a table shows besides what decides, and in which somebody may be ahead.
const BESIDES: &[(&str, Column, Figures)] = &[
    ("p50", Column::P50, |_, row| latencies(row, |latency| latency.p50_ns)),
    ("p99", Column::P99, |_, row| latencies(row, |latency| latency.p99_ns)),
    ("memory", Column::Connection, bytes_per_connection),
];

/// Where a peer, or the limit, takes less than ours: in what decides, and then in latency and in
/// memory for each connection, where tables have them.
pub fn losses(results: &Results) -> String {
    let mut text = String::new();
    for measured in &results.tables {
        let less = ahead(measured, figures);
        if !less.is_empty() {
            let less: Vec<String> = less.iter().map(|one| format!("{one} ×")).collect();
            let _ = writeln!(text, "  {:<14} {}", measured.workload.name, less.join(", "));
        }
    }
    if text.is_empty() {
        "\nannulus is behind nobody\n".clone_into(&mut text);
    } else {
        text.insert_str(0, "\nannulus is behind (CPU time, or memory, to annulus):\n");
    }
    let besides: String = results.tables.iter().filter_map(behind_besides).collect();
    if !besides.is_empty() {
        let _ = write!(text, "\nbesides, annulus is behind in (to annulus):\n{besides}");
    }
    text
}

/// The line of a workload in which somebody is ahead in what does not decide.
fn behind_besides(measured: &Measured) -> Option<String> {
    let shown = columns(measured);
    let figures = BESIDES.iter().filter(|(_, column, _)| shown.contains(column));
    let parts = figures.filter_map(|(name, _, of)| {
        let less = ahead(measured, *of);
        (!less.is_empty()).then(|| format!("{name}: {}", less.join(", ")))
    });
    let parts: Vec<String> = parts.collect();
    let line = format!("  {:<14} {}\n", measured.workload.name, parts.join("; "));
    (!parts.is_empty()).then_some(line)
}

/// Who takes less than ours of these figures, the least first, with the ratio.
fn ahead(measured: &Measured, of: Figures) -> Vec<String> {
    let others = measured.rows.iter().filter(|row| !row.again);
    // Ours in another way is not somebody else.
    let others = others.filter(|row| !row.peer.starts_with(OURS));
    let less = others.filter_map(|row| match verdict_of(measured, row, of) {
        Verdict::Times(ratio) if ratio < 1.0 => Some((ratio, &row.peer)),
        _ => None,
    });
    let mut less: Vec<(f64, &String)> = less.collect();
    less.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    less.into_iter().map(|(ratio, peer)| format!("{peer} {ratio:.2}")).collect()
}

#[cfg(test)]
mod tests;
