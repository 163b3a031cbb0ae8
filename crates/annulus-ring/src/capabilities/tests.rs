//! What is missing, and the words for it.

use super::*;

fn ring_without(mask: Mask) -> Capabilities {
    let params = Params {
        sq_entries: 64,
        flags: SetupFlags::CQSIZE | SetupFlags::SUBMIT_ALL,
        features: Features::NODROP | Features::EXT_ARG,
        ..Params::default()
    };
    let wished = params.flags | SetupFlags::DEFER_TASKRUN;
    let mut capabilities = Capabilities::of(&params, wished, &mask, 64);
    let mut probe = Probe::default();
    for (at, op) in [Opcode::NOP, Opcode::READ].into_iter().enumerate() {
        probe.ops[at] = ProbeOp { op, flags: ProbeOp::SUPPORTED, ..ProbeOp::default() };
    }
    probe.ops[2].op = Opcode::WRITE;
    probe.ops_len = 3;
    capabilities.set_ops(&probe, &mask);
    capabilities
}

fn missing(capabilities: &Capabilities, what: What) -> Option<Why> {
    let mut matching = capabilities.missing().filter(|missing| missing.what == what);
    matching.next().map(|missing| missing.why)
}

#[test]
fn what_is_granted_is_not_missing() {
    let ring = ring_without(Mask::none());
    assert_eq!(missing(&ring, What::Setup(SetupFlags::SUBMIT_ALL)), None);
    assert_eq!(missing(&ring, What::Feature(Features::EXT_ARG)), None);
    assert_eq!(missing(&ring, What::Op(Opcode::READ)), None);
    assert!(ring.ext_arg() && ring.supports(Opcode::READ) && !ring.shrunk());
    assert!(ring.ops().eq([Opcode::NOP, Opcode::READ]));
}

#[test]
fn each_missing_thing_says_why() {
    let mask =
        Mask::none().setup(SetupFlags::COOP_TASKRUN).features(Features::EXT_ARG).op(Opcode::READ);
    let ring = ring_without(mask);
    let cases = [
        (What::Setup(SetupFlags::DEFER_TASKRUN), Why::TooOld),
        (What::Setup(SetupFlags::COOP_TASKRUN), Why::Masked),
        (What::Setup(SetupFlags::R_DISABLED), Why::NotAsked),
        (What::Feature(Features::EXT_ARG), Why::Masked),
        (What::Feature(Features::NO_IOWAIT), Why::TooOld),
        (What::Op(Opcode::READ), Why::Masked),
        (What::Op(Opcode::WRITE), Why::TooOld),
        (What::RegisteredRing, Why::NotAsked),
    ];
    for (what, why) in cases {
        assert_eq!(missing(&ring, what), Some(why), "{what}");
    }
}

#[test]
fn an_unsupported_operation_names_itself_and_its_kernel() {
    let error = ring_without(Mask::none()).require(Opcode::RECV_ZC).unwrap_err();
    let text = "this ring cannot RECV_ZC (needs Linux 6.15): this kernel does not have it";
    assert_eq!(error.to_string(), text);
    let error = io::Error::from(error);
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    assert_eq!(error.to_string(), text);
}

#[test]
fn a_trial_that_ends_with_einval_means_an_older_kernel() {
    assert_eq!(Why::of_trial(Errno(libc::EINVAL)), Why::TooOld);
    let refused = Why::of_trial(Errno(libc::ENOMEM));
    assert_eq!(refused, Why::Refused(Errno(libc::ENOMEM)));
}

#[test]
fn a_smaller_ring_is_reported() {
    let params = Params { sq_entries: 32, ..Params::default() };
    let ring = Capabilities::of(&params, SetupFlags::EMPTY, &Mask::none(), 256);
    assert!(ring.shrunk());
    assert_eq!(ring.entries_asked(), 256);
}
