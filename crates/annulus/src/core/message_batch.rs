//! Many messages by one system call.
//!
//! Owns: the headers of the call. Does not own: the messages (`message_send`), nor what becomes of
//! those that cannot be sent at once: they are requests like any other.
//!
//! A request for each message costs an entry, a slot and a completion, and its result comes with
//! the next turn. sendmmsg(2) has none of that, and does not wait here. Invariant: the headers name
//! memory of messages that are borrowed for the call.

use annulus_ring::Kernel as _;
use annulus_ring::abi::Errno;

use super::State;
use super::key::Key;
use super::message_send::SendDatagram;
use crate::buf::IoBuf;

/// The most messages of one call.
pub(crate) const AT_ONCE: usize = 64;

/// Bytes that were sent of each message.
pub(crate) type Sent = [u32; AT_ONCE];

impl State {
    /// Sends the first of these messages, without waiting. Gives how many that were.
    ///
    /// # Errors
    /// Why the first could not be sent; EAGAIN if it would have to wait, or cannot be sent like
    /// this.
    pub(crate) fn send_at_once<'a, B: IoBuf>(
        &mut self,
        key: Key,
        messages: impl Iterator<Item = &'a mut SendDatagram<B>>,
        sent: &mut Sent,
    ) -> Result<usize, Errno> {
        let record = self.records.get(key).filter(|record| !record.closing);
        let (Some(record), false) = (record, self.stopping) else {
            return Err(Errno(libc::EAGAIN));
        };
        let fd = record.fd;
        // SAFETY: every field is an integer or a pointer; zero is a value of each.
        let mut headers: [libc::mmsghdr; AT_ONCE] = unsafe { std::mem::zeroed() };
        let none = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        let mut pieces = [none; AT_ONCE];
        let mut count = 0;
        for ((message, header), piece) in messages.zip(&mut headers).zip(&mut pieces) {
            message.describe(&mut header.msg_hdr, piece);
            count += 1;
        }
        let headers = &mut headers[..count];
        // SAFETY: the headers name their pieces, and buffers and addresses of messages that are
        // borrowed for longer than the call.
        let done = match unsafe { self.ring.kernel().send_messages(fd, headers) } {
            Err(Errno(libc::EINTR | libc::ENOSYS)) => return Err(Errno(libc::EAGAIN)),
            done => done?,
        };
        for (sent, header) in sent.iter_mut().zip(&headers[..done]) {
            *sent = header.msg_len;
        }
        Ok(done)
    }
}
