//! What the three refusals say.

use annulus_abi::{FsyncFlags, RecvSendFlags, TimeoutFlags};

use super::*;
use crate::op::{Fsync, Nop, RecvSelect, TimeoutNs};
use crate::{Mask, Ring, Target, What, Why};

const BUNDLE: RecvSelect =
    RecvSelect { target: Target::Fd(0), bgid: 1, len: 0, flags: 0, ioprio: RecvSendFlags::BUNDLE };

#[test]
fn a_conflict_names_the_operation_and_what_excludes_what() {
    let reasons = [(false, "not this"), (true, "this excludes that"), (true, "nor this")];
    let conflict = OpConflict::if_any(Opcode::NOP, &reasons).unwrap_err();
    assert_eq!(conflict.to_string(), "NOP: this excludes that");
    assert_eq!(io::Error::from(conflict).kind(), io::ErrorKind::InvalidInput);
    assert_eq!(OpConflict::if_any(Opcode::NOP, &reasons[..1]), Ok(()));
}

#[test]
fn an_operation_that_is_masked_is_not_admitted() {
    let mask = Mask::none().op(Opcode::FSYNC);
    let ring = Ring::builder().entries(4).mask(mask).build().unwrap();
    let fsync = Fsync { target: Target::Fd(0), flags: FsyncFlags::EMPTY };
    let error = ring.capabilities().admit(&fsync).unwrap_err();
    let Inadmissible::Unsupported(unsupported) = error else {
        panic!("{error:?}");
    };
    assert_eq!((unsupported.op, unsupported.why), (Opcode::FSYNC, Why::Masked));
    let text = "this ring cannot FSYNC (needs Linux 5.1): hidden by a mask";
    assert_eq!(error.to_string(), text);
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::Unsupported);
    assert_eq!(ring.capabilities().admit(&Nop), Ok(()));
}

#[test]
fn an_option_whose_feature_is_missing_is_not_admitted() {
    let mask = Mask::none().features(Features::RECVSEND_BUNDLE);
    let ring = Ring::builder().entries(4).mask(mask).build().unwrap();
    let error = ring.capabilities().admit(&BUNDLE).unwrap_err();
    assert_eq!(
        error.to_string(),
        "this ring cannot RECV so (needs Linux 6.10): no Features(RECVSEND_BUNDLE)"
    );
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::Unsupported);
    let single = RecvSelect { ioprio: RecvSendFlags::EMPTY, ..BUNDLE };
    assert_eq!(ring.capabilities().admit(&single), Ok(()));
    let missing = ring.capabilities().missing();
    let feature =
        missing.filter(|missing| missing.what == What::Feature(Features::RECVSEND_BUNDLE));
    assert_eq!(feature.count(), 1);
}

#[test]
fn a_refusal_names_a_version_only_if_the_kernel_may_be_too_old() {
    let timeout = TimeoutNs { timeout_ns: 1, count: 0, flags: TimeoutFlags::EMPTY };
    let old = Refused::new(&timeout, Errno(libc::EINVAL));
    assert!(old.to_string().contains("since Linux 7.1"), "{old}");
    assert_eq!(io::Error::from(old).kind(), io::ErrorKind::InvalidInput);
    let other = Refused::new(&timeout, Errno(libc::ECANCELED));
    assert!(!other.to_string().contains("Linux"), "{other}");
}
