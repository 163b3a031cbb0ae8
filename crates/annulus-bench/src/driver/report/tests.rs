//! What is said of made-up samples.

use crate::WORKLOADS;

use super::*;

fn row(peer: &str, again: bool, cpu_ns: &[u64]) -> Row {
    let sample = |&cpu_ns| Sample {
        ops: 1000,
        cpu_ns: cpu_ns * 1000,
        wall_ns: 1_000_000,
        ..Sample::default()
    };
    let samples = cpu_ns.iter().map(sample).collect();
    Row { peer: peer.to_owned(), again, samples, ..Row::default() }
}

fn measured(rows: Vec<Row>) -> Measured {
    Measured { workload: WORKLOADS[0], rows, skipped: Vec::new() }
}

#[test]
fn rows_are_ranked_and_compared_with_ours_outside_the_noise() {
    let measured = measured(vec![
        row(OURS, false, &[100, 100, 100]),
        row("slow", false, &[150, 151, 149]),
        row("near", false, &[101, 101, 101]),
        row("fast", false, &[80, 80, 80]),
        row(OURS, true, &[102, 102, 102]),
    ]);
    let names: Vec<_> = ranked(&measured).iter().map(|row| row.peer.as_str()).collect();
    assert_eq!(names, ["fast", OURS, "near", "slow"]);
    let verdicts: Vec<_> = ranked(&measured).iter().map(|row| verdict(&measured, row)).collect();
    let expected = [Verdict::Times(0.8), Verdict::None, Verdict::Same, Verdict::Times(1.5)];
    assert_eq!(verdicts, expected);
    let results = Results { tables: vec![measured], ..Results::default() };
    let losses = losses(&results);
    assert!(losses.contains("fast 0.80 ×") && !losses.contains("slow"), "{losses}");
}

#[test]
fn a_peer_that_failed_is_named_below_the_table() {
    let mut measured = measured(vec![row(OURS, false, &[100])]);
    measured.skipped.push(("broken".to_owned(), "it said nothing".to_owned()));
    let text = table(&measured).to_string();
    assert!(text.contains("skipped: broken: it said nothing"), "{text}");
    assert_eq!(verdict(&measured, &measured.rows[0]), Verdict::None);
}

#[test]
fn what_could_not_be_counted_says_why() {
    let counted = Row { instructions: Some(120.4), ..row(OURS, false, &[100]) };
    let why = Some("valgrind is not installed".to_owned());
    let uncounted = Row { uncounted: why, ..row("peer", false, &[100]) };
    let text = table(&measured(vec![counted, uncounted])).to_string();
    assert!(text.contains("instructions\n") && text.contains(" 120\n"), "{text}");
    assert!(text.contains(" ?\n"), "{text}");
    assert!(text.contains("instructions not counted: peer: valgrind is not installed"), "{text}");
}

#[test]
fn a_workload_that_nobody_could_do_is_a_reason_and_no_figures() {
    let mut measured = measured(Vec::new());
    measured.skipped.push(("everybody".to_owned(), "there is no disk".to_owned()));
    let text = table(&measured).to_string();
    assert!(text.contains("skipped: everybody: there is no disk"), "{text}");
    assert!(!text.contains("noise band"), "{text}");
    assert!(losses(&Results { tables: vec![measured], ..Results::default() }).contains("nobody"));
}

#[test]
fn numbers_have_three_digits_at_least() {
    assert_eq!([5.678, 56.78, 567.8, 5678.0].map(number), ["5.68", "56.8", "568", "5678"]);
}

fn idle(peer: &str, again: bool, bytes: u64) -> Row {
    let sample = Sample {
        ops: 9000,
        cpu_ns: 1,
        wall_ns: 1,
        resident_bytes: Some(bytes * 9000),
        base_bytes: Some(3 << 20),
        ..Sample::default()
    };
    Row { peer: peer.to_owned(), again, samples: vec![sample], ..Row::default() }
}

#[test]
fn idle_connections_are_compared_by_memory_and_the_base_stands_beside() {
    let workload = *WORKLOADS.iter().find(|workload| workload.name == "idle-9000").unwrap();
    let rows = vec![idle(OURS, false, 512), idle("large", false, 2048), idle(OURS, true, 512)];
    let measured = Measured { workload, rows, skipped: Vec::new() };
    assert_eq!(verdict(&measured, &measured.rows[1]), Verdict::Times(4.0));
    let text = table(&measured).to_string();
    for part in ["KiB/connection", "base MiB", "0.50", "2.00", "4.00 ×", "3.0"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("CPU"), "{text}");
}

#[test]
fn the_worst_imbalance_of_all_rounds_is_shown_where_cores_share_connections() {
    let workload = *WORKLOADS.iter().find(|workload| workload.name == "accept-1000").unwrap();
    let mut ours = row(OURS, false, &[100, 100, 100]);
    for (sample, imbalance) in ours.samples.iter_mut().zip([12, 61, 3]) {
        sample.imbalance = Some(imbalance);
    }
    let rows = vec![ours, row("silent", false, &[100])];
    let text = table(&Measured { workload, rows, skipped: Vec::new() }).to_string();
    assert!(text.contains("imbalance\n") && text.contains("  6.1 %\n"), "{text}");
    let workload = *WORKLOADS.iter().find(|workload| workload.name == "accept-1").unwrap();
    let measured = Measured { workload, rows: vec![row(OURS, false, &[100])], skipped: Vec::new() };
    assert!(!table(&measured).to_string().contains("imbalance"));
}
