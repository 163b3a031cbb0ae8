//! The order of attempts.

use super::*;

#[test]
fn families_take_turns_and_the_preferred_one_begins() {
    let order = |text: &[&str]| -> Vec<String> {
        let addresses = text.iter().map(|text| text.parse().unwrap()).collect();
        alternating(addresses).iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        order(&["[::1]:1", "[::2]:1", "[::3]:1", "1.0.0.1:1"]),
        ["[::1]:1", "1.0.0.1:1", "[::2]:1", "[::3]:1"]
    );
    assert_eq!(
        order(&["1.0.0.1:1", "1.0.0.2:1", "[::1]:1", "[::2]:1"]),
        ["1.0.0.1:1", "[::1]:1", "1.0.0.2:1", "[::2]:1"]
    );
    assert!(order(&[]).is_empty());
}
