//! What a report says.

use super::*;

fn said(by: StalledBy<'_>) -> String {
    let lasted = Duration::from_micros(12_500);
    Stall { by, lasted, threshold: Duration::from_millis(10) }.to_string()
}

#[test]
fn a_report_names_the_task_and_both_times() {
    let id = TaskId::from_bits(3 << 28).expect("three is not zero");
    assert_eq!(
        said(StalledBy::Task { id, name: Some("parser") }),
        "a poll of task \"parser\" TaskId(0:3.0) kept the core for 12.5ms (threshold 10ms)"
    );
    assert_eq!(
        said(StalledBy::Crowd { polls: 7, longest: id, name: None }),
        "7 polls in one turn, the longest of task TaskId(0:3.0) kept the core for 12.5ms \
         (threshold 10ms)"
    );
    assert!(said(StalledBy::BlockOn).starts_with("a poll of the future of block_on kept"));
    assert!(said(StalledBy::Posted).starts_with("jobs that other threads posted kept"));
}
