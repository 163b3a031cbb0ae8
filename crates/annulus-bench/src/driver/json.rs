//! Results as a file of JSON, written and read.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::instructions::Counts;
use super::machine::Machine;
use super::process;
use super::rounds::{Measured, Results, Row};
use crate::{Sample, WORKLOADS};

/// Writes all samples.
///
/// # Errors
/// Those of writing a file.
pub fn write(results: &Results, file: &Path) -> io::Result<()> {
    std::fs::write(file, to_text(results)?)
}

/// Reads what [`write`] has written. Of a workload that is in several files the last counts, but
/// for what was counted in one of them only; one that there is no more is left out.
///
/// # Errors
/// Those of reading a file; `InvalidData` if it is not such a file.
pub fn read_all(files: &[PathBuf]) -> io::Result<Results> {
    let mut all = Results::default();
    for file in files {
        let mut one = from_text(&std::fs::read_to_string(file)?)?;
        for table in &mut one.tables {
            if let Some(old) = all.tables.iter().find(|old| old.workload == table.workload) {
                keep_counts(&old.rows, &mut table.rows);
            }
        }
        all.tables.retain(|table| one.tables.iter().all(|new| new.workload != table.workload));
        all.tables.append(&mut one.tables);
        all = Results { tables: all.tables, ..one };
    }
    let place = |table: &Measured| WORKLOADS.iter().position(|known| *known == table.workload);
    all.tables.sort_by_key(place);
    Ok(all)
}

fn keep_counts(old: &[Row], new: &mut [Row]) {
    let is_asked = |row: &&mut Row| row.counts.is_some() || row.uncounted.is_some();
    for row in new.iter_mut().filter(|row| !is_asked(row) && !row.again) {
        let counted = old.iter().find(|old| old.peer == row.peer && !old.again);
        row.counts = counted.and_then(|old| old.counts);
        row.uncounted = counted.and_then(|old| old.uncounted.clone());
    }
}

fn to_text(results: &Results) -> io::Result<String> {
    let Machine { kernel, processor, cpus, load } = &results.machine;
    let tables: Vec<Value> = results.tables.iter().map(table).collect();
    let whole = json!({
        "machine": { "kernel": kernel, "processor": processor, "cpus": cpus, "load": load },
        "rounds": results.rounds,
        "seconds": results.seconds,
        "workloads": tables,
    });
    Ok(serde_json::to_string_pretty(&whole)? + "\n")
}

fn table(measured: &Measured) -> Value {
    let rows = measured.rows.iter().map(|row| {
        let samples = row.samples.iter().map(sample_value).collect::<Vec<_>>();
        json!({
            "peer": row.peer,
            "version": row.version,
            "again": row.again,
            "instructions": row.counts.map(|counts| counts.instructions),
            "calls": row.counts.and_then(|counts| counts.calls),
            "allocations": row.counts.and_then(|counts| counts.allocations),
            "uncounted": row.uncounted,
            "samples": samples,
        })
    });
    let skipped = measured.skipped.iter().map(|(peer, why)| json!({ "peer": peer, "why": why }));
    json!({
        "name": measured.workload.name,
        "title": measured.workload.title,
        "operation": measured.workload.operation,
        "rows": rows.collect::<Vec<_>>(),
        "skipped": skipped.collect::<Vec<_>>(),
    })
}

fn sample_value(sample: &Sample) -> Value {
    serde_json::from_str(&sample.to_json()).unwrap_or(Value::Null)
}

fn from_text(text: &str) -> io::Result<Results> {
    let value: Value = serde_json::from_str(text)?;
    parse(&value).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not written by --json"))
}

fn parse(value: &Value) -> Option<Results> {
    let machine = value.get("machine")?;
    Some(Results {
        machine: Machine {
            kernel: machine.get("kernel")?.as_str()?.to_owned(),
            processor: machine.get("processor")?.as_str()?.to_owned(),
            cpus: machine.get("cpus")?.as_u64()? as usize,
            load: machine.get("load")?.as_f64()?,
        },
        rounds: value.get("rounds")?.as_u64()? as u32,
        seconds: value.get("seconds")?.as_f64()?,
        tables: value.get("workloads")?.as_array()?.iter().filter_map(parse_table).collect(),
    })
}

fn parse_table(value: &Value) -> Option<Measured> {
    let name = value.get("name")?.as_str()?;
    let text = |value: &Value, field: &str| Some(value.get(field)?.as_str()?.to_owned());
    let row = |value: &Value| {
        Some(Row {
            peer: text(value, "peer")?,
            version: text(value, "version")?,
            again: value.get("again")?.as_bool()?,
            counts: parse_counts(value),
            uncounted: text(value, "uncounted"),
            samples: value.get("samples")?.as_array()?.iter().filter_map(process::sample).collect(),
        })
    };
    let skip = |value: &Value| Some((text(value, "peer")?, text(value, "why")?));
    Some(Measured {
        workload: *WORKLOADS.iter().find(|workload| workload.name == name)?,
        rows: value.get("rows")?.as_array()?.iter().filter_map(row).collect(),
        skipped: value.get("skipped")?.as_array()?.iter().filter_map(skip).collect(),
    })
}

/// Files of before there were more than instructions have these.
fn parse_counts(value: &Value) -> Option<Counts> {
    let number = |name: &str| value.get(name).and_then(Value::as_f64);
    Some(Counts {
        instructions: number("instructions")?,
        calls: number("calls"),
        allocations: number("allocations"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_before_is_kept() {
        let counts = |instructions| Counts { instructions, ..Counts::default() };
        let row = |peer: &str, counts| Row { peer: peer.to_owned(), counts, ..Row::default() };
        let old = [row("a", Some(counts(1.0))), row("b", Some(counts(2.0)))];
        let mut new = [row("b", None), row("a", Some(counts(3.0))), row("c", None)];
        keep_counts(&old, &mut new);
        assert_eq!(new.map(|row| row.counts), [Some(counts(2.0)), Some(counts(3.0)), None]);
    }

    #[test]
    fn files_of_instructions_alone_can_be_read() {
        let row = json!({ "instructions": 5.0, "calls": null });
        let counts = Counts { instructions: 5.0, calls: None, allocations: None };
        assert_eq!(parse_counts(&row), Some(counts));
        assert_eq!(parse_counts(&json!({ "instructions": null })), None);
    }

    #[test]
    fn results_survive_the_way_through_a_file() {
        let sample = Sample { ops: 1, cpu_ns: 2, wall_ns: 3, ..Sample::default() };
        let row = Row {
            peer: "annulus".to_owned(),
            version: "0.1.0".to_owned(),
            again: true,
            counts: Some(Counts { instructions: 1.5, calls: Some(0.5), allocations: Some(0.0) }),
            uncounted: Some("not today".to_owned()),
            samples: vec![sample],
        };
        let results = Results {
            machine: Machine {
                kernel: "6.18".to_owned(),
                cpus: 2,
                load: 0.5,
                ..Machine::default()
            },
            rounds: 5,
            seconds: 0.5,
            tables: vec![Measured {
                workload: WORKLOADS[1],
                rows: vec![row],
                skipped: vec![("a".to_owned(), "b".to_owned())],
            }],
        };
        assert_eq!(from_text(&to_text(&results).unwrap()).unwrap(), results);
        from_text("{}").unwrap_err();
        from_text("nothing").unwrap_err();
    }
}
