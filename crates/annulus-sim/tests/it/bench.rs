//! What the tests share: a ring on either kernel, and buffers that it keeps as long as it must.
//!
//! Owns: all memory that entries describe, by user data, until the last completion. So the tests
//! themselves need no unsafe code.

use std::collections::BTreeMap;
use std::os::fd::RawFd;

use annulus_ring::abi::{
    BufRegFlags, CancelFlags, Cqe, CqeFlags, Errno, Opcode, RecvSendFlags, Sqe, SqeFlags,
    SyncCancel, TimeoutFlags, Timespec,
};
use annulus_ring::op::{self, Op, Target};
use annulus_ring::{AnyKernel, BufRing, Kernel, Ring};
use annulus_sim::{Faults, Profile, World};

/// A ring, the world it is in if it is simulated, and its memory.
pub struct Bench {
    ring: Option<Ring>,
    pub world: Option<World>,
    buffers: BTreeMap<u64, Box<[u8]>>,
    #[allow(clippy::vec_box, reason = "the kernel reads them where they were when pushed")]
    specs: Vec<Box<Timespec>>,
    group: Option<Group>,
    /// Requests that have not ended.
    pub open: BTreeMap<u64, u32>,
    ready: Vec<Cqe>,
}

struct Group {
    ring: BufRing,
    memory: Vec<Box<[u8]>>,
}

pub const BGID: u16 = 3;

impl Bench {
    pub fn new(world: Option<World>, profile: Profile, cq_entries: u32) -> Self {
        let kernel = match &world {
            Some(world) => world.any_kernel(profile),
            None => AnyKernel::default(),
        };
        let ring = Ring::builder().entries(8).cq_entries(cq_entries).kernel(kernel).build();
        Self {
            ring: Some(ring.unwrap()),
            world,
            buffers: BTreeMap::new(),
            specs: Vec::new(),
            group: None,
            open: BTreeMap::new(),
            ready: Vec::new(),
        }
    }

    pub fn ring(&mut self) -> &mut Ring {
        self.ring.as_mut().unwrap()
    }

    pub fn kernel(&mut self) -> &mut (impl Kernel + ?Sized) {
        self.ring().kernel()
    }

    // --- Descriptors -----------------------------------------------------------------------------

    pub fn pipe(&mut self) -> [RawFd; 2] {
        match &self.world {
            Some(world) => world.pipe().unwrap(),
            None => {
                let mut fds = [0; 2];
                // SAFETY: room for two descriptors.
                assert_eq!(unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
                fds
            }
        }
    }

    pub fn pair(&mut self) -> [RawFd; 2] {
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
        self.kernel().socketpair(libc::AF_UNIX, kind, 0).unwrap()
    }

    pub fn close(&mut self, fd: RawFd) {
        close(self.kernel(), fd).unwrap();
    }

    // --- Requests --------------------------------------------------------------------------------

    /// Pushes an operation without memory of its own, or whose memory the bench owns.
    pub fn push<O: Op>(&mut self, op: &O, user_data: u64) {
        self.push_linked(op, user_data, SqeFlags::EMPTY);
    }

    pub fn push_linked<O: Op>(&mut self, op: &O, user_data: u64, flags: SqeFlags) {
        let mut sqe = Sqe::default();
        op.encode(&mut sqe);
        sqe.user_data = user_data;
        sqe.flags |= flags;
        self.push_sqe(&sqe);
    }

    pub fn push_sqe(&mut self, sqe: &Sqe) {
        for _ in 0..1000 {
            if self.ring().sq_space_left() > 0 {
                break;
            }
            self.submit();
        }
        // SAFETY: memory that the entry describes is in `buffers`, `specs` or `group`, which are
        // kept until the request has ended; the drop of the bench waits for that.
        unsafe { self.ring().push_sqe(sqe) }.unwrap();
        *self.open.entry(sqe.user_data).or_default() += 1;
    }

    fn own(&mut self, user_data: u64, bytes: Vec<u8>) -> *mut u8 {
        let mut bytes = bytes.into_boxed_slice();
        let start = bytes.as_mut_ptr();
        assert!(self.buffers.insert(user_data, bytes).is_none(), "user data is used once");
        start
    }

    pub fn read(&mut self, fd: RawFd, len: u32, user_data: u64) {
        let addr = self.own(user_data, vec![0; len as usize]);
        self.push(&op::Read { target: Target::Fd(fd), addr, len, offset: u64::MAX }, user_data);
    }

    pub fn write(&mut self, fd: RawFd, bytes: &[u8], user_data: u64) {
        let addr = self.own(user_data, bytes.to_vec());
        let (target, len) = (Target::Fd(fd), bytes.len() as u32);
        self.push(&op::Write { target, addr, len, offset: u64::MAX }, user_data);
    }

    pub fn recv(&mut self, fd: RawFd, len: u32, flags: i32, user_data: u64) {
        let addr = self.own(user_data, vec![0; len as usize]);
        let (target, ioprio) = (Target::Fd(fd), RecvSendFlags::EMPTY);
        self.push(&op::Recv { target, addr, len, flags, ioprio }, user_data);
    }

    pub fn send(&mut self, fd: RawFd, bytes: &[u8], flags: i32, user_data: u64) {
        let addr = self.own(user_data, bytes.to_vec());
        let (target, ioprio, len) = (Target::Fd(fd), RecvSendFlags::EMPTY, bytes.len() as u32);
        let flags = flags | libc::MSG_NOSIGNAL;
        self.push(&op::Send { target, addr, len, flags, ioprio }, user_data);
    }

    pub fn recv_multi(&mut self, fd: RawFd, user_data: u64) {
        let sqe = Sqe {
            opcode: Opcode::RECV,
            flags: SqeFlags::BUFFER_SELECT,
            ioprio: RecvSendFlags::RECV_MULTISHOT.bits(),
            fd,
            buf_index: BGID,
            user_data,
            ..Sqe::default()
        };
        self.push_sqe(&sqe);
    }

    pub fn send_zc(&mut self, fd: RawFd, bytes: &[u8], ioprio: RecvSendFlags, user_data: u64) {
        let addr = self.own(user_data, bytes.to_vec());
        self.push(
            &op::SendZc {
                target: Target::Fd(fd),
                addr,
                len: bytes.len() as u32,
                flags: libc::MSG_NOSIGNAL,
                ioprio,
                buf_index: 0,
                dest: std::ptr::null(),
                dest_len: 0,
            },
            user_data,
        );
    }

    pub fn timeout(&mut self, ns: u64, count: u32, user_data: u64) {
        let spec = self.spec(ns);
        self.push(&op::Timeout { spec, count, flags: TimeoutFlags::EMPTY }, user_data);
    }

    pub fn timeout_sqe(&mut self, ns: u64, count: u32, flags: TimeoutFlags, user_data: u64) -> Sqe {
        let spec = self.spec(ns);
        let mut sqe = Sqe { user_data, ..Sqe::default() };
        op::Timeout { spec, count, flags }.encode(&mut sqe);
        sqe
    }

    pub fn link_timeout(&mut self, ns: u64, user_data: u64) {
        let spec = self.spec(ns);
        self.push(&op::LinkTimeout { spec, flags: TimeoutFlags::EMPTY }, user_data);
    }

    fn spec(&mut self, ns: u64) -> *const Timespec {
        self.specs.push(Box::new(Timespec::from_nanos(ns)));
        &raw const **self.specs.last().unwrap()
    }

    pub fn cancel(&mut self, victim: u64, user_data: u64) {
        self.push(&op::Cancel { user_data: victim, flags: CancelFlags::EMPTY }, user_data);
    }

    // --- Completions -----------------------------------------------------------------------------

    /// Submits, as often as it takes.
    pub fn submit(&mut self) {
        for _ in 0..1000 {
            let submitted = self.ring().submit();
            self.reap();
            if submitted.is_ok() && self.ring().sq_pending() == 0 {
                return;
            }
        }
        panic!("entries are never consumed");
    }

    /// Waits for the next completion.
    pub fn next(&mut self) -> Cqe {
        for _ in 0..10_000 {
            self.reap();
            if !self.ready.is_empty() {
                return self.ready.remove(0);
            }
            let _ = self.ring().submit_and_wait(1, None);
        }
        panic!("no completion comes");
    }

    /// What is there within some time.
    pub fn poll(&mut self, ns: u64) -> Vec<Cqe> {
        let _ = self.ring().submit_and_wait(1, Some(ns));
        self.reap();
        std::mem::take(&mut self.ready)
    }

    /// Waits for the last completion of one request; of others nothing may come meanwhile.
    pub fn end_of(&mut self, user_data: u64) -> Cqe {
        let cqe = self.next();
        assert_eq!((cqe.user_data, cqe.more()), (user_data, false), "{cqe:?}");
        cqe
    }

    /// Waits until all of these requests have ended, and gives their results in that order.
    pub fn results(&mut self, wanted: &[u64]) -> Vec<i32> {
        let mut found = BTreeMap::new();
        while found.len() < wanted.len() {
            let cqe = self.next();
            assert!(wanted.contains(&cqe.user_data) && !cqe.more(), "unexpected: {cqe:?}");
            assert!(found.insert(cqe.user_data, cqe.res).is_none(), "ended twice: {cqe:?}");
        }
        wanted.iter().map(|user_data| found[user_data]).collect()
    }

    fn reap(&mut self) {
        let cqes: Vec<Cqe> = self.ring().completions().collect();
        for cqe in &cqes {
            if !cqe.more() {
                let left = self.open.get_mut(&cqe.user_data).expect("it was in flight");
                *left -= 1;
                if *left == 0 {
                    self.open.remove(&cqe.user_data);
                }
            }
        }
        self.ready.extend(cqes);
    }

    /// The buffer of a request that has ended.
    pub fn take(&mut self, user_data: u64) -> Vec<u8> {
        assert!(!self.open.contains_key(&user_data), "the kernel has this buffer");
        self.buffers.remove(&user_data).unwrap().into_vec()
    }

    // --- Provided buffers ------------------------------------------------------------------------

    /// Registers a group of buffers and publishes them all.
    pub fn provide(&mut self, count: u16, bytes: usize, flags: BufRegFlags) {
        // SAFETY: the group is kept until the ring is gone.
        let ring = unsafe { self.ring().register_buf_ring(count, BGID, flags) }.unwrap();
        let memory = (0..count).map(|_| vec![0; bytes].into_boxed_slice()).collect();
        self.group = Some(Group { ring, memory });
        for bid in 0..count {
            self.give(bid);
        }
    }

    /// Gives one buffer (again).
    pub fn give(&mut self, bid: u16) {
        let group = self.group.as_mut().unwrap();
        let memory = &mut group.memory[usize::from(bid)];
        let (start, len) = (memory.as_mut_ptr(), memory.len() as u32);
        // SAFETY: the memory lives as long as the bench, and is only looked at when it was named.
        unsafe { group.ring.push(bid, start, len) };
        group.ring.publish();
    }

    pub fn buffer(&self, bid: u16) -> &[u8] {
        &self.group.as_ref().unwrap().memory[usize::from(bid)]
    }

    pub fn spoil(&mut self, bid: u16) {
        self.group.as_mut().unwrap().memory[usize::from(bid)].fill(1);
    }

    pub fn spoil_buffer(&mut self, user_data: u64) {
        self.buffers.get_mut(&user_data).unwrap().fill(1);
    }
}

impl Drop for Bench {
    /// Ends everything before the memory goes; a test that panics on the real kernel leaks it
    /// instead.
    fn drop(&mut self) {
        if std::thread::panicking() && self.world.is_some() {
            return;
        }
        if std::thread::panicking() {
            std::mem::forget(std::mem::take(&mut self.buffers));
            std::mem::forget(self.group.take());
            return;
        }
        if let Some(world) = &self.world {
            world.set_faults(Faults::none());
        }
        let any = SyncCancel {
            fd: -1,
            flags: CancelFlags::ANY,
            timeout: Timespec { sec: -1, nsec: -1 },
            ..SyncCancel::default()
        };
        self.submit();
        let _: Result<u32, Errno> = self.ring().sync_cancel(&any);
        while !self.open.is_empty() {
            self.next();
        }
        drop(self.ring.take());
    }
}

/// The flags of a completion with a buffer.
pub fn buffer_flags(bid: u16, more: CqeFlags) -> CqeFlags {
    CqeFlags(u32::from(bid) << CqeFlags::BUFFER_SHIFT) | CqeFlags::BUFFER | more
}

pub const PROFILES: [Profile; 3] = [Profile::LINUX_6_1, Profile::LINUX_6_12, Profile::LINUX_6_18];

/// Pushes an entry that borrows from the test, which waits for it before its memory goes.
pub fn push_borrowing(ring: &mut Ring, sqe: &Sqe) {
    // SAFETY: the tests that use this reap the completion before they return.
    unsafe { ring.push_sqe(sqe) }.unwrap();
}

/// Closes a descriptor of a test.
pub fn close(kernel: &mut (impl Kernel + ?Sized), fd: RawFd) -> Result<(), Errno> {
    // SAFETY: the test made it, and is done with it.
    unsafe { kernel.close(fd) }
}
