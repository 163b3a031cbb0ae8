//! The difference and the table of metrics.

use super::Metrics;

#[test]
fn a_difference_subtracts_counters_and_keeps_levels() {
    let earlier =
        Metrics { turns: 10, sqes: 5, tasks: 7, longest_turn_ns: 9, ..Metrics::default() };
    let now = Metrics { turns: 30, sqes: 5, tasks: 3, longest_turn_ns: 9, ..earlier };
    let since = now.since(&earlier);
    assert_eq!((since.turns, since.sqes), (20, 0));
    assert_eq!((since.tasks, since.longest_turn_ns), (3, 9));
}

#[test]
fn the_difference_to_nothing_is_all_there_is() {
    let mut all = Metrics::default();
    for (at, counter) in all.counters_mut().into_iter().enumerate() {
        *counter = at as u64 + 1;
    }
    assert_eq!(all.since(&Metrics::default()), all);
    assert_eq!(all.since(&all), Metrics::default());
}

#[test]
fn the_table_names_every_number_once() {
    let text = Metrics::default().to_string();
    let words: usize = text.lines().map(|line| line.matches('0').count()).sum();
    // One cell for each field: booleans, counters and levels.
    assert_eq!(words, format!("{:?}", Metrics::default()).matches(": ").count());
    assert_eq!(text.lines().count(), 9);
    assert!(text.lines().all(|line| line.len() <= 160), "{text}");
}

#[test]
fn the_table_is_aligned() {
    let few = Metrics { turns: 1, enters: 2, ..Metrics::default() }.to_string();
    let many = Metrics { turns: 123_456_789, enters: 987, ..Metrics::default() }.to_string();
    let lengths = |text: &str| text.lines().map(str::len).collect::<Vec<_>>();
    assert_eq!(lengths(&few), lengths(&many));
}
