//! Operations on names in directories: remove, rename, make, link.
//!
//! Owns: the operations with the memory of their paths, and the descriptors that these start from.
//! Each can also be had without the ring, by a call that blocks ([`Aside`]), for rings that may not
//! do it. Invariants: no directory is closed while a request names its descriptor; what failed
//! comes back with its paths, so that an error can name them and success allocates nothing for it.

use std::ffi::CString;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use annulus_ring::abi::{Opcode, Sqe};
use annulus_ring::op::{self, Op as _, Target};
use rustix::fs::{AtFlags, CWD, Mode, RenameFlags};

use super::key::Handle;
use super::op::Operation;
use super::{Core, Owned, errors};

/// An operation that can be had without the ring as well.
pub(crate) trait Aside: Operation<Output: Send> + Send {
    /// What it asks of the ring.
    const ON_RING: Opcode;

    /// Makes it independent of the core's records: it goes to another thread.
    ///
    /// # Errors
    /// No descriptor is left.
    fn detach(&mut self) -> io::Result<()>;

    /// The same by a call that blocks.
    fn call(self) -> Self::Output;
}

/// What did not work, with the paths that it was about.
pub(crate) struct Failed<D> {
    pub(crate) error: io::Error,
    /// The operation, if it can still be reached.
    pub(crate) op: Option<Box<D>>,
}

impl<D> Failed<D> {
    pub(crate) fn of(op: D, error: io::Error) -> Self {
        Self { error, op: Some(Box::new(op)) }
    }
}

/// Where a relative path starts.
pub(crate) struct Base {
    fd: RawFd,
    /// The record of the directory, which outlives the request.
    handle: Option<Handle>,
    /// A copy of the descriptor, where no record answers for it.
    copy: Option<OwnedFd>,
}

impl Base {
    /// The working directory.
    pub(crate) fn cwd() -> Self {
        Self { fd: libc::AT_FDCWD, handle: None, copy: None }
    }

    /// A directory whose record counts the request.
    pub(crate) fn record(owned: &Owned) -> Self {
        Self { fd: owned.raw_fd(), handle: Some(owned.handle()), copy: None }
    }

    /// A second directory: a request is counted by one record, so this one is copied, unless it is
    /// the first.
    ///
    /// # Errors
    /// No descriptor is left.
    pub(crate) fn beside(first: &Owned, second: &Owned) -> io::Result<Self> {
        if first.handle() == second.handle() {
            return Ok(Self { fd: second.raw_fd(), handle: None, copy: None });
        }
        let copy = second.duplicate()?;
        Ok(Self { fd: copy.as_raw_fd(), handle: None, copy: Some(copy) })
    }

    fn detach(&mut self) -> io::Result<()> {
        if self.fd != libc::AT_FDCWD && self.copy.is_none() {
            self.handle.map_or(Ok(()), Handle::check_open)?;
            // SAFETY: the future that holds this borrows the directory, whose record is open.
            let dir = unsafe { BorrowedFd::borrow_raw(self.fd) };
            self.copy = Some(dir.try_clone_to_owned()?);
        }
        self.handle = None;
        Ok(())
    }

    /// The directory, once it is detached.
    fn detached(&self) -> BorrowedFd<'_> {
        debug_assert!(self.handle.is_none(), "a call needs a descriptor of its own");
        self.copy.as_ref().map_or(CWD, OwnedFd::as_fd)
    }
}

/// What is done with one name, or with two.
///
/// # Safety
/// * Every address that [`encode`](Self::encode) writes into the SQE is of the paths of the names,
///   and is only read.
pub(crate) unsafe trait Deed: Send + Sized + 'static {
    /// What it asks of the ring.
    const OPCODE: Opcode;
    /// What it is called when it fails.
    const CALLED: &'static str;

    /// Fills the zeroed SQE.
    fn encode(names: &Names<Self>, sqe: &mut Sqe);

    /// The same by a call.
    fn call(names: &Names<Self>) -> rustix::io::Result<()>;
}

/// A deed with its names.
pub(crate) struct Names<D> {
    pub(crate) base: Base,
    pub(crate) path: CString,
    pub(crate) other_base: Base,
    /// The second path, or what a symbolic link says; empty if there is none.
    pub(crate) other: CString,
    flags: u32,
    deed: PhantomData<D>,
}

impl<D: Deed> Names<D> {
    /// Of one name.
    pub(crate) fn one(base: Base, path: CString, flags: u32) -> Self {
        Self::two((base, path), (Base::cwd(), CString::default()), flags)
    }

    /// Of two.
    pub(crate) fn two(
        (base, path): (Base, CString),
        (other_base, other): (Base, CString),
        flags: u32,
    ) -> Self {
        Self { base, path, other_base, other, flags, deed: PhantomData }
    }
}

// SAFETY: the request points to the paths alone (the contract of `Deed`), which are on the heap and
// owned by this operation; so are copies of descriptors.
unsafe impl<D: Deed> Operation for Names<D> {
    type Output = Result<(), Failed<Self>>;
    const OPCODE: Option<Opcode> = Some(D::OPCODE);

    fn handle(&self) -> Option<Handle> {
        self.base.handle
    }

    fn encode(&mut self, _target: Target, sqe: &mut Sqe) {
        D::encode(self, sqe);
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res >= 0 {
            return Ok(());
        }
        Err(Failed::of(self, errors::from_res(res)))
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        Err(Failed { error, op: this.map(Box::new) })
    }
}

impl<D: Deed> Aside for Names<D> {
    const ON_RING: Opcode = D::OPCODE;

    fn detach(&mut self) -> io::Result<()> {
        self.base.detach()?;
        self.other_base.detach()
    }

    fn call(self) -> Self::Output {
        match D::call(&self) {
            Ok(()) => Ok(()),
            Err(errno) => Err(Failed::of(self, errno.into())),
        }
    }
}

/// The removal of a file, or with `AT_REMOVEDIR` of a directory.
pub(crate) struct Unlink;

// SAFETY: the only address is that of the path, which unlinkat(2) reads.
unsafe impl Deed for Unlink {
    const OPCODE: Opcode = Opcode::UNLINKAT;
    const CALLED: &'static str = "remove";

    fn encode(names: &Names<Self>, sqe: &mut Sqe) {
        let (dir, path, flags) = (names.base.fd, names.path.as_ptr(), names.flags as i32);
        op::Unlinkat { dir, path, flags }.encode(sqe);
    }

    fn call(names: &Names<Self>) -> rustix::io::Result<()> {
        let flags = AtFlags::from_bits_retain(names.flags);
        rustix::fs::unlinkat(names.base.detached(), &*names.path, flags)
    }
}

/// Another name; flags: `RENAME_*`.
pub(crate) struct Rename;

// SAFETY: the addresses are those of both paths, which renameat2(2) reads.
unsafe impl Deed for Rename {
    const OPCODE: Opcode = Opcode::RENAMEAT;
    const CALLED: &'static str = "rename";

    fn encode(names: &Names<Self>, sqe: &mut Sqe) {
        let rename = op::Renameat {
            old_dir: names.base.fd,
            old_path: names.path.as_ptr(),
            new_dir: names.other_base.fd,
            new_path: names.other.as_ptr(),
            flags: names.flags,
        };
        rename.encode(sqe);
    }

    fn call(names: &Names<Self>) -> rustix::io::Result<()> {
        let flags = RenameFlags::from_bits_retain(names.flags);
        let (old, new) = (names.base.detached(), names.other_base.detached());
        rustix::fs::renameat_with(old, &*names.path, new, &*names.other, flags)
    }
}

/// A directory; flags: its mode.
pub(crate) struct MakeDir;

// SAFETY: the only address is that of the path, which mkdirat(2) reads.
unsafe impl Deed for MakeDir {
    const OPCODE: Opcode = Opcode::MKDIRAT;
    const CALLED: &'static str = "create the directory";

    fn encode(names: &Names<Self>, sqe: &mut Sqe) {
        let (dir, path, mode) = (names.base.fd, names.path.as_ptr(), names.flags);
        op::Mkdirat { dir, path, mode }.encode(sqe);
    }

    fn call(names: &Names<Self>) -> rustix::io::Result<()> {
        let mode = Mode::from_bits_retain(names.flags);
        rustix::fs::mkdirat(names.base.detached(), &*names.path, mode)
    }
}

/// A symbolic link, which says the second path.
pub(crate) struct Symlink;

// SAFETY: the addresses are those of both paths, which symlinkat(2) reads.
unsafe impl Deed for Symlink {
    const OPCODE: Opcode = Opcode::SYMLINKAT;
    const CALLED: &'static str = "make the symbolic link";

    fn encode(names: &Names<Self>, sqe: &mut Sqe) {
        let (dir, path) = (names.base.fd, names.path.as_ptr());
        op::Symlinkat { text: names.other.as_ptr(), dir, path }.encode(sqe);
    }

    fn call(names: &Names<Self>) -> rustix::io::Result<()> {
        rustix::fs::symlinkat(&*names.other, names.base.detached(), &*names.path)
    }
}

/// One more name.
pub(crate) struct Link;

// SAFETY: the addresses are those of both paths, which linkat(2) reads.
unsafe impl Deed for Link {
    const OPCODE: Opcode = Opcode::LINKAT;
    const CALLED: &'static str = "link";

    fn encode(names: &Names<Self>, sqe: &mut Sqe) {
        let link = op::Linkat {
            old_dir: names.base.fd,
            old_path: names.path.as_ptr(),
            new_dir: names.other_base.fd,
            new_path: names.other.as_ptr(),
            flags: names.flags as i32,
        };
        link.encode(sqe);
    }

    fn call(names: &Names<Self>) -> rustix::io::Result<()> {
        let flags = AtFlags::from_bits_retain(names.flags);
        let (old, new) = (names.base.detached(), names.other_base.detached());
        rustix::fs::linkat(old, &*names.path, new, &*names.other, flags)
    }
}
