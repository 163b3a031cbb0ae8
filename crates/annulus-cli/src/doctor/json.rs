//! The report for programs.
//!
//! Owns the names of the JSON fields, which are a contract: fields are added, never renamed.
//! Invariant: [`render`] is a pure function of the report.

use annulus_ring::diagnose::Fact;
use serde_json::{Map, Value, json};

use super::report::{Opened, Refusal, Report, Row, version};

/// The report as one JSON object, indented, with a newline at the end.
pub fn render(report: &Report) -> String {
    let (ring, refusal) = match &report.outcome {
        Ok(opened) => (ring(opened), Value::Null),
        Err(refusal) => (Value::Null, refused(refusal)),
    };
    let value = json!({
        "kernel": report.release,
        "verdict": report.verdict().name(),
        "ring": ring,
        "refusal": refusal,
        "facts": facts(&report.facts),
    });
    format!("{value:#}\n")
}

fn ring(opened: &Opened) -> Value {
    json!({
        "sq_entries": opened.sq_entries,
        "cq_entries": opened.cq_entries,
        "flags": opened.flags,
        "ring_bytes": opened.ring_bytes,
        "rings_within_memlock": opened.rings_within_memlock,
        "needs": rows(&opened.needs),
        "remedy": opened.remedy,
        "features": rows(&opened.features),
        "operations": rows(&opened.operations),
        "registrations": rows(&opened.registrations),
    })
}

fn refused(refusal: &Refusal) -> Value {
    json!({
        "cause": refusal.cause.name(),
        "failed": refusal.failed,
        "errno": refusal.errno,
        "remedy": refusal.remedy,
        "text": refusal.text,
    })
}

fn rows(rows: &[Row]) -> Vec<Value> {
    let value = |row: &Row| {
        json!({
            "name": row.name,
            "since": row.since.map(version),
            "present": row.present,
            "why": row.why,
        })
    };
    rows.iter().map(value).collect()
}

fn facts(facts: &[Fact]) -> Map<String, Value> {
    let pair = |fact: &Fact| (fact.subject.to_owned(), Value::from(fact.value.as_str()));
    facts.iter().map(pair).collect()
}
