//! Bytes in and out: READ, RECV, WRITE, SEND, SEND_ZC on files, pipes, sockets and counters.
//!
//! Owns: how much is moved in one try, and where it goes. Does not own: provided buffers
//! (`selected`). Mirrors read(2), write(2), recv(2), send(2) and their io_uring_prep_…(3) pages.

use annulus_abi::Opcode;

use crate::fault::Fault;
use crate::files::{Id, Kind};
use crate::machine::Machine;
use crate::request::{Request, Tried, Wait};
use crate::stream::Sight;

/// The file's own position.
const AT_POSITION: u64 = u64::MAX;

impl Request {
    fn wants_all(&self) -> bool {
        self.is_socket_call() && self.entry.op_flags as i32 & libc::MSG_WAITALL != 0
    }

    pub(super) fn may_not_wait(&self) -> bool {
        self.is_socket_call() && self.entry.op_flags as i32 & libc::MSG_DONTWAIT != 0
    }

    fn is_socket_call(&self) -> bool {
        use Opcode as Op;
        matches!(self.entry.opcode, Op::SEND | Op::SEND_ZC | Op::RECV | Op::SENDMSG | Op::RECVMSG)
    }

    /// Bytes that are still to be moved.
    fn left(&self) -> usize {
        (self.entry.len - self.done) as usize
    }

    pub(super) fn file_id(&self) -> Result<Id, i32> {
        self.file.ok_or(libc::EBADF)
    }
}

impl Machine {
    pub(super) fn read(&mut self, ring: usize, request: &mut Request) -> Result<Tried, i32> {
        let kind = self.files.kind(request.file_id()?).clone();
        let socket_call = request.is_socket_call();
        match kind {
            Kind::Socket(socket) if self.socket(socket).has_messages() => {
                self.receive_message(ring, request, socket)
            }
            Kind::Socket(socket) => {
                let (rx, _) = self.socket(socket).streams().ok_or(libc::ENOTCONN)?;
                self.read_stream(ring, request, rx)
            }
            _ if socket_call => Err(libc::ENOTSOCK),
            Kind::PipeRead(stream) => self.read_stream(ring, request, stream),
            Kind::PipeWrite(_) => Err(libc::EBADF),
            _ if request.entry.opcode == Opcode::READ_MULTISHOT => Err(libc::EBADFD),
            _ if request.selects_buffer() => Err(libc::EOPNOTSUPP),
            Kind::File { inode, flags } => self.read_file(request, inode, flags),
            Kind::Dir { .. } => Err(libc::EISDIR),
            Kind::Event(event) => self.read_counter(request, event),
            Kind::Ring => Err(libc::EINVAL),
        }
    }

    pub(super) fn write(&mut self, request: &mut Request) -> Result<Tried, i32> {
        let kind = self.files.kind(request.file_id()?).clone();
        let socket_call = request.is_socket_call();
        match kind {
            Kind::Socket(socket) if self.socket(socket).has_messages() => {
                self.send_message(request, socket)
            }
            Kind::Socket(socket) => {
                let (_, tx) = self.socket(socket).streams().ok_or(libc::ENOTCONN)?;
                self.write_stream(request, tx)
            }
            _ if socket_call => Err(libc::ENOTSOCK),
            Kind::PipeWrite(stream) => self.write_stream(request, stream),
            Kind::File { inode, flags } => self.write_file(request, inode, flags),
            Kind::Event(event) => self.write_counter(request, event),
            Kind::PipeRead(_) | Kind::Dir { .. } => Err(libc::EBADF),
            Kind::Ring => Err(libc::EINVAL),
        }
    }

    fn read_stream(
        &mut self,
        ring: usize,
        request: &mut Request,
        stream: Id,
    ) -> Result<Tried, i32> {
        if request.selects_buffer() || request.entry.opcode == Opcode::READ_MULTISHOT {
            return self.receive_selected(ring, request, stream);
        }
        loop {
            match self.stream(stream).sight() {
                Sight::Bytes(there) => {
                    let mut count = there.min(request.left());
                    if !request.wants_all() {
                        count = self.shortened(Fault::ShortRead, count);
                    }
                    let bytes = self.stream(stream).take(count);
                    self.wake(Wait::Writable(stream));
                    self.put(request, &bytes);
                    if !request.wants_all() || request.left() == 0 {
                        return Ok(Tried::done(request.done as i32));
                    }
                }
                Sight::End => return Ok(Tried::done(request.done as i32)),
                Sight::Reset => {
                    self.stream(stream).reset = false;
                    return Err(libc::ECONNRESET);
                }
                Sight::Nothing if request.left() == 0 => {
                    return Ok(Tried::done(request.done as i32));
                }
                Sight::Nothing if request.may_not_wait() => return Err(libc::EAGAIN),
                Sight::Nothing => return Ok(Tried::Wait(vec![Wait::Readable(stream)])),
            }
        }
    }

    fn write_stream(&mut self, request: &mut Request, id: Id) -> Result<Tried, i32> {
        loop {
            let stream = self.stream(id);
            if stream.is_broken() {
                return Err(libc::EPIPE);
            }
            let room = stream.room();
            if room == 0 && request.left() > 0 {
                if request.may_not_wait() {
                    return Err(libc::EAGAIN);
                }
                return Ok(Tried::Wait(vec![Wait::Writable(id)]));
            }
            let mut count = room.min(request.left());
            if !request.wants_all() {
                count = self.shortened(Fault::ShortWrite, count);
            }
            let bytes = request.entry.buffer().part(request.done, count as u32).read();
            self.stream(id).put(&bytes);
            request.done += count as u32;
            self.wake(Wait::Readable(id));
            if !request.wants_all() || request.left() == 0 {
                return Ok(Tried::done(request.done as i32));
            }
        }
    }

    fn read_file(&mut self, request: &mut Request, inode: Id, flags: i32) -> Result<Tried, i32> {
        if flags & libc::O_ACCMODE == libc::O_WRONLY || flags & libc::O_PATH != 0 {
            return Err(libc::EBADF);
        }
        let from = self.offset(request)?;
        let contents = self.names.contents(inode);
        let start = usize::try_from(from).map_err(|_| libc::EINVAL)?.min(contents.len());
        let there = (contents.len() - start).min(request.left());
        let count = self.shortened(Fault::ShortRead, there);
        let bytes = self.names.contents(inode)[start..start + count].to_vec();
        self.put(request, &bytes);
        self.advance(request, from + count as u64)?;
        Ok(Tried::done(count as i32))
    }

    fn write_file(&mut self, request: &mut Request, inode: Id, flags: i32) -> Result<Tried, i32> {
        if flags & libc::O_ACCMODE == libc::O_RDONLY || flags & libc::O_PATH != 0 {
            return Err(libc::EBADF);
        }
        let mut to = self.offset(request)?;
        if flags & libc::O_APPEND != 0 {
            to = self.names.contents(inode).len() as u64;
        }
        let start = usize::try_from(to).map_err(|_| libc::EFBIG)?;
        let count = self.shortened(Fault::ShortWrite, request.left());
        let bytes = request.entry.buffer().part(0, count as u32).read();
        let contents = self.names.contents(inode);
        let end = start.checked_add(count).ok_or(libc::EFBIG)?;
        if contents.len() < end && count > 0 {
            contents.resize(end, 0);
        }
        if count > 0 {
            contents[start..end].copy_from_slice(&bytes);
        }
        self.advance(request, end as u64)?;
        Ok(Tried::done(count as i32))
    }

    fn read_counter(&mut self, request: &mut Request, event: Id) -> Result<Tried, i32> {
        if request.entry.len < 8 {
            return Err(libc::EINVAL);
        }
        let count = self.counters.get_mut(&event).ok_or(libc::EBADF)?;
        let value = core::mem::take(count);
        if value == 0 {
            return Ok(Tried::Wait(vec![Wait::Event(event)]));
        }
        self.put(request, &value.to_le_bytes());
        Ok(Tried::done(8))
    }

    fn write_counter(&mut self, request: &mut Request, event: Id) -> Result<Tried, i32> {
        let bytes = request.entry.buffer().part(0, 8).read();
        let value = bytes.try_into().map(u64::from_le_bytes).map_err(|_| libc::EINVAL)?;
        let count = self.counters.get_mut(&event).ok_or(libc::EBADF)?;
        *count = count.saturating_add(value);
        self.wake(Wait::Event(event));
        Ok(Tried::done(8))
    }

    /// Gives the program what was received: now, or at the very end of the request.
    pub(super) fn put(&mut self, request: &mut Request, bytes: &[u8]) {
        request.done += bytes.len() as u32;
        let late = !bytes.is_empty() && self.strikes(Fault::LateTouch);
        let put = request.hold.as_mut().map_or(Ok(()), |hold| hold.put(bytes, late));
        self.must(put);
    }

    /// `count`, or less (never nothing) if the fault strikes.
    pub(crate) fn shortened(&mut self, fault: Fault, count: usize) -> usize {
        if count < 2 || !self.strikes(fault) {
            return count;
        }
        1 + self.choices.below("how short", (count - 1).min(1 << 30) as u32) as usize
    }

    fn offset(&mut self, request: &Request) -> Result<u64, i32> {
        match request.entry.off {
            AT_POSITION => Ok(*self.files.position(request.file_id()?)),
            offset => Ok(offset),
        }
    }

    fn advance(&mut self, request: &Request, to: u64) -> Result<(), i32> {
        if request.entry.off == AT_POSITION {
            *self.files.position(request.file_id()?) = to;
        }
        Ok(())
    }
}
