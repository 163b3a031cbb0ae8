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
    let counts = Counts { instructions: 120.4, calls: Some(0.04), allocations: None };
    let counted = Row { counts: Some(counts), ..row(OURS, false, &[100]) };
    let why = Some("valgrind is not installed".to_owned());
    let uncounted = Row { uncounted: why, ..row("peer", false, &[100]) };
    let text = table(&measured(vec![counted, uncounted])).to_string();
    assert!(text.contains("  instructions  calls  allocations\n"), "{text}");
    assert!(text.contains(" 120   0.04            ?\n"), "{text}");
    assert!(text.contains(" ?      ?            ?\n"), "{text}");
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

/// A server of many connections: CPU time and memory as ours, but for what is given.
fn crowd(peer: &str, again: bool, p50_us: &[u64], p99_us: u64, kib: u64) -> Row {
    let sample = |&p50_us: &u64| Sample {
        ops: 1000,
        cpu_ns: 1_000_000,
        wall_ns: 1_000_000,
        resident_bytes: Some(kib * 1000 * 1024),
        latency: Some(Latency { p50_ns: p50_us * 1000, p99_ns: p99_us * 1000, p999_ns: 1_000_000 }),
        ..Sample::default()
    };
    let samples = p50_us.iter().map(sample).collect();
    Row { peer: peer.to_owned(), again, samples, ..Row::default() }
}

fn of_workload(name: &str, rows: Vec<Row>) -> Results {
    let workload = *WORKLOADS.iter().find(|workload| workload.name == name).unwrap();
    let table = Measured { workload, rows, skipped: Vec::new() };
    Results { tables: vec![table], ..Results::default() }
}

#[test]
fn who_is_ahead_in_latency_or_memory_is_said_besides_what_decides() {
    let rows = vec![
        crowd(OURS, false, &[100, 100, 100], 200, 10),
        crowd("prompt", false, &[87, 87, 87], 300, 10),
        crowd("prompter", false, &[50, 50, 50], 200, 20),
        crowd("small", false, &[101, 101, 101], 100, 3),
        crowd("annulus-small", false, &[10, 10, 10], 10, 1),
        crowd(OURS, true, &[102, 102, 102], 200, 10),
    ];
    let text = losses(&of_workload("echo-1000", rows));
    assert!(text.contains("annulus is behind nobody"), "{text}");
    let line = text.lines().find(|line| line.contains("echo-1000")).unwrap();
    let expected = "p50: prompter 0.50, prompt 0.87; p99: small 0.50; memory: small 0.30";
    assert!(line.ends_with(expected), "{text}");
}

#[test]
fn what_is_inside_the_noise_or_in_no_column_is_nothing_to_be_behind_in() {
    let rows = || {
        vec![
            crowd(OURS, false, &[100, 100, 100], 200, 10),
            crowd("near", false, &[95, 95, 95], 200, 10),
            crowd("scattered", false, &[60, 90, 160], 200, 10),
            crowd(OURS, true, &[110, 110, 110], 200, 10),
        ]
    };
    let text = losses(&of_workload("echo-1000", rows()));
    assert!(!text.contains("besides"), "{text}");
    // Sixty-four connections do not tell what one of them takes.
    let mut few = rows();
    few.push(crowd("small", false, &[100, 100, 100], 200, 1));
    let text = losses(&of_workload("echo-64", few));
    assert!(!text.contains("besides"), "{text}");
}

#[test]
fn what_was_not_measured_is_ahead_of_nobody() {
    let mut silent = crowd("silent", false, &[50, 50, 50], 50, 1);
    for sample in &mut silent.samples {
        (sample.latency, sample.resident_bytes) = (None, None);
    }
    let ours = |again| crowd(OURS, again, &[100, 100, 100], 200, 10);
    let text = losses(&of_workload("echo-1000", vec![ours(false), silent, ours(true)]));
    assert!(!text.contains("silent"), "{text}");
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
