//! What happens to files: inotify(7) as a stream.
//!
//! An [`Inotify`] watches files and directories, each by its path at the time when it is added, and
//! gives an [`Event`] for each thing that happens to it or, in a directory, to an entry of it.
//!
//! ```
//! # #[annulus::main]
//! # async fn main() -> std::io::Result<()> {
//! use annulus::fs::notify::{Events, Inotify, Kind};
//! use futures_util::TryStreamExt as _;
//! # let directory = tempfile::tempdir()?;
//! # let directory = directory.path();
//!
//! let mut inotify = Inotify::new()?;
//! let watch = inotify.add(directory, Events::CREATED | Events::CLOSED_WRITTEN).await?;
//! std::fs::write(directory.join("letter"), "dear reader")?;
//!
//! let event = inotify.try_next().await?.expect("it has no end");
//! assert_eq!((event.watch, event.kind), (Some(watch), Kind::Created));
//! assert_eq!(event.name.as_deref(), Some("letter".as_ref()));
//! assert_eq!(inotify.try_next().await?.map(|event| event.kind), Some(Kind::ClosedWritten));
//! # Ok(())
//! # }
//! ```
//!
//! # What it does not do
//!
//! - **Directories below** a watched one are not watched. Whoever wants a tree adds each directory,
//!   and those that appear as [`Kind::Created`] with [`Event::is_dir`]; what happens in one before
//!   it was added is not reported, so list it after adding it.
//! - **Nothing is lost silently**, but something can be lost: when more events wait than the system
//!   keeps (`/proc/sys/fs/inotify/max_queued_events`, 16,384), [`Kind::Overflow`] says so, and what
//!   was watched has to be looked at anew.
//! - Events are about inodes, and in the kernel's order. Two that are the same and follow each
//!   other are one. What other machines do on a network file system is not seen.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::ops::{BitOr, BitOrAssign};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use annulus_task::coop;
use futures_core::Stream;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use crate::core::Owned;
use crate::core::now::Now;
use crate::core::record::Kind as RecordKind;
use crate::pipe::Wait;

/// Room for what is read at once: an event with the longest name is 272 bytes.
const READ_BYTES: usize = 4096;
/// Bytes before the name of an event.
const HEAD_BYTES: usize = 16;

/// What is to be reported, of a watched file, and of what is in a watched directory.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Events(u32);

macro_rules! events {
    ($($name:ident = $bit:ident, $alias:literal: $text:literal;)*) => {
        impl Events {
            $(
                #[doc = $text]
                #[doc(alias = $alias)]
                pub const $name: Self = Self(libc::$bit);
            )*
        }

        impl fmt::Debug for Events {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut left = self.0;
                let mut set = f.debug_set();
                $(
                    if libc::$bit.count_ones() == 1 && left & libc::$bit != 0 {
                        left &= !libc::$bit;
                        set.entry(&format_args!(stringify!($name)));
                    }
                )*
                set.finish()
            }
        }
    };
}

events! {
    ACCESSED = IN_ACCESS, "IN_ACCESS": "It was read, or executed.";
    ATTRIBUTES = IN_ATTRIB, "IN_ATTRIB":
        "Permissions, times, links, owner or extended attributes have changed.";
    CLOSED_WRITTEN = IN_CLOSE_WRITE, "IN_CLOSE_WRITE":
        "It was closed by who had it open for writing.";
    CLOSED_UNWRITTEN = IN_CLOSE_NOWRITE, "IN_CLOSE_NOWRITE":
        "It was closed by who had it not open for writing.";
    CREATED = IN_CREATE, "IN_CREATE": "An entry of the directory was made.";
    DELETED = IN_DELETE, "IN_DELETE": "An entry of the directory was removed.";
    DELETED_SELF = IN_DELETE_SELF, "IN_DELETE_SELF":
        "It was removed, and nobody has it open any more.";
    MODIFIED = IN_MODIFY, "IN_MODIFY": "It was written to, or cut off.";
    MOVED_SELF = IN_MOVE_SELF, "IN_MOVE_SELF": "It was renamed.";
    MOVED_FROM = IN_MOVED_FROM, "IN_MOVED_FROM":
        "An entry of the directory was renamed: its old name.";
    MOVED_TO = IN_MOVED_TO, "IN_MOVED_TO": "An entry of the directory was renamed: its new name.";
    OPENED = IN_OPEN, "IN_OPEN": "It was opened.";
    MOVED = IN_MOVE, "IN_MOVE": "Both names of an entry that was renamed.";
    ALL = IN_ALL_EVENTS, "IN_ALL_EVENTS": "All of these.";
    DONT_FOLLOW = IN_DONT_FOLLOW, "IN_DONT_FOLLOW":
        "Adding: a symbolic link itself, not what it leads to.";
    EXCLUDE_UNLINKED = IN_EXCL_UNLINK, "IN_EXCL_UNLINK":
        "Adding: nothing of entries that were removed and are still open.";
    JOIN = IN_MASK_ADD, "IN_MASK_ADD":
        "Adding: what is watched already is watched for these as well, not instead.";
    ONCE = IN_ONESHOT, "IN_ONESHOT": "Adding: until the first event only.";
    ONLY_DIRECTORY = IN_ONLYDIR, "IN_ONLYDIR": "Adding: fails if it is no directory.";
}

impl Events {
    /// Whether all of these are in it.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Events {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Events {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// The name of something that is watched, within its [`Inotify`].
///
/// Adding the same file again, by whichever path, gives the same name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct WatchId(i32);

/// What has happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// See [`Events::ACCESSED`].
    Accessed,
    /// See [`Events::ATTRIBUTES`].
    Attributes,
    /// See [`Events::CLOSED_WRITTEN`].
    ClosedWritten,
    /// See [`Events::CLOSED_UNWRITTEN`].
    ClosedUnwritten,
    /// See [`Events::CREATED`].
    Created,
    /// See [`Events::DELETED`].
    Deleted,
    /// See [`Events::DELETED_SELF`].
    DeletedSelf,
    /// See [`Events::MODIFIED`].
    Modified,
    /// See [`Events::MOVED_SELF`].
    MovedSelf,
    /// See [`Events::MOVED_FROM`].
    MovedFrom {
        /// The same as that of the [`MovedTo`](Self::MovedTo) which follows, if the new name is
        /// watched, too; usually at once, but others may come in between.
        cookie: u32,
    },
    /// See [`Events::MOVED_TO`].
    MovedTo {
        /// The same as that of the [`MovedFrom`](Self::MovedFrom) before, if the old name was
        /// watched, too.
        cookie: u32,
    },
    /// See [`Events::OPENED`].
    Opened,
    /// The file system that it is on was unmounted.
    Unmounted,
    /// It is watched no more: it was removed, unmounted, or the watch was.
    Ended,
    /// More has happened than was kept: events are missing from here on. It is of no watch.
    Overflow,
    /// Something that this version has no name for: the bits of `IN_*`.
    Other(u32),
}

impl Kind {
    fn of(mask: u32, cookie: u32) -> Self {
        match mask & !(libc::IN_ISDIR) {
            libc::IN_ACCESS => Self::Accessed,
            libc::IN_ATTRIB => Self::Attributes,
            libc::IN_CLOSE_WRITE => Self::ClosedWritten,
            libc::IN_CLOSE_NOWRITE => Self::ClosedUnwritten,
            libc::IN_CREATE => Self::Created,
            libc::IN_DELETE => Self::Deleted,
            libc::IN_DELETE_SELF => Self::DeletedSelf,
            libc::IN_MODIFY => Self::Modified,
            libc::IN_MOVE_SELF => Self::MovedSelf,
            libc::IN_MOVED_FROM => Self::MovedFrom { cookie },
            libc::IN_MOVED_TO => Self::MovedTo { cookie },
            libc::IN_OPEN => Self::Opened,
            libc::IN_UNMOUNT => Self::Unmounted,
            libc::IN_IGNORED => Self::Ended,
            libc::IN_Q_OVERFLOW => Self::Overflow,
            other => Self::Other(other),
        }
    }
}

/// Something that has happened.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Event {
    /// To which of the watched files; to none for [`Kind::Overflow`].
    pub watch: Option<WatchId>,
    /// What.
    pub kind: Kind,
    /// Whether it has happened to a directory.
    pub is_dir: bool,
    /// To which entry of the watched directory, if it was to one of them.
    pub name: Option<OsString>,
}

/// An instance of inotify: the stream of what happens to what it watches. It has no end.
///
/// # Cancel safety
/// Dropping a future that waits for an item loses none.
///
/// # Errors
/// Items are errors on a foreign core.
///
/// # Kernel
/// read(2), which does not wait, and `POLL_ADD`, 5.1, if nothing has happened.
#[doc(alias = "inotify_init1")]
#[must_use = "streams do nothing unless polled"]
pub struct Inotify {
    owned: Owned,
    /// The same open file, for threads that add watches.
    shared: Arc<OwnedFd>,
    wait: Wait,
    queue: VecDeque<Event>,
}

impl Inotify {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// EMFILE: `/proc/sys/fs/inotify/max_user_instances`, or too many descriptors; if no runtime
    /// runs on this thread.
    pub fn new() -> io::Result<Self> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let shared = Arc::new(fd.try_clone()?);
        let owned = Owned::adopt_fd(fd, RecordKind::Plain)?;
        Ok(Self { owned, shared, wait: Wait::default(), queue: VecDeque::new() })
    }

    /// Watches a file or a directory, which need not have any name after that. What is watched
    /// already is watched for these events instead.
    ///
    /// # Errors
    /// `NotFound`, `PermissionDenied` (it must be readable); `StorageFull` past
    /// `/proc/sys/fs/inotify/max_user_watches`; `InvalidInput` for no event at all.
    ///
    /// # Cancel safety
    /// If the future is dropped, it may be watched or not.
    ///
    /// # Kernel
    /// inotify_add_watch(2), on a thread of
    /// [`spawn_blocking`](crate::task::spawn_blocking), because the path may have to be read from
    /// the device.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// use annulus::fs::notify::{Events, Inotify};
    ///
    /// let watches = Inotify::new()?;
    /// let id = watches.add(dir.path(), Events::CREATED | Events::DELETED).await?;
    /// watches.remove(id)?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "inotify_add_watch")]
    pub async fn add<P: AsRef<Path>>(&self, path: P, events: Events) -> io::Result<WatchId> {
        let (fd, path) = (self.shared.clone(), path.as_ref().to_owned());
        let flags = WatchFlags::from_bits_retain(events.0);
        let added =
            crate::task::spawn_blocking(move || inotify::add_watch(&*fd, &path, flags)).await;
        match added {
            Ok(added) => Ok(WatchId(added?)),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Watches it no more; [`Kind::Ended`] is the last event of it.
    ///
    /// # Errors
    /// `InvalidInput` if it is not watched any more.
    #[doc(alias = "inotify_rm_watch")]
    pub fn remove(&self, watch: WatchId) -> io::Result<()> {
        Ok(inotify::remove_watch(&*self.shared, watch.0)?)
    }

    fn poll_events(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Event>> {
        ready!(coop::poll_proceed(cx));
        // What was read at home is given at home.
        self.owned.live_fd()?;
        loop {
            if let Some(event) = self.queue.pop_front() {
                coop::made_progress();
                return Poll::Ready(Ok(event));
            }
            ready!(self.wait.poll(cx))?;
            let mut bytes = [0; READ_BYTES];
            match self.owned.read_slice_now(&mut bytes, 0)? {
                Now::Done(read) => parse(&bytes[..read], &mut self.queue),
                Now::Wait => self.wait.begin(&self.owned, libc::POLLIN),
            }
        }
    }
}

/// Takes apart what was read: whole events, each with the length of its name, which is padded with
/// zeros.
fn parse(mut bytes: &[u8], queue: &mut VecDeque<Event>) {
    let word = |bytes: &[u8], at: usize| {
        bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_ne_bytes)
    };
    while bytes.len() >= HEAD_BYTES {
        let (head, rest) = bytes.split_at(HEAD_BYTES);
        let [watch, mask, cookie, len] = [0, 4, 8, 12].map(|at| word(head, at));
        let (name, rest) = rest.split_at(rest.len().min(len as usize));
        bytes = rest;
        let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        let watch = i32::try_from(watch).ok().filter(|&watch| watch > 0).map(WatchId);
        let name = OsStr::from_bytes(&name[..end]);
        let name = (!name.is_empty()).then(|| OsString::from_vec(name.as_bytes().to_vec()));
        let (kind, is_dir) = (Kind::of(mask, cookie), mask & libc::IN_ISDIR != 0);
        queue.push_back(Event { watch, kind, is_dir, name });
    }
}

impl Stream for Inotify {
    type Item = io::Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_events(cx).map(Some)
    }
}

impl AsFd for Inotify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.as_fd()
    }
}

impl fmt::Debug for Inotify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inotify").field("fd", &self.shared).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
