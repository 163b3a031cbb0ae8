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
fn numbers_have_three_digits_at_least() {
    assert_eq!([5.678, 56.78, 567.8, 5678.0].map(number), ["5.68", "56.8", "568", "5678"]);
}
