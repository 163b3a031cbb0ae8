//! Giving a file the name that it is for.
//!
//! Owns: [`Held`], a file on its way, and the two ways to its name: beside what is there already,
//! or over it. Mirrors linkat(2), rename(2), and the section on `O_TMPFILE` of open(2).
//!
//! A file without a name gets one by a link to its entry in `/proc/self/fd`, because only the
//! privileged may link a descriptor itself on older kernels; where procfs is missing that is tried.
//! No link replaces anything, so over another file it goes by a temporary name beside it, and a
//! rename.
//!
//! Invariant: whatever becomes of the requests and of who waits for them, a temporary name that was
//! made is used up or removed.

use std::ffi::CString;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::Arc;

use super::File;
use super::open_options::c_path;
use super::temporary::{Kind, TRIES, Temporary, all_taken, unlikely_path};
use crate::core::errors;
use crate::core::key::Handle;
use crate::core::op::Op;
use crate::core::replace_op::{LinkOpen, Naming, RenameOver};
use crate::op::chain;

/// What the names of files on their way begin with.
pub(super) const PREFIX: &str = ".tmp-";

/// A file on its way to its name.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) file: File,
    /// The directory, to be flushed when the name is there.
    pub(super) directory: Option<File>,
    /// The name that it has until then, or is to have.
    pub(super) name: Option<Temporary>,
}

impl Held {
    /// Forgets a name that nothing has.
    fn without_vain_name(mut self) -> Self {
        self.name = self.name.filter(Temporary::is_there);
        self
    }
}

impl Naming for Held {
    fn handle(&self) -> Handle {
        self.file.handle()
    }

    fn appeared(&self) {
        if let Some(name) = &self.name {
            name.set_there(true);
        }
    }

    fn vanished(&self) {
        if let Some(name) = &self.name {
            name.set_there(false);
        }
    }
}

/// What is left when it did not get there. The file is not if a request still has it, because the
/// future was polled elsewhere than on its core, or its runtime has ended.
pub(super) type Failed = Box<(io::Error, Option<Held>)>;

/// Which file a link is made to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum By {
    Procfs,
    Descriptor,
}

fn link(held: &Arc<Held>, by: By, new: CString, is_temporary: bool) -> Op<LinkOpen<Held>> {
    let fd = held.file.as_raw_fd();
    let (old, flags) = match by {
        By::Procfs => {
            // A number has no zero byte.
            let path = CString::new(format!("/proc/self/fd/{fd}")).unwrap_or_default();
            ((libc::AT_FDCWD, path), libc::AT_SYMLINK_FOLLOW)
        }
        By::Descriptor => ((fd, CString::default()), libc::AT_EMPTY_PATH),
    };
    Op::new(LinkOpen { held: held.clone(), old, new, flags, is_temporary })
}

/// Whether a link failed because there is no procfs, as far as that can be told.
fn has_no_procfs(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound && !Path::new("/proc/self/fd").exists()
}

/// Gives it a name that nothing has yet.
pub(super) async fn beside(held: Held, target: &Path) -> Result<Held, Failed> {
    let target = match c_path(target) {
        Ok(target) => target,
        Err(error) => return Err(Box::new((error, Some(held)))),
    };
    let from = held.name.as_ref().map(|name| c_path(name.path()));
    let held = Arc::new(held);
    let named = match from {
        Some(Ok(from)) => {
            let flags = libc::RENAME_NOREPLACE;
            Op::new(RenameOver { held: held.clone(), from, to: target, flags }).await
        }
        Some(Err(error)) => Err(error),
        None => match link(&held, By::Procfs, target.clone(), false).await {
            Err(error) if has_no_procfs(&error) => link(&held, By::Descriptor, target, false).await,
            linked => linked,
        },
    };
    finished(held, named)
}

fn finished(held: Arc<Held>, named: io::Result<()>) -> Result<Held, Failed> {
    match (named, Arc::into_inner(held)) {
        (Ok(()), Some(held)) => Ok(held),
        (Ok(()), None) => Err(Box::new((errors::handle_gone(), None))),
        (Err(error), held) => Err(Box::new((error, held.map(Held::without_vain_name)))),
    }
}

/// Gives it a name, whatever has that name now. If there is a directory, the file is flushed
/// before, and the directory afterwards.
pub(super) async fn over(mut held: Held, target: &Path) -> Result<Held, Failed> {
    let to = match c_path(target) {
        Ok(to) => to,
        Err(error) => return Err(Box::new((error, Some(held)))),
    };
    let has_name = held.name.is_some();
    let parent = target.parent().unwrap_or(Path::new("/"));
    let mut by = By::Procfs;
    for _ in 0..TRIES {
        let name = held
            .name
            .get_or_insert_with(|| Temporary::new(unlikely_path(parent, PREFIX), Kind::File));
        let from = match c_path(name.path()) {
            Ok(from) => from,
            Err(error) => return Err(Box::new((error, Some(held)))),
        };
        let shared = Arc::new(held);
        let named = match (has_name, shared.directory.is_some()) {
            (true, _) => Named::by(put(&shared, from, to.clone()).await),
            (false, true) => put_durably(&shared, by, from, to.clone()).await,
            (false, false) => put_quickly(&shared, by, from, to.clone()).await,
        };
        match named {
            Named::Taken => {}
            Named::NoProcfs if by == By::Procfs => by = By::Descriptor,
            Named::NoProcfs => return finished(shared, Err(io::ErrorKind::NotFound.into())),
            Named::Ended(ended) => return finished(shared, ended),
        }
        held = finished(shared, Ok(()))?;
        held.name = None;
    }
    Err(Box::new((all_taken(parent), Some(held))))
}

/// What a try came to.
enum Named {
    Ended(io::Result<()>),
    /// Somebody has the temporary name.
    Taken,
    NoProcfs,
}

impl Named {
    fn by(result: io::Result<()>) -> Self {
        Self::Ended(result)
    }

    fn by_link(result: io::Result<()>) -> Self {
        match result {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::Taken,
            Err(error) if has_no_procfs(&error) => Self::NoProcfs,
            ended => Self::Ended(ended),
        }
    }
}

fn rename(held: &Arc<Held>, from: CString, to: CString) -> Op<RenameOver<Held>> {
    Op::new(RenameOver { held: held.clone(), from, to, flags: 0 })
}

/// Renames what has a name already: one submission, in which each step waits for the one before.
async fn put(held: &Arc<Held>, from: CString, to: CString) -> io::Result<()> {
    let rename = rename(held, from, to);
    let Some(directory) = &held.directory else { return rename.await };
    let (synced, renamed, flushed) =
        chain((held.file.sync_all(), rename, directory.sync_all())).await;
    synced.and(renamed).and(flushed_or_cannot(flushed))
}

/// Links, renames and flushes, in one submission.
async fn put_durably(held: &Arc<Held>, by: By, from: CString, to: CString) -> Named {
    let Some(directory) = &held.directory else {
        unreachable!("it is there where this is called");
    };
    let (link, rename) = (link(held, by, from.clone(), true), rename(held, from, to));
    let (synced, linked, renamed, flushed) =
        chain((held.file.sync_all(), link, rename, directory.sync_all())).await;
    if let Err(error) = synced {
        return Named::Ended(Err(error));
    }
    match Named::by_link(linked) {
        Named::Ended(Ok(())) => Named::Ended(renamed.and(flushed_or_cannot(flushed))),
        failed => failed,
    }
}

/// Links and renames, in one submission.
async fn put_quickly(held: &Arc<Held>, by: By, from: CString, to: CString) -> Named {
    let (link, rename) = (link(held, by, from.clone(), true), rename(held, from, to));
    let (linked, renamed) = chain((link, rename)).await;
    match Named::by_link(linked) {
        Named::Ended(Ok(())) => Named::Ended(renamed),
        failed => failed,
    }
}

/// Some file systems have nothing to flush of a directory, and say EINVAL.
fn flushed_or_cannot(flushed: io::Result<()>) -> io::Result<()> {
    match flushed {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
        flushed => flushed,
    }
}
