//! A connection that is a script, and a directory that is read synchronously.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, SystemTime};
use std::{fs, io};

use annulus::time::Instant;
use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::serve::described::Described;
use crate::serve::entity::{Facts, Kind};
use crate::serve::listing::{self, Listing};
use crate::serve::wire::{Received, Site, Wait, Wire};

/// What the client does next.
pub enum Event {
    Sends(Vec<u8>),
    Stalls,
    /// The server is told to stop while it waits.
    Stops,
}

#[derive(Default)]
pub struct Memory {
    pub script: RefCell<VecDeque<Event>>,
    pub sent: RefCell<Vec<u8>>,
    pub sends: Cell<u32>,
    pub finished: Cell<bool>,
    pub stopping: Cell<bool>,
    pub leases: std::rc::Rc<()>,
    pub most_leases_while_sending_files: Cell<usize>,
    pub send_ended: Cell<Option<Instant>>,
    /// How long a client that has had its answer may be silent.
    pub patience: Cell<Option<Duration>>,
}

pub struct Lease(Vec<u8>, #[expect(dead_code, reason = "counted")] std::rc::Rc<()>);

impl std::ops::Deref for Lease {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Wire<fs::File> for Memory {
    type Lease = Lease;

    async fn recv(&self, wait: Wait) -> io::Result<Received<Lease>> {
        if wait.idle && !self.finished.get() {
            let since = |ended| wait.deadline.saturating_duration_since(ended);
            self.patience.set(self.send_ended.get().map(since));
        }
        Ok(match self.script.borrow_mut().pop_front() {
            Some(Event::Sends(bytes)) => Received::Bytes(Lease(bytes, self.leases.clone())),
            Some(Event::Stalls) => Received::TimedOut,
            Some(Event::Stops) => {
                self.stopping.set(true);
                if wait.idle { Received::Stopping } else { Received::TimedOut }
            }
            None => Received::End,
        })
    }

    async fn send(&self, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        assert!(!self.finished.get(), "sent after the end");
        self.sends.set(self.sends.get() + 1);
        self.sent.borrow_mut().extend_from_slice(&bytes);
        self.send_ended.set(Some(Instant::now()));
        Ok(bytes)
    }

    async fn send_with_file(
        &self,
        head: Vec<u8>,
        file: &fs::File,
        part: Range<u64>,
    ) -> io::Result<Vec<u8>> {
        let head = self.send(head).await?;
        let leases = std::rc::Rc::strong_count(&self.leases) - 1;
        let most = &self.most_leases_while_sending_files;
        most.set(most.get().max(leases));
        let mut bytes = vec![0; (part.end - part.start) as usize];
        file.read_exact_at(&mut bytes, part.start)?;
        self.sent.borrow_mut().extend_from_slice(&bytes);
        Ok(head)
    }

    async fn finish(&self) -> io::Result<()> {
        self.finished.set(true);
        Ok(())
    }

    fn stopping(&self) -> bool {
        self.stopping.get()
    }
}

/// A directory, read synchronously.
pub struct Disk {
    pub root: OwnedFd,
    /// Files are reported longer by this much than they are.
    pub overstated: u64,
}

impl Site for Disk {
    type File = fs::File;

    async fn open(&self, path: &Path) -> io::Result<(fs::File, Facts)> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let opened = rustix::fs::openat2(&self.root, path, flags, Mode::empty(), beneath)?;
        let file = fs::File::from(opened);
        let metadata = file.metadata()?;
        let kind = match metadata.file_type() {
            kind if kind.is_dir() => Kind::Directory,
            kind if kind.is_file() => Kind::File,
            _ => Kind::Other,
        };
        let (len, inode) = (metadata.len() + self.overstated, metadata.ino());
        Ok((file, Facts { kind, len, modified: metadata.modified()?, inode }))
    }

    fn described(
        &self,
        _file: &fs::File,
        (path, facts): (&Path, &Facts),
        now: SystemTime,
    ) -> Rc<Described> {
        Rc::new(Described::new(path, facts, now))
    }

    async fn append(
        &self,
        file: &fs::File,
        part: Range<u64>,
        mut buf: Vec<u8>,
    ) -> (io::Result<()>, Vec<u8>) {
        let before = buf.len();
        buf.resize(before + (part.end - part.start) as usize, 0);
        let result = file.read_exact_at(&mut buf[before..], part.start);
        if result.is_err() {
            buf.truncate(before);
        }
        (result, buf)
    }

    async fn entries(&self, directory: &fs::File) -> io::Result<Listing> {
        listing::read(&directory.try_clone()?.into())
    }
}
