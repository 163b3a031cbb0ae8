//! What the kernel does for a process without a ring: answer queries, post a completion on a ring,
//! restrict the rings that the task will make.
//!
//! Owns: these calls of the real kernel. Does not own: any ring; so it does not go through
//! [`Kernel`](crate::Kernel). Mirrors io_uring_register(2) with a descriptor of -1,
//! io_uring_register_query(3), io_uring_register_sync_msg(3).
//!
//! ```
//! use annulus_ring::{abi::QueryOpcodes, ringless};
//!
//! match ringless::query::<QueryOpcodes>() {
//!     Ok(has) => println!("{} operations", has.nr_request_opcodes),
//!     Err(errno) => println!("a kernel before 6.18: {errno}"),
//! }
//! ```

use core::{ffi::c_void, marker::PhantomData};

use annulus_abi::{
    Errno, QueryHeader, QueryOp, QueryOpcodes, QueryRingLayout, QueryZcrx, RegisterOp, Restriction,
    Sqe, TaskRestriction,
};

use crate::{Filter, Op, Refusal, RegisterError, Target, op::MsgRing};

/// The descriptor that stands for none.
const NO_RING: u32 = u32::MAX;

/// An answer to a query: a structure of the kernel's.
///
/// A newer kernel may know more than it holds, an older one less: what neither knows is zero.
pub trait Answer: Copy + Default + sealed::Integers {
    /// What is asked.
    const ASKS: QueryOp;
}

mod sealed {
    /// Nothing but integers without padding, so any bytes are a value.
    pub trait Integers {}
    impl Integers for annulus_abi::QueryOpcodes {}
    impl Integers for annulus_abi::QueryZcrx {}
    impl Integers for annulus_abi::QueryRingLayout {}
}

impl Answer for QueryOpcodes {
    const ASKS: QueryOp = QueryOp::OPCODES;
}

impl Answer for QueryZcrx {
    const ASKS: QueryOp = QueryOp::ZCRX;
}

impl Answer for QueryRingLayout {
    const ASKS: QueryOp = QueryOp::SCQ;
}

/// One query of a chain: what is asked, and where the answer goes.
#[derive(Debug)]
#[doc(alias = "io_uring_query_hdr")]
pub struct Question<'a> {
    header: QueryHeader,
    _answer: PhantomData<&'a mut ()>,
}

impl<'a> Question<'a> {
    /// Asks for a structure.
    pub fn new<A: Answer>(answer: &'a mut A) -> Self {
        let bytes = size_of::<A>() as u32;
        let answer: *mut A = answer;
        Self::of(A::ASKS, answer.expose_provenance() as u64, bytes)
    }

    /// Asks anything, and takes as much of the answer as there is room for. The room is zeroed
    /// behind what the kernel knows.
    pub fn bytes(op: QueryOp, answer: &'a mut [u8]) -> Self {
        let bytes = u32::try_from(answer.len()).unwrap_or(u32::MAX);
        Self::of(op, answer.as_mut_ptr().expose_provenance() as u64, bytes)
    }

    fn of(query_op: QueryOp, query_data: u64, size: u32) -> Self {
        let header = QueryHeader { query_op, query_data, size, ..QueryHeader::default() };
        Self { header, _answer: PhantomData }
    }

    /// After the chain was asked: how many bytes of the answer the kernel filled.
    ///
    /// # Errors
    /// EOPNOTSUPP if it does not know this query, EINVAL if there was no room at all.
    pub fn filled(&self) -> Result<u32, Errno> {
        Errno::from_result(self.header.result).map(|_| self.header.size)
    }
}

/// Asks one thing (since 6.18).
///
/// # Errors
/// EINVAL on older kernels, EOPNOTSUPP if this kernel does not know the query.
#[doc(alias = "io_uring_register_query")]
#[doc(alias = "IORING_REGISTER_QUERY")]
pub fn query<A: Answer>() -> Result<A, Errno> {
    let mut answer = A::default();
    let mut question = [Question::new(&mut answer)];
    ask(&mut question)?;
    question[0].filled()?;
    Ok(answer)
}

/// Asks all of them in one call (since 6.18); each has a result of its own.
///
/// # Errors
/// EINVAL on older kernels, ERANGE for 1000 questions or more.
#[doc(alias = "io_uring_register_query")]
pub fn ask(questions: &mut [Question<'_>]) -> Result<(), Errno> {
    let first = questions.as_mut_ptr().cast::<QueryHeader>();
    for index in 0..questions.len() {
        let last = index + 1 == questions.len();
        // A question begins with its header and is as long.
        let next = first.wrapping_add(index + 1).expose_provenance() as u64;
        questions[index].header.next_entry = if last { 0 } else { next };
    }
    if questions.is_empty() {
        return Ok(());
    }
    // SAFETY: a chain of headers, each of which names memory that is borrowed for as long as the
    // question lives; all are read and written during the call.
    unsafe { call(RegisterOp::QUERY, questions.as_mut_ptr().cast(), 0) }.map(drop)
}

const _: () = assert!(size_of::<Question<'_>>() == size_of::<QueryHeader>());

/// Posts a completion on a ring, from a thread that has none (since 6.13). No descriptors can be
/// passed so.
///
/// # Errors
/// EBADF and EBADFD if the target is no ring or a disabled one, EINVAL for a slot
/// ([`Target::Fixed`]: of which table?) and on older kernels, EOVERFLOW if the target lost it.
#[doc(alias = "io_uring_register_sync_msg")]
#[doc(alias = "IORING_REGISTER_SEND_MSG_RING")]
pub fn send_msg_ring(message: &MsgRing) -> Result<(), RegisterError> {
    let op = RegisterOp::SEND_MSG_RING;
    if let Target::Fixed(_) = message.target {
        return Err(RegisterError::new(op, Refusal::Kernel(Errno(libc::EINVAL))));
    }
    let mut sqe = Sqe::default();
    message.encode(&mut sqe);
    let sqe: *mut Sqe = &mut sqe;
    // SAFETY: one entry that names no memory, read during the call.
    let sent = unsafe { call(op, sqe.cast(), 1) };
    sent.map(drop).map_err(|errno| RegisterError::explain(op, errno))
}

/// Restricts all rings that this task and its children will make, for good (since 7.0): what no
/// entry allows is forbidden. Needs no_new_privs or CAP_SYS_ADMIN.
///
/// # Errors
/// EPERM if the task is restricted already, EACCES, and EINVAL on older kernels.
#[doc(alias = "io_uring_register_task_restrictions")]
#[doc(alias = "io_uring_task_restriction")]
pub fn restrict_task(allowed: &[Restriction]) -> Result<(), RegisterError> {
    let op = RegisterOp::RESTRICTIONS;
    let too_many = RegisterError::new(op, Refusal::TooMany(allowed.len()));
    let nr_res = u16::try_from(allowed.len()).map_err(|_| too_many)?;
    let head = TaskRestriction { nr_res, ..TaskRestriction::default() };
    // Both are 16 bytes and made of integers: a row of restrictions has room for the head.
    let mut list = vec![Restriction::default(); allowed.len() + 1];
    list[1..].copy_from_slice(allowed);
    let first = list.as_mut_ptr();
    // SAFETY: the first row is as large as the head and aligned to 4, more than the head asks for.
    unsafe { first.cast::<TaskRestriction>().write(head) };
    // SAFETY: a head and as many restrictions as it says, read during the call.
    let done = unsafe { call(op, first.cast(), 1) };
    done.map(drop).map_err(|errno| RegisterError::explain(op, errno).since((7, 0)))
}

const _: () = assert!(
    size_of::<TaskRestriction>() == size_of::<Restriction>()
        && align_of::<TaskRestriction>() <= align_of::<Restriction>()
);

/// Filters the submissions to all rings that this task and its children will make (since 7.0).
///
/// # Errors
/// As [`Ring::register_filter`](crate::Ring::register_filter).
#[doc(alias = "io_uring_register_bpf_filter_task")]
pub fn filter_task(filter: &Filter<'_>) -> Result<(), RegisterError> {
    let op = RegisterOp::BPF_FILTER;
    let mut command = filter.command()?;
    let command: *mut annulus_abi::BpfCommand = &mut command;
    // SAFETY: one command and the program that it names, read during the call.
    let done = unsafe { call(op, command.cast(), 1) };
    done.map(drop).map_err(|errno| RegisterError::explain(op, errno))
}

/// # Safety
/// * As for [`Kernel::register`](crate::Kernel::register).
unsafe fn call(op: RegisterOp, arg: *mut c_void, nr: u32) -> Result<u32, Errno> {
    // SAFETY: the caller's promise is passed on.
    unsafe { annulus_abi::register(NO_RING, op.0, arg, nr) }
}
