//! What is printed of made-up samples.

use super::*;
use crate::bench::case::cases;
use crate::bench::meter::Latency;

fn samples(cpu_ns: &[u64]) -> Vec<Sample> {
    let sample = |&cpu_ns| Sample {
        ops: 1000,
        cpu_ns: cpu_ns * 1000,
        wall_ns: 1_000_000,
        latency: Some(Latency { p50_ns: 20_000, p99_ns: 50_000 }),
    };
    cpu_ns.iter().map(sample).collect()
}

#[test]
fn a_ratio_outside_the_noise_band_is_a_number() {
    let case = &cases(Workload::Nop)[0];
    let limit = samples(&[100, 100, 100]);
    let ours = samples(&[150, 151, 149]);
    let again = samples(&[150, 150, 150]);
    let table = table(case, &[limit, ours, again]);
    let [limit, ours, again] = &table.rows[..] else {
        panic!("a row for each program");
    };
    assert_eq!(limit[1..], ["100", "±0.0 %", "1000000"]);
    assert_eq!(ours[1..], ["150", "±0.7 %", "1000000", "1.500"]);
    assert_eq!(again.len(), 4, "the repetition is no result");
    assert!(table.notes[0].ends_with("CPU ±0.7 %"), "{:?}", table.notes);
}

#[test]
fn a_ratio_inside_the_noise_band_is_the_same() {
    let case = &cases(Workload::Echo)[1];
    let limit = samples(&[100, 100]);
    let ours = samples(&[104, 104]);
    let again = samples(&[110, 110]);
    let table = table(case, &[limit, ours, again]);
    assert_eq!(table.rows[1][4..], ["20.0", "50.0", SAME, SAME]);
    assert_eq!(table.head.len(), table.rows[1].len());
}

#[test]
fn a_ratio_smaller_than_the_scatter_of_its_rounds_is_the_same() {
    let case = &cases(Workload::Nop)[0];
    let limit = samples(&[80, 100, 140]);
    let ours = samples(&[100, 95, 100]);
    let table = table(case, &[limit, ours.clone(), ours]);
    assert!(table.notes[0].ends_with("CPU ±0.0 %"), "{:?}", table.notes);
    assert_eq!(table.rows[1][4], SAME);
}

#[test]
fn each_row_of_ours_is_compared_with_the_limit_that_waits_alike() {
    let case = &cases(Workload::Echo)[0];
    let rows = [[100], [50], [400], [100], [100], [400]];
    let rows: Vec<_> = rows.iter().map(|row| samples(row)).collect();
    let table = table(case, &rows);
    assert_eq!(table.rows[3][6], "2.000");
    assert_eq!(table.rows[5][6], SAME);
}
