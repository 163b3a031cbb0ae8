//! User instructions per operation, counted by callgrind: repeatable where CPU time is not.
//!
//! Owns: two runs of different length for each row; their difference has no start-up in it. What
//! the kernel executes is not counted. Mirrors valgrind(1).

use std::io;
use std::time::Duration;

use super::case::{Case, Role};
use super::child::Order;
use super::measure::progress;
use super::pages::Pages;
use super::process::complaints_of;
use super::table::Table;

const OPS: [u64; 2] = [20_000, 120_000];

/// The table of a case.
///
/// # Errors
/// Valgrind is not installed, or does not run these programs.
pub fn table(case: &Case, pages: &Pages) -> io::Result<Table> {
    let rows = case.rows.iter();
    let counted: Vec<_> = rows.filter(|row| !matches!(row.role, Role::Again { .. })).collect();
    let mut counts = Vec::new();
    for row in &counted {
        progress(&format!("{}: {}", case.title, row.label));
        let order = |ops| Order {
            program: row.program,
            parallel: case.parallel,
            seconds: Duration::from_secs(1),
            ops: Some(ops),
            cpu: None,
            file: Some(pages.path()),
            address: None,
            spin_us: row.spin_us,
            tick: row.tick,
        };
        let [short, long] = OPS.map(|ops| instructions(order(ops)));
        progress("");
        counts.push((long? - short?) as f64 / (OPS[1] - OPS[0]) as f64);
    }
    let rows = counted.iter().zip(&counts).map(|(row, count)| {
        let mut cells = vec![row.label.to_owned(), format!("{count:.0}")];
        if let Role::Ours { against } = row.role {
            cells.push(format!("{:.2}", count / counts[against]));
        }
        cells
    });
    Ok(Table {
        title: format!("{}: user instructions", case.title),
        head: vec!["", "per op", "ours/limit"],
        rows: rows.collect(),
        notes: Vec::new(),
    })
}

/// The instructions of a whole process.
fn instructions(order: Order<'_>) -> io::Result<u64> {
    let valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"];
    let mut words: Vec<String> = valgrind.map(str::to_owned).to_vec();
    words.push(std::env::current_exe()?.display().to_string());
    words.extend(order.to_arguments());
    let text = complaints_of(&words).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(
            io::ErrorKind::NotFound,
            "--instructions needs valgrind, which is not installed",
        ),
        _ => error,
    })?;
    collected(&text)
        .ok_or_else(|| io::Error::other(format!("valgrind has not said a count:\n{text}")))
}

/// The count in what callgrind prints.
fn collected(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains("Collected : "))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_in_what_callgrind_prints() {
        let text = "==7== Events    : Ir\n==7== Collected : 1234567\n==7== \n";
        assert_eq!(collected(text), Some(1_234_567));
        assert_eq!(collected("==7== Events    : Ir\n"), None);
    }
}
