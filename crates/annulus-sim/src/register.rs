//! io_uring_register(2), simulated.
//!
//! Owns: the probe, enabling, the fixed-file table, buffer groups, the synchronous cancel. Does not
//! own: reading the arguments (`memory`).

use annulus_abi::{BufReg, BufRegFlags, Errno, Opcode, ProbeOp, SyncCancel};

use crate::fault::Fault;
use crate::files::Id;
use crate::group::Group;
use crate::machine::Machine;
use crate::memory::{GroupMemory, Registration, Span};
use crate::profile::OPS;
use crate::request::Phase;
use crate::ring::Ring;

impl Machine {
    pub(crate) fn register(&mut self, ring: usize, what: Registration) -> Result<u32, Errno> {
        match what {
            Registration::Probe(room, nr) => self.probe(ring, room, nr),
            Registration::Enable => self.enable(ring),
            Registration::FilesSparse(slots) => self.make_table(ring, vec![None; slots as usize]),
            Registration::Files(fds) => {
                let mut table = Vec::with_capacity(fds.len());
                for fd in fds {
                    table.push(if fd < 0 { None } else { Some(self.files.find(fd)?) });
                }
                table.iter().flatten().for_each(|file| self.files.hold(*file));
                self.make_table(ring, table)
            }
            Registration::UnregisterFiles => {
                let table = self.ring(ring).table.take().ok_or(Errno(libc::ENXIO))?;
                self.release_all(table);
                Ok(0)
            }
            Registration::FilesUpdate(first, fds) => self.update_files(ring, first, &fds),
            Registration::Group(bgid, reg, memory) => self.add_group(ring, bgid, (&reg, memory)),
            Registration::UnregisterGroup(bgid) => {
                let removed = self.ring(ring).groups.remove(&bgid);
                removed.map(|_| 0).ok_or(Errno(libc::ENOENT))
            }
            Registration::Cancel(what) => self.cancel_now(ring, &what),
        }
    }

    fn probe(&mut self, ring: usize, room: Span, nr: u32) -> Result<u32, Errno> {
        let profile = self.ring(ring).profile;
        let known = |op: &Opcode| profile.has_op(*op);
        let last = OPS.iter().copied().filter(known).map(|op| op.0).max().unwrap_or(0);
        let count = nr.min(u32::from(last) + 1);
        let mut bytes = vec![last, count as u8, 0, 0];
        bytes.resize(16, 0);
        for op in 0..count as u8 {
            let flags = if profile.has_op(Opcode(op)) { ProbeOp::SUPPORTED } else { 0 };
            bytes.extend([op, 0]);
            bytes.extend(flags.to_le_bytes());
            bytes.extend([0; 4]);
        }
        room.write(&bytes);
        Ok(0)
    }

    fn enable(&mut self, ring: usize) -> Result<u32, Errno> {
        let ring = self.ring(ring);
        if ring.enabled {
            return Err(Errno(libc::EBADFD));
        }
        ring.enabled = true;
        Ok(0)
    }

    fn make_table(&mut self, ring: usize, table: Vec<Option<Id>>) -> Result<u32, Errno> {
        if self.ring(ring).table.is_some() {
            self.release_all(table);
            return Err(Errno(libc::EBUSY));
        }
        if table.is_empty() {
            return Err(Errno(libc::EINVAL));
        }
        self.ring(ring).table = Some(table);
        Ok(0)
    }

    pub(crate) fn release_all(&mut self, table: Vec<Option<Id>>) {
        for file in table.into_iter().flatten() {
            self.release(file);
        }
    }

    fn update_files(&mut self, ring: usize, first: u32, fds: &[i32]) -> Result<u32, Errno> {
        let slots = self.ring(ring).table.as_ref().ok_or(Errno(libc::ENXIO))?.len();
        if fds.is_empty() || first as usize + fds.len() > slots {
            return Err(Errno(libc::EINVAL));
        }
        for (done, fd) in fds.iter().enumerate() {
            let slot = first as usize + done;
            match *fd {
                -2 => {}
                -1 => self.set_slot(ring, slot, None),
                fd => match self.files.find(fd) {
                    Ok(file) => {
                        self.files.hold(file);
                        self.set_slot(ring, slot, Some(file));
                    }
                    Err(errno) if done == 0 => return Err(errno),
                    Err(_) => return Ok(done as u32),
                },
            }
        }
        Ok(fds.len() as u32)
    }

    fn add_group(
        &mut self,
        ring: usize,
        bgid: u16,
        (reg, memory): (&BufReg, GroupMemory),
    ) -> Result<u32, Errno> {
        let incremental = self.ring(ring).profile.is_since(6, 12);
        let known = if incremental { BufRegFlags::INC } else { BufRegFlags::EMPTY };
        if !reg.flags.without(known).is_empty()
            || reg.resv != [0; 3]
            || !reg.ring_entries.is_power_of_two()
            || reg.ring_entries > 32768
            || reg.ring_addr == 0
            || reg.ring_addr % 4096 != 0
        {
            return Err(Errno(libc::EINVAL));
        }
        let groups = &mut self.ring(ring).groups;
        if groups.contains_key(&bgid) {
            return Err(Errno(libc::EEXIST));
        }
        groups.insert(bgid, Group::new(memory));
        Ok(0)
    }

    /// Cancels, and does not return before what matched has ended.
    fn cancel_now(&mut self, ring: usize, what: &SyncCancel) -> Result<u32, Errno> {
        let fixed = what.flags.contains(annulus_abi::CancelFlags::FD_FIXED);
        let key = (what.addr, what.opcode);
        let matcher = self.matcher(ring, what.flags, key, (what.fd, fixed)).map_err(Errno)?;
        let cancelled = self.cancel(ring, &matcher);
        let requests = self.ring(ring).requests.values();
        let ended = requests.filter(|request| request.is_finished() && matcher.matches(request));
        let ended: Vec<Id> = ended.map(|request| request.id).collect();
        for id in ended {
            if let Some(request) = self.ring(ring).requests.remove(&id) {
                if let Phase::Finished(res, flags) = request.phase {
                    self.complete(ring, request, res, flags);
                }
            }
        }
        match cancelled {
            Err(libc::EALREADY) => Ok(0),
            other => other.map_err(Errno),
        }
    }

    /// The end of a ring: what is in flight is forgotten, after a last touch.
    pub(crate) fn close_ring(&mut self, index: usize) {
        let Some(ring) = self.rings[index].take() else { return };
        let Ring { requests, groups, table, fd, .. } = ring;
        self.report.abandoned += requests.len() as u64;
        if self.faults.rate(Fault::LateTouch) > 0 {
            for group in groups.values() {
                self.must(group.touch());
            }
            for hold in requests.values().filter_map(|request| request.hold.as_ref()) {
                self.must(hold.touch());
                self.report.counted(Fault::LateTouch);
            }
        }
        for request in requests.into_values() {
            if let Some(file) = request.file {
                self.release(file);
            }
        }
        self.release_all(table.unwrap_or_default());
        let closed = self.close_fd(fd);
        debug_assert!(closed.is_ok(), "a ring's descriptor is closed with the ring");
    }
}
