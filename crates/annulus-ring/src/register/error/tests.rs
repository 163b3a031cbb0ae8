//! The words of a refusal.

use super::*;

fn text(op: RegisterOp, refusal: Refusal) -> String {
    RegisterError::new(op, refusal).to_string()
}

#[test]
fn what_is_lacking_is_named_with_the_kernel_that_has_it() {
    assert_eq!(
        text(RegisterOp::BPF_FILTER, Refusal::Lacking),
        "BPF_FILTER: this kernel does not have it (needs Linux 7.0)"
    );
    let invalid = text(RegisterOp::CLOCK, Refusal::Kernel(Errno(libc::EINVAL)));
    assert!(invalid.ends_with("or the kernel lacks it (needs Linux 6.12)"), "{invalid}");
    let task = RegisterError::new(RegisterOp::RESTRICTIONS, Refusal::Lacking).since((7, 0));
    assert!(task.to_string().ends_with("(needs Linux 7.0)"));
}

#[test]
fn a_limit_of_locked_memory_is_named_with_its_remedy() {
    let text = text(RegisterOp::BUFFERS2, Refusal::Memlock(65536));
    for word in ["BUFFERS2", "RLIMIT_MEMLOCK is 65536 bytes", "CAP_IPC_LOCK", "ulimit -l"] {
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn every_refusal_becomes_the_error_number_that_a_kernel_gives_for_it() {
    let number = |refusal| RegisterError::new(RegisterOp::PBUF_RING, refusal).errno().0;
    assert_eq!(number(Refusal::Kernel(Errno(libc::EEXIST))), libc::EEXIST);
    assert_eq!(number(Refusal::Memlock(0)), libc::ENOMEM);
    for refusal in [
        Refusal::Lacking,
        Refusal::Entries(3),
        Refusal::Unaligned(1),
        Refusal::RegionBytes(1),
        Refusal::Tags(1),
        Refusal::TooMany(1),
        Refusal::Enabled,
        Refusal::MinLeft,
        Refusal::NoCpu,
    ] {
        assert_eq!(number(refusal), libc::EINVAL);
    }
}

#[test]
fn a_refusal_is_an_input_output_error_of_a_fitting_kind() {
    let kind = |refusal| io::Error::from(RegisterError::new(RegisterOp::CLOCK, refusal)).kind();
    assert_eq!(kind(Refusal::Lacking), io::ErrorKind::Unsupported);
    assert_eq!(kind(Refusal::Memlock(1)), io::ErrorKind::OutOfMemory);
    assert_eq!(kind(Refusal::Entries(1)), io::ErrorKind::InvalidInput);
    assert_eq!(kind(Refusal::Kernel(Errno(libc::EPERM))), io::ErrorKind::PermissionDenied);
}

#[test]
fn known_numbers_come_with_what_they_mean_here() {
    let kernel = |op, errno| text(op, Refusal::Kernel(Errno(errno)));
    assert!(kernel(RegisterOp::PBUF_RING, libc::EEXIST).contains("the group exists"));
    assert!(kernel(RegisterOp::CLOCK, libc::EEXIST).contains("only the thread"));
    assert!(kernel(RegisterOp::CLONE_BUFFERS, libc::ENXIO).contains("the other ring"));
    assert_eq!(kernel(RegisterOp::NAPI, libc::EPERM), "NAPI: Operation not permitted (os error 1)");
}
