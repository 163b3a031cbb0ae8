//! Descriptors and what they stand for.
//!
//! Owns: the table of descriptors, open descriptions and their counts of references. Does not own:
//! what happens when the last one goes (the machine does).
//!
//! Invariants: the lowest free descriptor is used first, so a program that mixes up an old and a
//! new one is found out; numbers start far above any real descriptor, so that one that escapes into
//! a real system call is EBADF and not somebody's file; a description lives while a descriptor, a
//! fixed-file slot or a request in flight refers to it. Mirrors open(2), close(2).

use std::collections::BTreeMap;
use std::os::fd::RawFd;

use annulus_abi::Errno;

/// A name for an object of the machine; never used twice.
pub(crate) type Id = u64;

/// The first descriptor.
pub(crate) const FIRST_FD: RawFd = 1 << 24;
/// How many there can be (`RLIMIT_NOFILE`).
const DESCRIPTORS: usize = 1 << 20;

/// What a descriptor refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File { inode: Id, flags: i32 },
    Dir { path: Vec<u8> },
    PipeRead(Id),
    PipeWrite(Id),
    Socket(Id),
    Event(Id),
    Ring,
}

#[derive(Debug)]
struct Description {
    kind: Kind,
    references: u32,
    position: u64,
}

/// All descriptors of the world.
#[derive(Debug, Default)]
pub(crate) struct Files {
    table: Vec<Option<Id>>,
    descriptions: BTreeMap<Id, Description>,
    next: Id,
}

impl Files {
    /// Opens a descriptor, the lowest free one.
    pub(crate) fn open(&mut self, kind: Kind) -> Result<RawFd, Errno> {
        let free = self.table.iter().position(Option::is_none);
        let index = free.unwrap_or(self.table.len());
        if index >= DESCRIPTORS {
            return Err(Errno(libc::EMFILE));
        }
        if index == self.table.len() {
            self.table.push(None);
        }
        let id = self.describe(kind);
        self.table[index] = Some(id);
        Ok(FIRST_FD + index as RawFd)
    }

    /// A description with one reference and no descriptor.
    pub(crate) fn describe(&mut self, kind: Kind) -> Id {
        self.next += 1;
        self.descriptions.insert(self.next, Description { kind, references: 1, position: 0 });
        self.next
    }

    pub(crate) fn find(&self, fd: RawFd) -> Result<Id, Errno> {
        let index = usize::try_from(i64::from(fd) - i64::from(FIRST_FD));
        let entry = index.ok().and_then(|index| self.table.get(index).copied().flatten());
        entry.ok_or(Errno(libc::EBADF))
    }

    pub(crate) fn kind(&self, id: Id) -> &Kind {
        &self.at(id).kind
    }

    pub(crate) fn position(&mut self, id: Id) -> &mut u64 {
        &mut self.at_mut(id).position
    }

    pub(crate) fn hold(&mut self, id: Id) {
        self.at_mut(id).references += 1;
    }

    /// Lets one reference go; the description comes out with the last.
    #[must_use]
    pub(crate) fn release(&mut self, id: Id) -> Option<Kind> {
        let description = self.at_mut(id);
        description.references -= 1;
        if description.references > 0 {
            return None;
        }
        self.descriptions.remove(&id).map(|description| description.kind)
    }

    /// Takes a descriptor out of the table; its reference is the caller's.
    pub(crate) fn remove(&mut self, fd: RawFd) -> Result<Id, Errno> {
        let id = self.find(fd)?;
        self.table[(fd - FIRST_FD) as usize] = None;
        Ok(id)
    }

    /// Open descriptors, rings not counted.
    pub(crate) fn open_count(&self) -> usize {
        let open = self.table.iter().flatten();
        open.filter(|id| !matches!(self.kind(**id), Kind::Ring)).count()
    }

    fn at(&self, id: Id) -> &Description {
        self.descriptions.get(&id).expect("a reference keeps its description")
    }

    fn at_mut(&mut self, id: Id) -> &mut Description {
        self.descriptions.get_mut(&id).expect("a reference keeps its description")
    }
}
