//! Asking a kernel what it has. Mirrors ring-query and probe of liburing.

use annulus_ring::{
    Kernel as _, Ring,
    abi::{
        Errno, Opcode, ProbeOp, QueryHeader, QueryOp, QueryOpcodes, QueryRingLayout, RegisterOp,
    },
    ringless::{self, Question},
};

use crate::support::skip;

/// What the kernel has, unless it cannot be asked.
fn known() -> Option<QueryOpcodes> {
    match ringless::query::<QueryOpcodes>() {
        Ok(has) => Some(has),
        Err(errno) => {
            assert_eq!(errno, Errno(libc::EINVAL));
            skip("this kernel answers no queries");
            None
        }
    }
}

fn bytes_of(has: &QueryOpcodes) -> [u8; 48] {
    // SAFETY: integers without padding.
    unsafe { std::mem::transmute(*has) }
}

#[test]
fn a_query_without_a_ring_agrees_with_the_probe_of_a_ring() {
    let Some(has) = known() else { return };
    let probe = Ring::new(8).unwrap().probe().unwrap();
    assert_eq!(has.nr_request_opcodes, u32::from(probe.last_op.0) + 1);
    assert_eq!(probe.ops[usize::from(Opcode::NOP.0)].flags, ProbeOp::SUPPORTED);
    assert!(probe.supports(Opcode::NOP));
    assert!(!probe.supports(Opcode(has.nr_request_opcodes as u8)));
}

#[test]
fn what_a_ring_was_granted_is_among_what_the_query_knows() {
    let Some(has) = known() else { return };
    let ring = Ring::new(8).unwrap();
    let setup = u64::from(ring.params().flags.bits());
    let features = u64::from(ring.params().features.bits());
    assert_eq!(setup & !has.ring_setup_flags, 0);
    assert_eq!(features & !has.feature_flags, 0);
    assert!(has.nr_register_opcodes > RegisterOp::QUERY.0);
}

#[test]
fn a_ring_may_ask_as_well_and_gets_the_same_answer() {
    let Some(has) = known() else { return };
    let mut answer = QueryOpcodes::default();
    let mut header = QueryHeader {
        query_data: (&raw mut answer).expose_provenance() as u64,
        query_op: QueryOp::OPCODES,
        size: size_of::<QueryOpcodes>() as u32,
        ..QueryHeader::default()
    };
    let mut ring = Ring::new(8).unwrap();
    let header: *mut QueryHeader = &mut header;
    // SAFETY: one header and its answer, which live during the call.
    let asked = unsafe { ring.kernel().register(RegisterOp::QUERY, header.cast(), 0) };
    assert_eq!(asked, Ok(0));
    assert_eq!(answer, has);
}

#[test]
fn a_chain_of_questions_is_answered_in_one_call() {
    let Some(has) = known() else { return };
    let (mut first, mut second, mut third) =
        <(QueryOpcodes, QueryOpcodes, QueryOpcodes)>::default();
    let mut chain =
        [Question::new(&mut first), Question::new(&mut second), Question::new(&mut third)];
    ringless::ask(&mut chain).unwrap();
    assert!(chain.iter().all(|question| question.filled().is_ok()));
    assert_eq!([first, second, third], [has; 3]);
}

#[test]
fn an_unknown_question_fails_alone() {
    let Some(has) = known() else { return };
    let (mut before, mut after) = <(QueryOpcodes, QueryOpcodes)>::default();
    let mut nothing = [7; 16];
    let mut chain = [
        Question::new(&mut before),
        Question::bytes(QueryOp(9999), &mut nothing),
        Question::new(&mut after),
    ];
    assert_eq!(ringless::ask(&mut chain), Ok(()));
    assert_eq!(chain[1].filled(), Err(Errno(libc::EOPNOTSUPP)));
    assert!(chain[0].filled().is_ok() && chain[2].filled().is_ok());
    assert_eq!([before, after], [has; 2]);
}

#[test]
fn a_short_answer_is_cut_where_its_room_ends() {
    let Some(has) = known() else { return };
    let mut room = [0xaa; 16];
    let mut chain = [Question::bytes(QueryOp::OPCODES, &mut room[..12])];
    ringless::ask(&mut chain).unwrap();
    assert_eq!(chain[0].filled(), Ok(12));
    assert_eq!(room[..12], bytes_of(&has)[..12]);
    assert_eq!(room[12..], [0xaa; 4], "nothing is written behind the room");
}

#[test]
fn a_long_answer_is_zeroed_behind_what_the_kernel_knows() {
    let Some(has) = known() else { return };
    let mut room = [0xaa; 200];
    let mut chain = [Question::bytes(QueryOp::OPCODES, &mut room)];
    ringless::ask(&mut chain).unwrap();
    let filled = chain[0].filled().unwrap() as usize;
    assert!((40..200).contains(&filled), "{filled}");
    assert_eq!(room[..40], bytes_of(&has)[..40]);
    assert!(room[filled..].iter().all(|&byte| byte == 0));
}

#[test]
fn a_question_without_room_for_an_answer_is_refused() {
    if known().is_none() {
        return;
    }
    let mut chain = [Question::bytes(QueryOp::OPCODES, &mut [])];
    assert_eq!(ringless::ask(&mut chain), Ok(()));
    assert_eq!(chain[0].filled(), Err(Errno(libc::EINVAL)));
}

#[test]
fn a_chain_of_a_thousand_questions_is_too_long() {
    if known().is_none() {
        return;
    }
    let mut answers = vec![QueryOpcodes::default(); 1000];
    let mut chain: Vec<_> = answers.iter_mut().map(Question::new).collect();
    assert_eq!(ringless::ask(&mut chain), Err(Errno(libc::ERANGE)));
    assert_eq!(ringless::ask(&mut chain[..999]), Ok(()));
    assert_eq!(ringless::ask(&mut []), Ok(()));
}

#[test]
fn a_query_that_came_later_is_answered_or_unknown() {
    let Some(has) = known() else { return };
    match ringless::query::<QueryRingLayout>() {
        Ok(layout) => assert!(layout.hdr_size > 0 && layout.hdr_alignment.is_power_of_two()),
        Err(errno) => {
            assert_eq!(errno, Errno(libc::EOPNOTSUPP));
            assert!(has.nr_query_opcodes <= QueryOp::SCQ.0);
        }
    }
}
