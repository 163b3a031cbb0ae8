//! Options as the kernel takes them.

use std::io::ErrorKind;

use super::{Level, Priority, RwOptions};

#[test]
fn options_are_the_kernels_bits() {
    let none = RwOptions::new();
    assert_eq!((none.flags(), none.ioprio()), (0, 0));
    let all = none.dsync().nowait().append().dontcache();
    assert_eq!(all.flags(), 0x02 | 0x08 | 0x10 | 0x80);
    assert_eq!(none.sync().noappend().atomic().flags(), 0x04 | 0x20 | 0x40);
    let ranked = |priority| none.priority(priority).ioprio();
    assert_eq!(ranked(Priority::RealTime(Level::FIRST)), 1 << 13);
    assert_eq!(ranked(Priority::BestEffort(Level::MIDDLE)), 2 << 13 | 4);
    assert_eq!(ranked(Priority::LOWEST), 2 << 13 | 7);
    assert_eq!(ranked(Priority::Idle), 3 << 13);
    assert_eq!(Level::new(7), Some(Level::LAST));
    assert_eq!(Level::new(8), None);
}

#[test]
fn what_contradicts_itself_or_its_request_is_refused() {
    let none = RwOptions::new();
    let both = none.append().noappend().refusal(true).expect("not both");
    assert_eq!(both.kind(), ErrorKind::InvalidInput);
    for options in [none.dsync(), none.sync(), none.append(), none.noappend(), none.atomic()] {
        let error = options.refusal(false).expect("not of reads");
        assert!(error.to_string().contains("for writes"), "{error}");
        assert!(options.refusal(true).is_none());
    }
    for options in [none, none.nowait(), none.dontcache(), none.priority(Priority::Idle)] {
        assert!(options.refusal(false).is_none() && options.refusal(true).is_none());
    }
}
