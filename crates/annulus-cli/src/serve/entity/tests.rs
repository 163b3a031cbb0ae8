//! Tests of entity tags.

use super::*;

fn facts() -> Facts {
    let modified = UNIX_EPOCH + Duration::new(1_000_000_000, 7);
    Facts { kind: Kind::File, len: 4096, modified, inode: 0xabc }
}

fn text(facts: &Facts) -> String {
    String::from_utf8(facts.etag().as_bytes().to_vec()).unwrap()
}

#[test]
fn a_tag_is_length_time_and_inode() {
    assert_eq!(text(&facts()), format!("\"1000-{:x}-abc\"", 1_000_000_000_000_000_007_u64));
}

#[test]
fn a_tag_changes_with_each_of_its_parts() {
    let one = facts();
    for other in [
        Facts { len: 4097, ..one },
        Facts { modified: one.modified + Duration::from_nanos(1), ..one },
        Facts { inode: 0xabd, ..one },
    ] {
        assert_ne!(text(&one), text(&other));
    }
}

#[test]
fn the_largest_and_smallest_tags_fit() {
    let old = UNIX_EPOCH - Duration::from_nanos(1);
    let large = Facts { kind: Kind::File, len: u64::MAX, modified: old, inode: u64::MAX };
    let ones = "f".repeat(16);
    assert_eq!(text(&large), format!("\"{ones}-{ones}-{ones}\""));
    let small = Facts { kind: Kind::File, len: 0, modified: UNIX_EPOCH, inode: 0 };
    assert_eq!(text(&small), "\"0-0-0\"");
}

#[test]
fn last_modified_is_what_http_can_say() {
    let now = UNIX_EPOCH + Duration::new(1_000_000_100, 5);
    let said = |modified| Facts { modified, ..facts() }.last_modified(now);
    assert_eq!(said(facts().modified), UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    assert_eq!(said(UNIX_EPOCH - Duration::from_secs(5)), UNIX_EPOCH);
    let future = now + Duration::from_secs(1000);
    assert_eq!(said(future), UNIX_EPOCH + Duration::from_secs(1_000_000_100));
}
