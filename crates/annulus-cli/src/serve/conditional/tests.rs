//! Tests of preconditions.

use std::borrow::Cow;

use super::*;

const TAG: &str = "\"10-abc,d-7\"";
/// Sun, 06 Nov 1994 08:49:37 GMT
const MODIFIED: u64 = 784_111_777;
const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

fn fields(lines: &[(&str, &str)]) -> Fields<'static> {
    let mut fields = Fields::default();
    for (name, value) in lines {
        let field = match *name {
            "If-Match" => &mut fields.if_match,
            "If-None-Match" => &mut fields.if_none_match,
            "If-Modified-Since" => &mut fields.if_modified_since,
            "If-Unmodified-Since" => &mut fields.if_unmodified_since,
            "If-Range" => &mut fields.if_range,
            other => panic!("{other} is no condition"),
        };
        *field = Some(Cow::Owned(value.as_bytes().to_vec()));
    }
    fields
}

fn verdict(lines: &[(&str, &str)]) -> Verdict {
    let modified = UNIX_EPOCH + Duration::from_secs(MODIFIED);
    let now = modified + Duration::from_secs(60);
    let validators = Validators { etag: TAG.as_bytes(), modified, now };
    evaluate(Method::Get, &fields(lines), &validators)
}

#[test]
fn if_none_match_compares_weakly() {
    for (list, expected) in [
        (TAG, Verdict::NotModified),
        ("*", Verdict::NotModified),
        (" * ", Verdict::NotModified),
        ("W/\"10-abc,d-7\"", Verdict::NotModified),
        ("\"x\", \"10-abc,d-7\"", Verdict::NotModified),
        ("\"x\",W/\"10-abc,d-7\" , \"y\"", Verdict::NotModified),
        (",, \"10-abc,d-7\"", Verdict::NotModified),
        ("\"x\"", Verdict::Proceed),
        ("\"10-abc\"", Verdict::Proceed),
        ("10-abc,d-7", Verdict::Proceed),
        ("\"10-abc,d-7", Verdict::Proceed),
        ("w/\"10-abc,d-7\"", Verdict::Proceed),
        ("\"x\" \"10-abc,d-7\"", Verdict::Proceed),
        ("\"x y\", \"10-abc,d-7\"", Verdict::Proceed),
        ("", Verdict::Proceed),
        (",", Verdict::Proceed),
    ] {
        assert_eq!(verdict(&[("If-None-Match", list)]), expected, "{list}");
    }
}

#[test]
fn if_match_compares_strongly() {
    for (list, expected) in [
        (TAG, Verdict::Proceed),
        ("*", Verdict::Proceed),
        ("\"x\", \"10-abc,d-7\"", Verdict::Proceed),
        ("W/\"10-abc,d-7\"", Verdict::PreconditionFailed),
        ("\"x\"", Verdict::PreconditionFailed),
        ("", Verdict::PreconditionFailed),
    ] {
        assert_eq!(verdict(&[("If-Match", list)]), expected, "{list}");
    }
}

#[test]
fn dates_are_compared_to_the_second() {
    for (name, date, expected) in [
        ("If-Modified-Since", EARLIER, Verdict::Proceed),
        ("If-Modified-Since", SAME, Verdict::NotModified),
        ("If-Modified-Since", LATER, Verdict::NotModified),
        ("If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT", Verdict::NotModified),
        ("If-Modified-Since", "Sun Nov  6 08:49:37 1994", Verdict::NotModified),
        ("If-Modified-Since", "yesterday", Verdict::Proceed),
        ("If-Modified-Since", "", Verdict::Proceed),
        ("If-Unmodified-Since", EARLIER, Verdict::PreconditionFailed),
        ("If-Unmodified-Since", SAME, Verdict::Proceed),
        ("If-Unmodified-Since", LATER, Verdict::Proceed),
        ("If-Unmodified-Since", "yesterday", Verdict::Proceed),
    ] {
        assert_eq!(verdict(&[(name, date)]), expected, "{name}: {date}");
    }
}

#[test]
fn tags_go_before_dates() {
    let none = [("If-None-Match", "\"x\""), ("If-Modified-Since", LATER)];
    assert_eq!(verdict(&none), Verdict::Proceed);
    let matching = [("If-Match", TAG), ("If-Unmodified-Since", EARLIER)];
    assert_eq!(verdict(&matching), Verdict::Proceed);
    let both = [("If-Match", "\"x\""), ("If-None-Match", TAG)];
    assert_eq!(verdict(&both), Verdict::PreconditionFailed);
    let cached = [("If-None-Match", TAG), ("If-Range", "\"x\"")];
    assert_eq!(verdict(&cached), Verdict::NotModified);
}

#[test]
fn if_range_holds_for_the_same_state_only() {
    for (condition, expected) in [
        (TAG, Verdict::Proceed),
        (SAME, Verdict::Proceed),
        ("W/\"10-abc,d-7\"", Verdict::ProceedWhole),
        ("\"x\"", Verdict::ProceedWhole),
        ("\"10-abc,d-7\", \"x\"", Verdict::ProceedWhole),
        ("*", Verdict::ProceedWhole),
        (EARLIER, Verdict::ProceedWhole),
        (LATER, Verdict::ProceedWhole),
        ("", Verdict::ProceedWhole),
    ] {
        assert_eq!(verdict(&[("If-Range", condition)]), expected, "{condition}");
    }
}

#[test]
fn a_date_does_not_vouch_for_a_file_changed_within_the_second() {
    let modified = UNIX_EPOCH + Duration::from_secs(MODIFIED);
    let now = modified + Duration::from_millis(300);
    let validators = Validators { etag: TAG.as_bytes(), modified, now };
    let fields = fields(&[("If-Range", SAME)]);
    assert_eq!(evaluate(Method::Get, &fields, &validators), Verdict::ProceedWhole);
}
