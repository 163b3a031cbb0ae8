//! Charts as plain SVG: one bar for each program, the best first, ours in another colour.
//!
//! Owns: the drawing. No script, no font of its own, readable on light and on dark pages.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use super::program::OURS;
use super::report;
use super::rounds::{Measured, Results};
use crate::{Kind, stats};

const WIDTH: f64 = 720.0;
const LABEL: f64 = 110.0;
const VALUE: f64 = 118.0;
const BAR: f64 = 18.0;
const STEP: f64 = 26.0;
const TOP: f64 = 56.0;

/// Writes a chart of each workload that somebody took part in, named after it.
///
/// # Errors
/// Those of writing files.
pub fn write_all(results: &Results, directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    for measured in results.tables.iter().filter(|measured| !measured.rows.is_empty()) {
        let file = directory.join(format!("{}.svg", measured.workload.name));
        std::fs::write(file, draw(measured))?;
    }
    Ok(())
}

/// A bar that would be longer than so many times that of ours is cut off.
const LONGEST: f64 = 6.0;

fn draw(measured: &Measured) -> String {
    let bars: Vec<(&str, f64, f64)> = report::ranked(measured)
        .into_iter()
        .map(|row| {
            let figures = report::figures(measured, row);
            (row.peer.as_str(), stats::median(&figures), stats::spread(&figures))
        })
        .collect();
    let ours = bars.iter().find(|(peer, ..)| *peer == OURS).map(|(_, cpu, _)| *cpu);
    let longest = bars.iter().map(|(_, cpu, _)| *cpu).fold(0.0, f64::max);
    let scale = longest.min(ours.unwrap_or(longest) * LONGEST).max(f64::MIN_POSITIVE);
    let height = TOP + STEP * bars.len() as f64 + 10.0;
    let mut svg = head(measured, height);
    for (index, &(peer, cpu, spread)) in bars.iter().enumerate() {
        let y = TOP + STEP * index as f64;
        let room = WIDTH - LABEL - VALUE;
        let (length, cut) = (room * (cpu / scale).min(1.0), cpu > scale);
        let class = if peer == OURS { "bar ours" } else { "bar" };
        let middle = y + BAR / 2.0 + 4.5;
        let _ = writeln!(
            svg,
            r#"<text x="{:.1}" y="{middle:.1}" text-anchor="end">{peer}</text>"#,
            LABEL - 8.0
        );
        let _ = writeln!(
            svg,
            r#"<rect class="{class}" x="{LABEL}" y="{y:.1}" width="{length:.1}" height="{BAR}"/>"#
        );
        if cut {
            let x = LABEL + length - 26.0;
            let _ = writeln!(
                svg,
                r#"<path class="cut" d="M{x:.1} {:.1}l8 -{:.1}"/>"#,
                y + BAR + 3.0,
                BAR + 6.0
            );
        }
        let x = LABEL + length + 6.0;
        let (text, spread) = (figure(measured.workload.kind, cpu), spread * 100.0);
        let faint = format!(r#"<tspan class="faint"> ±{spread:.0} %</tspan>"#);
        let _ = writeln!(svg, r#"<text x="{x:.1}" y="{middle:.1}">{text}{faint}</text>"#);
    }
    svg + "</svg>\n"
}

fn head(measured: &Measured, height: f64) -> String {
    let (title, operation) = (measured.workload.title, measured.workload.operation);
    let what = match measured.workload.kind {
        Kind::Memory => "Memory",
        Kind::Alone | Kind::Server => "CPU time",
    };
    let size = format!(r#"viewBox="0 0 {WIDTH} {height:.0}" width="{WIDTH}" height="{height:.0}""#);
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{title}">
<style>
  text {{ font: 13px system-ui, sans-serif; fill: #333 }}
  .title {{ font-size: 15px; font-weight: 600 }}
  .faint {{ fill: #888 }}
  .bar {{ fill: #9aa7b5 }}
  .ours {{ fill: #d9622b }}
  .cut {{ stroke: #fff; stroke-width: 4 }}
  @media (prefers-color-scheme: dark) {{
    text {{ fill: #ddd }}
    .bar {{ fill: #66727f }}
    .cut {{ stroke: #111 }}
  }}
</style>
<text class="title" x="12" y="22">{title}</text>
<text class="faint" x="12" y="42">{what} for each {operation}, shorter is better</text>
"#
    )
}

/// A time, in the unit that suits it, or memory.
fn figure(kind: Kind, value: f64) -> String {
    match value {
        bytes if kind == Kind::Memory => format!("{:.2} KiB", bytes / 1024.0),
        ns if ns < 10.0 => format!("{ns:.1} ns"),
        ns if ns < 1000.0 => format!("{ns:.0} ns"),
        ns if ns < 10_000.0 => format!("{:.2} µs", ns / 1e3),
        ns => format!("{:.1} µs", ns / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rounds::Row;
    use super::*;
    use crate::{Sample, WORKLOADS};

    fn row(peer: &str, cpu_ns: u64) -> Row {
        let sample = Sample { ops: 1, cpu_ns, wall_ns: 1, ..Sample::default() };
        Row { peer: peer.to_owned(), samples: vec![sample], ..Row::default() }
    }

    #[test]
    fn each_program_has_a_bar_and_a_very_long_one_is_cut() {
        let rows = vec![row(OURS, 100), row("near", 120), row("far", 5000)];
        let measured = Measured { workload: WORKLOADS[0], rows, skipped: Vec::new() };
        let svg = draw(&measured);
        assert_eq!(svg.matches("<rect").count(), 3);
        assert_eq!(svg.matches("class=\"bar ours\"").count(), 1);
        assert_eq!(svg.matches("class=\"cut\"").count(), 1);
        assert!(svg.contains("5.00 µs") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn times_have_the_unit_that_suits_them() {
        let figures = [5.25, 525.0, 5250.0, 52500.0].map(|ns| figure(Kind::Server, ns));
        assert_eq!(figures, ["5.2 ns", "525 ns", "5.25 µs", "52.5 µs"]);
        assert_eq!(figure(Kind::Memory, 1536.0), "1.50 KiB");
    }
}
