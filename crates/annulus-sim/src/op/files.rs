//! Files by name and by descriptor: OPENAT, OPENAT2, CLOSE, FSYNC, STATX.
//!
//! Owns: what the flags of an open mean. Does not own: the namespace. Mirrors open(2), openat2(2),
//! close(2), fsync(2), statx(2).

use annulus_abi::Opcode;

use crate::files::{Id, Kind};
use crate::machine::Machine;
use crate::memory::{blank_statx, statx_bytes};
use crate::names::{Names, Node};
use crate::request::{Prepared, Request, Tried};

impl Machine {
    /// Reads path and flags, and where the path starts.
    pub(super) fn prepare_name(&mut self, request: &mut Request) -> Result<(), i32> {
        let entry = request.entry.clone();
        let path = entry.path().ok_or(libc::EFAULT)?;
        let base = self.base(entry.fd, &path)?;
        request.prepared = match entry.opcode {
            Opcode::STATX => Prepared::Stat { path, base },
            Opcode::OPENAT => {
                Prepared::Open { path, base, flags: entry.op_flags as i32, beneath: false }
            }
            _ => {
                let how = entry.open_how().ok_or(libc::EFAULT)?;
                let beneath = how.resolve & libc::RESOLVE_BENEATH != 0;
                let flags = i32::try_from(how.flags).map_err(|_| libc::EINVAL)?;
                Prepared::Open { path, base, flags, beneath }
            }
        };
        Ok(())
    }

    fn base(&self, dir: i32, path: &[u8]) -> Result<Vec<u8>, i32> {
        if dir == libc::AT_FDCWD || path.first() == Some(&b'/') {
            return Ok(b"/".to_vec());
        }
        match self.files.kind(self.files.find(dir).map_err(|errno| errno.0)?) {
            Kind::Dir { path } => Ok(path.clone()),
            _ => Err(libc::ENOTDIR),
        }
    }

    pub(super) fn open(&mut self, ring: usize, request: &Request) -> Result<Tried, i32> {
        let Prepared::Open { path, base, flags, beneath } = &request.prepared else {
            return Err(libc::EFAULT);
        };
        let path = Names::resolve(base, path, *beneath).map_err(|errno| errno.0)?;
        let kind = self.open_path(&path, *flags)?;
        self.install(ring, kind, &request.entry).map(Tried::done)
    }

    fn open_path(&mut self, path: &[u8], flags: i32) -> Result<Kind, i32> {
        let node = match self.names.find(path) {
            Ok(_) if flags & libc::O_CREAT != 0 && flags & libc::O_EXCL != 0 => {
                return Err(libc::EEXIST);
            }
            Ok(node) => node,
            Err(errno) if errno.0 == libc::ENOENT && flags & libc::O_CREAT != 0 => {
                let id = self.new_id();
                self.names.create(path, id).map_err(|errno| errno.0)?;
                Node::File(id)
            }
            Err(errno) => return Err(errno.0),
        };
        let writes = flags & libc::O_ACCMODE != libc::O_RDONLY;
        match node {
            Node::Dir if writes => Err(libc::EISDIR),
            Node::Dir => Ok(Kind::Dir { path: path.to_vec() }),
            Node::File(_) if flags & libc::O_DIRECTORY != 0 => Err(libc::ENOTDIR),
            Node::File(inode) => {
                if flags & libc::O_TRUNC != 0 && writes {
                    self.names.contents(inode).clear();
                }
                Ok(Kind::File { inode, flags })
            }
        }
    }

    pub(super) fn close(&mut self, ring: usize, request: &Request) -> Result<Tried, i32> {
        let entry = &request.entry;
        if entry.file_index == 0 {
            let closed = self.close_fd(entry.fd);
            return closed.map(|()| Tried::done(0)).map_err(|errno| errno.0);
        }
        let slot = entry.fixed_slot().ok_or(libc::EINVAL)? as usize;
        let table = self.ring(ring).table.as_ref().ok_or(libc::ENXIO)?;
        match table.get(slot) {
            None => return Err(libc::EINVAL),
            Some(None) => return Err(libc::EBADF),
            Some(Some(_)) => {}
        }
        self.set_slot(ring, slot, None);
        Ok(Tried::done(0))
    }

    pub(super) fn fsync(&mut self, request: &Request) -> Result<Tried, i32> {
        match self.files.kind(request.file.ok_or(libc::EBADF)?) {
            Kind::File { .. } | Kind::Dir { .. } => Ok(Tried::done(0)),
            _ => Err(libc::EINVAL),
        }
    }

    pub(super) fn stat_named(&mut self, request: &Request) -> Result<Tried, i32> {
        let Prepared::Stat { path, base } = &request.prepared else {
            return Err(libc::EFAULT);
        };
        let empty = path.is_empty();
        if empty && request.entry.op_flags as i32 & libc::AT_EMPTY_PATH == 0 {
            return Err(libc::ENOENT);
        }
        let kind = if empty && request.entry.fd != libc::AT_FDCWD {
            let file = self.files.find(request.entry.fd).map_err(|errno| errno.0)?;
            self.files.kind(file).clone()
        } else {
            let path = Names::resolve(base, path, false).map_err(|errno| errno.0)?;
            match self.names.find(&path).map_err(|errno| errno.0)? {
                Node::Dir => Kind::Dir { path },
                Node::File(inode) => Kind::File { inode, flags: 0 },
            }
        };
        let stat = stat_of(self, &kind);
        let room = request.entry.statx_room();
        if room.is_fault() {
            return Err(libc::EFAULT);
        }
        room.write(&statx_bytes(&stat));
        Ok(Tried::done(0))
    }
}

/// What statx(2) says of something: kind, size, number.
pub(crate) fn stat_of(machine: &mut Machine, kind: &Kind) -> libc::statx {
    let (mode, size, number): (u32, usize, Id) = match *kind {
        Kind::File { inode, .. } => {
            (libc::S_IFREG | 0o644, machine.names.contents(inode).len(), inode)
        }
        Kind::Dir { .. } => (libc::S_IFDIR | 0o755, 0, 1),
        Kind::PipeRead(id) | Kind::PipeWrite(id) => (libc::S_IFIFO | 0o600, 0, id),
        Kind::Socket(id) => (libc::S_IFSOCK | 0o777, 0, id),
        Kind::Event(id) => (0o600, 0, id),
        Kind::Ring => (0o600, 0, 0),
    };
    let mut stat = blank_statx();
    stat.stx_mask = libc::STATX_TYPE | libc::STATX_MODE | libc::STATX_INO | libc::STATX_SIZE;
    stat.stx_mode = mode as u16;
    stat.stx_size = size as u64;
    stat.stx_ino = number;
    stat.stx_nlink = 1;
    stat.stx_blksize = 4096;
    stat.stx_blocks = (size as u64).div_ceil(512);
    stat
}
