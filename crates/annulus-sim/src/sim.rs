//! The kernel of one ring.
//!
//! Owns: the handle [`Sim`], setting a ring up, tearing it down, and the system calls beside the
//! ring. Does not own: the world, which all kernels of it share.
//!
//! Invariant: no call blocks but enter; each takes a little virtual time, so whatever is due by
//! then has happened when it returns.

use std::cell::RefCell;
use std::os::fd::RawFd;
use std::rc::Rc;

use annulus_abi::{Errno, Params, RegisterOp, SetupFlags};
use annulus_ring::{RingMemory, SocketAddress};

use crate::Profile;
use crate::datagrams::{Mailbox, Peer};
use crate::enter::Call;
use crate::fault::Fault;
use crate::files::Kind;
use crate::machine::Machine;
use crate::memory::{Queues, Registration, address_bytes, socket_address};
use crate::op::stat_of;
use crate::request::Wait;
use crate::ring::Ring;
use crate::socket::{State, unbound};

/// A simulated kernel, for one ring. [`World::kernel`](crate::World::kernel) makes it.
///
/// It is a [`Kernel`](annulus_ring::Kernel): give it to
/// [`Builder::kernel`](annulus_ring::Builder::kernel) as
/// `AnyKernel::Dyn(Box::new(sim))`. It stays on its thread, like its world.
#[derive(Debug)]
pub struct Sim {
    machine: Rc<RefCell<Machine>>,
    profile: Profile,
    ring: Option<usize>,
}

/// What a system call costs in virtual time, and a look at the clock.
const CALL_NS: u64 = 200;
const LOOK_NS: u64 = 20;
/// The kernel's limits.
const SQ_MAX: u32 = 32768;
const CQ_MAX: u32 = 65536;

impl Sim {
    pub(crate) fn new(machine: Rc<RefCell<Machine>>, profile: Profile) -> Self {
        Self { machine, profile, ring: None }
    }

    /// The kernel that it plays.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// One system call: takes its time, and lets rings that interrupt run their task work.
    fn call<R>(&self, call: impl FnOnce(&mut Machine) -> R) -> R {
        let mut machine = self.machine.borrow_mut();
        machine.tick(CALL_NS);
        let result = call(&mut machine);
        self.interrupt(&mut machine);
        result
    }

    fn interrupt(&self, machine: &mut Machine) {
        if let Some(ring) = self.ring {
            if machine.ring(ring).interrupts() {
                machine.run_work(ring);
            }
        }
    }

    // --- The ring --------------------------------------------------------------------------------

    pub(crate) fn open_ring(
        &mut self,
        entries: u32,
        params: &mut Params,
        allocate: impl FnOnce(RawFd, &mut Params) -> (RingMemory, Queues),
    ) -> Result<RingMemory, Errno> {
        if self.ring.is_some() {
            return Err(Errno(libc::EBUSY));
        }
        self.size(entries, params)?;
        let mut machine = self.machine.borrow_mut();
        let fd = machine.files.open(Kind::Ring)?;
        params.features = self.profile.features();
        let (memory, queues) = allocate(fd, params);
        machine.rings.push(Some(Ring::new(queues, self.profile, fd)));
        self.ring = Some(machine.rings.len() - 1);
        Ok(memory)
    }

    /// Checks the flags and makes powers of two of the sizes.
    fn size(&self, entries: u32, params: &mut Params) -> Result<(), Errno> {
        let (flags, invalid) = (params.flags, Err(Errno(libc::EINVAL)));
        let has = |flag| flags.contains(flag);
        if !flags.without(self.profile.setup_flags()).is_empty()
            || (has(SetupFlags::DEFER_TASKRUN) && !has(SetupFlags::SINGLE_ISSUER))
            || (has(SetupFlags::TASKRUN_FLAG)
                && !flags.intersects(SetupFlags::DEFER_TASKRUN | SetupFlags::COOP_TASKRUN))
        {
            return invalid;
        }
        let clamp = has(SetupFlags::CLAMP);
        if entries == 0 || (entries > SQ_MAX && !clamp) {
            return invalid;
        }
        let sq_entries = entries.min(SQ_MAX).next_power_of_two();
        let cq_entries = if has(SetupFlags::CQSIZE) {
            let asked = params.cq_entries;
            if asked == 0 || (asked > CQ_MAX && !clamp) {
                return invalid;
            }
            asked.min(CQ_MAX).next_power_of_two()
        } else {
            2 * sq_entries
        };
        if cq_entries < sq_entries {
            return invalid;
        }
        (params.sq_entries, params.cq_entries) = (sq_entries, cq_entries);
        Ok(())
    }

    pub(crate) fn enter_ring(&mut self, call: Call) -> Result<u32, Errno> {
        let ring = self.ring.ok_or(Errno(libc::EBADF))?;
        let mut machine = self.machine.borrow_mut();
        let entered = machine.enter(ring, call);
        self.interrupt(&mut machine);
        entered
    }

    pub(crate) fn check_register(&self, op: RegisterOp) -> Result<(), Errno> {
        match self.ring {
            None => Err(Errno(libc::EBADF)),
            Some(_) if !self.profile.has_register(op) => Err(Errno(libc::EINVAL)),
            Some(_) => Ok(()),
        }
    }

    pub(crate) fn register_with(&mut self, what: Registration) -> Result<u32, Errno> {
        let ring = self.ring.ok_or(Errno(libc::EBADF))?;
        self.call(|machine| machine.register(ring, what))
    }

    // --- The clock -------------------------------------------------------------------------------

    pub(crate) fn clock_ns(&self) -> u64 {
        let mut machine = self.machine.borrow_mut();
        machine.tick(LOOK_NS);
        self.interrupt(&mut machine);
        machine.now_ns
    }

    // --- System calls ----------------------------------------------------------------------------

    pub(crate) fn close_fd(&mut self, fd: RawFd) -> Result<(), Errno> {
        self.call(|machine| machine.close_fd(fd))
    }

    pub(crate) fn make_socket(
        &mut self,
        domain: i32,
        kind: i32,
        protocol: i32,
    ) -> Result<RawFd, Errno> {
        if !matches!(protocol, 0 | libc::IPPROTO_TCP | libc::IPPROTO_UDP) {
            return Err(Errno(libc::EPROTONOSUPPORT));
        }
        self.call(|machine| {
            let socket = machine.new_socket(domain, kind).map_err(Errno)?;
            machine.files.open(Kind::Socket(socket))
        })
    }

    pub(crate) fn make_pair(&mut self, domain: i32, kind: i32) -> Result<[RawFd; 2], Errno> {
        if domain != libc::AF_UNIX {
            return Err(Errno(libc::EOPNOTSUPP));
        }
        self.call(|machine| {
            let one = machine.new_socket(domain, kind).map_err(Errno)?;
            let other = machine.new_socket(domain, kind).map_err(Errno)?;
            machine.connect_pair(one, other);
            let one = machine.files.open(Kind::Socket(one))?;
            Ok([one, machine.files.open(Kind::Socket(other))?])
        })
    }

    pub(crate) fn bind_fd(&mut self, fd: RawFd, address: &SocketAddress) -> Result<(), Errno> {
        let address = address_bytes(address);
        self.call(|machine| {
            let socket = machine.socket_of(fd)?;
            machine.bind(socket, address).map_err(Errno)
        })
    }

    pub(crate) fn listen_fd(&mut self, fd: RawFd, backlog: i32) -> Result<(), Errno> {
        self.call(|machine| {
            let socket = machine.socket_of(fd)?;
            machine.listen(socket, backlog).map_err(Errno)
        })
    }

    pub(crate) fn shutdown_fd(&mut self, fd: RawFd, how: i32) -> Result<(), Errno> {
        self.call(|machine| {
            let socket = machine.socket_of(fd)?;
            machine.shut_down(socket, how).map_err(Errno)
        })
    }

    /// The address of a socket, or of its peer.
    pub(crate) fn address_of(&mut self, fd: RawFd, peer: bool) -> Result<SocketAddress, Errno> {
        self.call(|machine| {
            let socket = machine.socket_of(fd)?;
            let socket = machine.socket(socket);
            let bytes = match &socket.state {
                State::Connected { peer: bytes, .. } if peer => bytes,
                State::Messages(Mailbox { peer: Some(Peer::Address(bytes)), .. }) if peer => bytes,
                State::Messages(Mailbox { peer: Some(Peer::Socket(_)), .. }) if peer => {
                    return Ok(SocketAddress::unix_unnamed());
                }
                _ if peer => return Err(Errno(libc::ENOTCONN)),
                _ => &socket.local,
            };
            if bytes.is_empty() {
                return Ok(socket_address(&unbound(socket.domain)));
            }
            Ok(socket_address(bytes))
        })
    }

    pub(crate) fn store_option(
        &mut self,
        fd: RawFd,
        name: (i32, i32),
        value: &[u8],
    ) -> Result<(), Errno> {
        self.call(|machine| {
            let socket = machine.socket_of(fd)?;
            machine.socket(socket).options.insert(name, value.to_vec());
            Ok(())
        })
    }

    /// What was stored, or zeros.
    pub(crate) fn load_option(
        &mut self,
        fd: RawFd,
        name: (i32, i32),
        value: &mut [u8],
    ) -> Result<usize, Errno> {
        self.call(|machine| {
            let socket = machine.socket_of(fd)?;
            let stored = machine.socket(socket).options.get(&name);
            let bytes = stored.map_or(&[0; 4][..], Vec::as_slice);
            let count = bytes.len().min(value.len());
            value[..count].copy_from_slice(&bytes[..count]);
            Ok(count)
        })
    }

    pub(crate) fn stat_fd(&mut self, fd: RawFd) -> Result<libc::statx, Errno> {
        self.call(|machine| {
            let kind = machine.files.kind(machine.files.find(fd)?).clone();
            Ok(stat_of(machine, &kind))
        })
    }

    /// Moves a position. Only regular files have one.
    pub(crate) fn seek_fd(&mut self, fd: RawFd, offset: i64, whence: i32) -> Result<u64, Errno> {
        self.call(|machine| {
            let file = machine.files.find(fd)?;
            let Kind::File { inode, .. } = *machine.files.kind(file) else {
                return Err(Errno(libc::ESPIPE));
            };
            let from = match whence {
                libc::SEEK_SET => 0,
                libc::SEEK_CUR => *machine.files.position(file),
                libc::SEEK_END => machine.names.contents(inode).len() as u64,
                _ => return Err(Errno(libc::EINVAL)),
            };
            let to = from.checked_add_signed(offset).filter(|to| i64::try_from(*to).is_ok());
            let to = to.ok_or(Errno(libc::EINVAL))?;
            *machine.files.position(file) = to;
            Ok(to)
        })
    }

    pub(crate) fn flags_of(&mut self, fd: RawFd) -> Result<i32, Errno> {
        self.call(|machine| match *machine.files.kind(machine.files.find(fd)?) {
            Kind::File { flags, .. } => Ok(flags),
            _ => Ok(libc::O_RDWR),
        })
    }

    pub(crate) fn make_eventfd(&mut self) -> Result<RawFd, Errno> {
        self.call(|machine| {
            let event = machine.new_id();
            machine.counters.insert(event, 0);
            machine.files.open(Kind::Event(event))
        })
    }

    pub(crate) fn send_file_from(
        &mut self,
        socket: RawFd,
        file: RawFd,
        offset: u64,
        len: usize,
    ) -> Result<usize, Errno> {
        self.call(|machine| {
            let socket = machine.socket_of(socket)?;
            let (_, tx) = machine.socket(socket).streams().ok_or(Errno(libc::ENOTCONN))?;
            let Kind::File { inode, .. } = *machine.files.kind(machine.files.find(file)?) else {
                return Err(Errno(libc::EINVAL));
            };
            let stream = machine.stream(tx);
            if stream.is_broken() {
                return Err(Errno(libc::EPIPE));
            }
            let room = stream.room();
            if room == 0 {
                return Err(Errno(libc::EAGAIN));
            }
            let contents = machine.names.contents(inode);
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(contents.len());
            let count = (contents.len() - start).min(len).min(room);
            let count = machine.shortened(Fault::ShortWrite, count);
            let bytes = machine.names.contents(inode)[start..start + count].to_vec();
            machine.stream(tx).put(&bytes);
            machine.wake(Wait::Readable(tx));
            Ok(count)
        })
    }

    /// Everything is in memory, so all pages of the file are cached.
    pub(crate) fn cached_pages(&mut self, fd: RawFd, offset: u64, len: u64) -> Result<u64, Errno> {
        if !self.profile.is_since(6, 5) {
            return Err(Errno(libc::ENOSYS));
        }
        self.call(|machine| {
            let Kind::File { inode, .. } = *machine.files.kind(machine.files.find(fd)?) else {
                return Err(Errno(libc::EOPNOTSUPP));
            };
            let size = machine.names.contents(inode).len() as u64;
            let end = if len == 0 { size } else { offset.saturating_add(len).min(size) };
            Ok(end.div_ceil(4096).saturating_sub(offset / 4096))
        })
    }
}

impl Drop for Sim {
    /// Closes the ring. What is in flight never completes, and its memory is touched once more: a
    /// program that freed it already is found out.
    fn drop(&mut self) {
        let Some(ring) = self.ring.take() else { return };
        // A panic inside of a call leaves the machine borrowed no more, but its state unknown.
        if std::thread::panicking() {
            return;
        }
        self.machine.borrow_mut().close_ring(ring);
    }
}
