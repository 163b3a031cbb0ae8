//! Who is at the other end of a Unix socket.
//!
//! Owns: `struct ucred`, as it is told of a connection (`SO_PEERCRED`) and goes with a message
//! (`SCM_CREDENTIALS`). Mirrors unix(7).

/// Who is at the other end of a Unix socket: a process, and with whose rights it acts.
///
/// Of a connection it is the process that connected, or that listened, at that time
/// ([`UnixStream::peer_cred`](super::UnixStream::peer_cred)). With a message it is the one that
/// sent it ([`ControlMessage::Credentials`](super::control::ControlMessage::Credentials)), and the
/// kernel vouches for it: only who may act for others can name another than itself.
#[doc(alias = "ucred")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct UCred {
    pid: Option<i32>,
    uid: u32,
    gid: u32,
}

/// How many bytes it has for the kernel.
pub(super) const BYTES: usize = 12;

impl UCred {
    /// To go with a message.
    #[must_use]
    pub fn new(pid: i32, uid: u32, gid: u32) -> Self {
        Self { pid: (pid != 0).then_some(pid), uid, gid }
    }

    /// The process; `None` if this one cannot see it (another namespace of processes).
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.pid
    }

    /// The user.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The group.
    #[must_use]
    pub fn gid(&self) -> u32 {
        self.gid
    }

    /// As the kernel has it.
    pub(super) fn to_bytes(self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[..4].copy_from_slice(&self.pid.unwrap_or(0).to_ne_bytes());
        bytes[4..8].copy_from_slice(&self.uid.to_ne_bytes());
        bytes[8..].copy_from_slice(&self.gid.to_ne_bytes());
        bytes
    }

    /// What the kernel wrote, if it has the length that it must have.
    pub(super) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; BYTES] = bytes.try_into().ok()?;
        let word = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        let pid = i32::from_ne_bytes(word(0));
        Some(Self::new(pid, u32::from_ne_bytes(word(4)), u32::from_ne_bytes(word(8))))
    }
}
