//! What this kernel or this machine lacks, and how that is said. Mirrors the refusals of zcrx,
//! cbpf_filter and task-restrict of liburing.

use annulus_ring::{
    AnyKernel, Filter, Refusal, RegisterError, Ring, ZcrxSpec,
    abi::{
        BpfFilterFlags, BufRegFlags, Errno, Opcode, QueryOpcodes, RegisterOp, Restriction,
        ZcrxRegFlags,
    },
    ringless,
};

use crate::{
    ops::ring,
    support::{Script, Scripted, skip},
};

/// Checks a refusal of an operation that this kernel may lack: then it is named with the kernel
/// that has it.
fn lacking(refused: &RegisterError, op: RegisterOp, since: &str) -> bool {
    assert_eq!(refused.op(), op);
    let known = ringless::query::<QueryOpcodes>();
    let lacks = match known {
        Ok(has) => op.0 >= has.nr_register_opcodes,
        Err(_) => op.0 >= RegisterOp::QUERY.0,
    };
    assert_eq!(refused.refusal() == Refusal::Lacking, lacks, "{refused}");
    if lacks {
        let text = refused.to_string();
        assert!(text.starts_with(op.name()) && text.contains(since), "{text}");
        let error = std::io::Error::from(*refused);
        assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    }
    lacks
}

#[test]
fn control_of_a_receive_queue_that_was_never_taken_is_refused() {
    let mut ring = ring();
    let refused = ring.flush_zcrx(0).unwrap_err();
    if !lacking(&refused, RegisterOp::ZCRX_CTRL, "Linux 6.19") {
        assert_ne!(refused.errno(), Errno(0));
    }
    let exported = ring.export_zcrx(3).unwrap_err();
    assert_eq!(exported.errno(), refused.errno());
}

#[test]
fn a_receive_queue_of_no_interface_is_refused() {
    let mut ring = ring();
    let mut area = vec![0_u8; 3 * 4096];
    let start = area.as_mut_ptr().wrapping_add(area.as_ptr().align_offset(4096));
    let spec = ZcrxSpec {
        interface: u32::MAX,
        queue: 0,
        refill_entries: 16,
        flags: ZcrxRegFlags::EMPTY,
        page_bytes: 0,
        area: (start, 4096),
    };
    // SAFETY: the area is not touched again; there is no such interface, so it is not lent at all.
    let refused = unsafe { ring.register_zcrx_ifq(&spec) }.unwrap_err();
    lacking(&refused, RegisterOp::ZCRX_IFQ, "Linux 6.15");
    // A ring with small completions takes none, nor does one without privileges.
    let number = refused.errno().0;
    assert!(matches!(number, libc::EINVAL | libc::EPERM | libc::ENODEV), "{refused}");
}

#[test]
fn a_filter_is_refused_by_a_kernel_without_filters() {
    const ALLOW: libc::sock_filter = libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 1 };
    let mut ring = ring();
    let flags = BpfFilterFlags::EMPTY;
    let filter = Filter { opcode: Opcode::NOP, program: &[ALLOW], pdu_bytes: 0, flags };
    match ring.register_filter(&filter) {
        Err(refused) => {
            assert!(lacking(&refused, RegisterOp::BPF_FILTER, "Linux 7.0"), "{refused}");
            let task = ringless::filter_task(&filter).unwrap_err();
            assert!(lacking(&task, RegisterOp::BPF_FILTER, "Linux 7.0"), "{task}");
        }
        Ok(()) => assert_eq!(crate::ops::run(&mut ring, &annulus_ring::op::Nop), Ok(())),
    }
}

#[test]
fn a_restriction_of_the_task_is_refused_by_a_kernel_without_them() {
    let has = ringless::query::<QueryOpcodes>();
    if has.is_ok_and(|has| has.nr_register_opcodes > RegisterOp::BPF_FILTER.0) {
        skip("this kernel restricts tasks, and this process shall not be restricted");
        return;
    }
    let refused = ringless::restrict_task(&[Restriction::sqe_op(Opcode::NOP)]).unwrap_err();
    assert_eq!(refused.errno(), Errno(libc::EINVAL));
    assert!(refused.to_string().contains("needs Linux 7.0"), "{refused}");
    ring();
}

#[test]
fn too_many_restrictions_are_refused_before_the_kernel_is_asked() {
    let all = vec![Restriction::sqe_op(Opcode::NOP); 65536];
    let refused = ringless::restrict_task(&all).unwrap_err();
    assert_eq!(refused.refusal(), Refusal::TooMany(65536));
}

#[test]
fn another_kernel_is_believed_whatever_the_real_one_has() {
    let script = Script {
        refuse_register: Some((RegisterOp::CLOCK, Errno(libc::EINVAL))),
        ..Script::default()
    };
    let (kernel, _script) = Scripted::boxed(script);
    let mut ring = Ring::builder().kernel(AnyKernel::from(kernel)).build().unwrap();
    let refused = ring.set_clock(annulus_ring::Clock::Boottime).unwrap_err();
    assert_eq!(refused.refusal(), Refusal::Kernel(Errno(libc::EINVAL)));
    assert!(refused.to_string().contains("needs Linux 6.12"), "{refused}");
}

#[test]
fn a_bare_number_can_be_explained() {
    let explained = RegisterError::explain(RegisterOp::FILES_UPDATE, Errno(libc::ENXIO));
    assert!(explained.to_string().contains("no table of files"), "{explained}");
    let unknown = RegisterError::explain(RegisterOp(4000), Errno(libc::EINVAL));
    assert_eq!(unknown.refusal(), Refusal::Lacking);
}

#[test]
fn a_ring_of_buffers_that_no_kernel_takes_is_refused_in_words() {
    let mut ring = ring();
    // SAFETY: nothing comes of it.
    let refused = unsafe { ring.register_buf_ring(24, 0, BufRegFlags::EMPTY) }.unwrap_err();
    assert_eq!(refused.refusal(), Refusal::Entries(24));
    assert!(refused.to_string().contains("a power of two, at most 32768"), "{refused}");
}
