//! The seam: where the promises of the caller come in, and raw arguments become values.
//!
//! Owns: `unsafe impl Kernel for Sim`, and decoding the arguments of enter and register. Does not
//! own: what a call does (`calls`, `enter`, `register`).

use core::ffi::c_void;
use std::os::fd::RawFd;

use annulus_abi::{
    BufReg, EnterFlags, Errno, FilesUpdate, GetEventsArg, Params, Probe, RegisterOp,
    ResourceRegister, SyncCancel, Timespec,
};
use annulus_ring::{Enter, Kernel, RingMemory, SocketAddress};

use super::{GroupMemory, Queues, Span};
use crate::Sim;
use crate::enter::Call;

/// A registration whose argument was read.
#[derive(Debug)]
pub(crate) enum Registration {
    /// Fill this in, room for so many operations.
    Probe(Span, u32),
    Enable,
    /// A table of that many empty slots.
    FilesSparse(u32),
    /// A table with these descriptors, -1 for none.
    Files(Vec<RawFd>),
    FilesUpdate(u32, Vec<RawFd>),
    UnregisterFiles,
    Group(u16, BufReg, GroupMemory),
    UnregisterGroup(u16),
    Cancel(SyncCancel),
}

// SAFETY: the memory is allocated for these very params, and the simulation keeps io_uring's
// protocol: a request is dropped, with all its spans, before its last completion is posted.
unsafe impl Kernel for Sim {
    fn setup(&mut self, entries: u32, params: &mut Params) -> Result<RingMemory, Errno> {
        self.open_ring(entries, params, |fd, params| {
            let memory = RingMemory::allocate(fd, params);
            // SAFETY: just allocated for these params; the other side only ever gets a clone.
            let queues = unsafe { Queues::new(memory.clone(), params) };
            (memory, queues)
        })
    }

    unsafe fn enter(&mut self, call: Enter) -> Result<u32, Errno> {
        let mut timeout_ns = None;
        if call.flags.contains(EnterFlags::EXT_ARG) {
            if call.arg_bytes != size_of::<GetEventsArg>() || call.arg.is_null() {
                return Err(Errno(libc::EINVAL));
            }
            // SAFETY: the caller says that the argument is as the flags say.
            let arg = unsafe { call.arg.cast::<GetEventsArg>().read() };
            if arg.ts != 0 {
                let ts = core::ptr::with_exposed_provenance::<Timespec>(arg.ts as usize);
                // SAFETY: as above.
                let ts = unsafe { ts.read() };
                let seconds = u64::try_from(ts.sec).map_err(|_| Errno(libc::EINVAL))?;
                let nanos = u64::try_from(ts.nsec).map_err(|_| Errno(libc::EINVAL))?;
                timeout_ns = Some(seconds.saturating_mul(1_000_000_000).saturating_add(nanos));
            }
        }
        self.enter_ring(Call {
            to_submit: call.to_submit,
            min_complete: call.min_complete,
            flags: call.flags,
            timeout_ns,
        })
    }

    unsafe fn register(&mut self, op: RegisterOp, arg: *mut c_void, nr: u32) -> Result<u32, Errno> {
        self.check_register(op)?;
        // SAFETY: the caller says that the argument is as the operation says.
        let registration = unsafe { decode(op, arg, nr) }?;
        self.register_with(registration)
    }

    fn now(&self) -> u64 {
        self.clock_ns()
    }

    fn has_process_descriptors(&self) -> bool {
        false
    }

    unsafe fn close(&mut self, fd: RawFd) -> Result<(), Errno> {
        self.close_fd(fd)
    }

    fn socket(&mut self, domain: i32, kind: i32, protocol: i32) -> Result<RawFd, Errno> {
        self.make_socket(domain, kind, protocol)
    }

    fn socketpair(&mut self, domain: i32, kind: i32, _protocol: i32) -> Result<[RawFd; 2], Errno> {
        self.make_pair(domain, kind)
    }

    fn bind(&mut self, fd: RawFd, address: &SocketAddress) -> Result<(), Errno> {
        self.bind_fd(fd, address)
    }

    fn listen(&mut self, fd: RawFd, backlog: i32) -> Result<(), Errno> {
        self.listen_fd(fd, backlog)
    }

    fn shutdown(&mut self, fd: RawFd, how: i32) -> Result<(), Errno> {
        self.shutdown_fd(fd, how)
    }

    fn local_address(&mut self, fd: RawFd) -> Result<SocketAddress, Errno> {
        self.address_of(fd, false)
    }

    fn peer_address(&mut self, fd: RawFd) -> Result<SocketAddress, Errno> {
        self.address_of(fd, true)
    }

    fn set_option(&mut self, fd: RawFd, level: i32, name: i32, value: &[u8]) -> Result<(), Errno> {
        self.store_option(fd, (level, name), value)
    }

    fn option(
        &mut self,
        fd: RawFd,
        level: i32,
        name: i32,
        value: &mut [u8],
    ) -> Result<usize, Errno> {
        self.load_option(fd, (level, name), value)
    }

    fn statx(&mut self, fd: RawFd, _mask: u32) -> Result<libc::statx, Errno> {
        self.stat_fd(fd)
    }

    fn seek(&mut self, fd: RawFd, offset: i64, whence: i32) -> Result<u64, Errno> {
        self.seek_fd(fd, offset, whence)
    }

    fn status_flags(&mut self, fd: RawFd) -> Result<i32, Errno> {
        self.flags_of(fd)
    }

    fn eventfd(&mut self) -> Result<RawFd, Errno> {
        self.make_eventfd()
    }

    fn send_file(
        &mut self,
        socket: RawFd,
        file: RawFd,
        offset: u64,
        len: usize,
    ) -> Result<usize, Errno> {
        self.send_file_from(socket, file, offset, len)
    }

    fn cached(&mut self, file: RawFd, offset: u64, len: u64) -> Result<u64, Errno> {
        self.cached_pages(file, offset, len)
    }
}

/// # Safety
/// * `arg` points to what `op` says, `nr` elements long.
unsafe fn decode(op: RegisterOp, arg: *mut c_void, nr: u32) -> Result<Registration, Errno> {
    let invalid = Err(Errno(libc::EINVAL));
    match op {
        RegisterOp::ENABLE_RINGS | RegisterOp::UNREGISTER_FILES => {
            if !arg.is_null() || nr != 0 {
                return invalid;
            }
            let enable = op == RegisterOp::ENABLE_RINGS;
            return Ok(if enable { Registration::Enable } else { Registration::UnregisterFiles });
        }
        _ if arg.is_null() => return Err(Errno(libc::EFAULT)),
        _ => {}
    }
    match op {
        RegisterOp::PROBE if nr <= 256 => {
            let addr = arg.expose_provenance() as u64;
            // SAFETY: the caller gave room for a probe.
            Ok(Registration::Probe(unsafe { Span::new(addr, size_of::<Probe>() as u32) }, nr))
        }
        RegisterOp::FILES => {
            let fds = arg.expose_provenance() as u64;
            // SAFETY: the caller gave `nr` descriptors.
            Ok(Registration::Files(unsafe { descriptors(fds, nr) }))
        }
        RegisterOp::FILES2 if nr as usize == size_of::<ResourceRegister>() => {
            // SAFETY: the caller gave one such structure.
            let table = unsafe { arg.cast::<ResourceRegister>().read() };
            if table.flags != ResourceRegister::SPARSE || table.data != 0 || table.tags != 0 {
                return invalid;
            }
            Ok(Registration::FilesSparse(table.nr))
        }
        RegisterOp::FILES_UPDATE => {
            // SAFETY: the caller gave one such structure.
            let update = unsafe { arg.cast::<FilesUpdate>().read() };
            // SAFETY: it describes `nr` descriptors.
            Ok(Registration::FilesUpdate(update.offset, unsafe { descriptors(update.fds, nr) }))
        }
        RegisterOp::PBUF_RING | RegisterOp::UNREGISTER_PBUF_RING if nr == 1 => {
            // SAFETY: the caller gave one such structure.
            let reg = unsafe { arg.cast::<BufReg>().read() };
            if op == RegisterOp::UNREGISTER_PBUF_RING {
                return Ok(Registration::UnregisterGroup(reg.bgid));
            }
            // SAFETY: the caller keeps the promise of the registration.
            Ok(Registration::Group(reg.bgid, reg, unsafe { GroupMemory::new(&reg) }))
        }
        RegisterOp::SYNC_CANCEL if nr == 1 => {
            // SAFETY: the caller gave one such structure.
            Ok(Registration::Cancel(unsafe { arg.cast::<SyncCancel>().read() }))
        }
        _ => invalid,
    }
}

/// # Safety
/// * `count` descriptors lie at `addr`.
unsafe fn descriptors(addr: u64, count: u32) -> Vec<RawFd> {
    let bytes = count.saturating_mul(4);
    // SAFETY: the caller says so.
    let span = unsafe { Span::new(addr, bytes) };
    let bytes = span.read();
    bytes.chunks_exact(4).map(|fd| i32::from_le_bytes([fd[0], fd[1], fd[2], fd[3]])).collect()
}
