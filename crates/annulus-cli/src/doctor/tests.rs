//! The renderings of made-up reports.

use annulus_ring::diagnose::{Evidence, Fact};
use annulus_ring::{SetupError, Stage};
use serde_json::Value;

use super::report::{Opened, Refusal, Report, Row, Verdict};
use super::{json, text};

fn row(name: &str, since: (u8, u8), present: Option<bool>, why: Option<&str>) -> Row {
    Row { name: name.to_owned(), since: Some(since), present, why: why.map(str::to_owned) }
}

fn opened() -> Report {
    Report {
        release: Some("6.18.44".to_owned()),
        facts: vec![Fact { subject: "seccomp", value: "no filter (Seccomp: 0)".to_owned() }],
        outcome: Ok(Opened {
            sq_entries: 256,
            cq_entries: 2048,
            flags: vec!["SUBMIT_ALL".to_owned(), "DEFER_TASKRUN".to_owned()],
            ring_bytes: 53248,
            rings_within_memlock: Some(157),
            remedy: Vec::new(),
            needs: vec![row("DEFER_TASKRUN", (6, 1), Some(true), None)],
            features: vec![
                row("NODROP", (5, 5), Some(true), None),
                row("SQ_REWIND", (7, 0), Some(false), Some("this kernel lacks it")),
            ],
            operations: vec![row("NOP", (5, 1), Some(true), None)],
            registrations: vec![row("QUERY", (6, 18), None, None)],
        }),
    }
}

fn without_defer() -> Report {
    let mut report = opened();
    let ring = report.outcome.as_mut().unwrap();
    ring.needs.push(row("buffer rings", (5, 19), Some(false), None));
    ring.remedy.push("use Linux 5.19 or later".to_owned());
    report
}

fn refusal() -> SetupError {
    let mut evidence = Evidence::default();
    evidence.seccomp_mode = Some(2);
    evidence.io_uring_disabled = Some(0);
    SetupError::with_evidence(
        Stage::Setup,
        annulus_ring::abi::Errno(libc::EPERM),
        &annulus_ring::abi::Params::default(),
        evidence,
    )
}

fn refused() -> Report {
    Report {
        release: None,
        facts: refusal().evidence().facts(),
        outcome: Err(Refusal::from(&refusal())),
    }
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn the_verdict_comes_first() {
    let text = text::render(&opened());
    assert_eq!(
        lines(&text)[..2],
        ["kernel   Linux 6.18.44", "verdict  ready: the runtime has all that it needs here",]
    );
}

#[test]
fn what_the_runtime_misses_is_named_in_the_verdict() {
    let report = without_defer();
    assert_eq!(report.verdict(), Verdict::RingOnly);
    assert_eq!(
        lines(&text::render(&report))[1..5],
        [
            "verdict  a ring opens, but the runtime cannot run here; missing: buffer rings",
            "",
            "remedy",
            "  - use Linux 5.19 or later",
        ]
    );
}

#[test]
fn every_row_says_yes_or_no_since_when_and_why_not() {
    let text = text::render(&opened());
    let lines = lines(&text);
    for line in [
        "features (1 of 2)",
        "  yes  NODROP                       5.5",
        "  no   SQ_REWIND                    7.0    this kernel lacks it",
        "  -    QUERY                        6.18",
        "  completions                    2048",
        "  locked memory                  52 KiB",
        "  rings like this                at most 157 per user, by RLIMIT_MEMLOCK",
        "  seccomp                        no filter (Seccomp: 0)",
    ] {
        assert!(lines.contains(&line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn a_refusal_is_the_text_of_the_error_itself() {
    let text = text::render(&refused());
    assert!(text.starts_with("kernel   Linux of unknown release\nverdict  refused:"));
    assert!(text.ends_with(&format!("\n\n{}\n", refusal())), "{text}");
}

#[test]
fn colour_adds_escape_sequences_and_changes_no_word() {
    let coloured = text::coloured(&opened());
    assert!(coloured.contains("\x1b[32myes\x1b[0m"));
    let mut plain = coloured;
    for code in ["\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[1m", "\x1b[0m"] {
        plain = plain.replace(code, "");
    }
    assert_eq!(plain, text::render(&opened()));
    assert!(!text::render(&opened()).contains('\x1b'));
}

#[test]
fn json_of_a_ring_has_every_table() {
    let value: Value = serde_json::from_str(&json::render(&opened())).unwrap();
    assert_eq!(value["verdict"], "ready");
    assert_eq!(value["refusal"], Value::Null);
    assert_eq!(value["ring"]["cq_entries"], 2048);
    assert_eq!(value["ring"]["features"][1]["name"], "SQ_REWIND");
    assert_eq!(value["ring"]["features"][1]["since"], "7.0");
    assert_eq!(value["ring"]["features"][1]["present"], false);
    assert_eq!(value["ring"]["registrations"][0]["present"], Value::Null);
    assert_eq!(value["facts"]["seccomp"], "no filter (Seccomp: 0)");
}

#[test]
fn json_of_a_refusal_has_cause_and_remedy() {
    let value: Value = serde_json::from_str(&json::render(&refused())).unwrap();
    assert_eq!(value["verdict"], "refused");
    assert_eq!(value["ring"], Value::Null);
    assert_eq!(value["refusal"]["cause"], "Seccomp");
    assert_eq!(value["refusal"]["errno"], libc::EPERM);
    assert_eq!(value["refusal"]["failed"], "io_uring_setup(2)");
    assert!(!value["refusal"]["remedy"].as_array().unwrap().is_empty());
}

#[test]
fn a_killed_child_is_a_refusal_by_the_filter() {
    let report = Report {
        release: None,
        facts: Vec::new(),
        outcome: Err(Refusal::killed(&Evidence::default())),
    };
    let text = text::render(&report);
    assert!(text.contains("killed by SIGSYS"), "{text}");
    assert!(text.contains("SystemCallFilter="), "{text}");
}
