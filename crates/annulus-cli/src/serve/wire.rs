//! The seam between the server's logic and what carries it: a connection and a directory.
//!
//! The loop of [`super::connection`] is written against these two traits, so that its tests feed it
//! bytes in any pieces and need neither a ring nor a network. They cost nothing: the program has
//! one implementation, and calls to it are direct.

use std::io;
use std::ops::{Deref, Range};
use std::path::Path;
use std::rc::Rc;
use std::time::SystemTime;

use annulus::time::Instant;

use super::described::Described;
use super::entity::Facts;
use super::listing::Listing;

/// One connection.
pub trait Wire<File> {
    /// A buffer that the kernel filled; it goes back when dropped.
    type Lease: Deref<Target = [u8]>;

    /// Waits for bytes.
    async fn recv(&self, wait: Wait) -> io::Result<Received<Self::Lease>>;

    /// Sends all of `bytes`, and returns the buffer for its next use.
    async fn send(&self, bytes: Vec<u8>) -> io::Result<Vec<u8>>;

    /// Sends all of `bytes` and then a part of a file, and returns the buffer for its next use. A
    /// file that ends before the part does is an error: its length was promised.
    async fn send_with_file(
        &self,
        bytes: Vec<u8>,
        file: &File,
        part: Range<u64>,
    ) -> io::Result<Vec<u8>>;

    /// Tells the client that nothing more will be sent. What it sends can still be received.
    async fn finish(&self) -> io::Result<()>;

    /// Whether the server stops: then the answer under way is this connection's last.
    fn stopping(&self) -> bool;
}

/// How long to wait for bytes, and what else ends the wait.
#[derive(Debug, Clone, Copy)]
pub struct Wait {
    /// When the client has taken too long.
    pub deadline: Instant,
    /// Whether nothing is under way, so that the wait ends when the server stops.
    pub idle: bool,
}

/// The end of a wait for bytes.
#[derive(Debug)]
pub enum Received<L> {
    /// Some bytes.
    Bytes(L),
    /// The client will send nothing more.
    End,
    /// The deadline passed.
    TimedOut,
    /// The server stops.
    Stopping,
}

/// The directory that is served.
pub trait Site {
    /// An open file, or an open directory.
    type File;

    /// Opens what is at `path` beneath the root. What is not beneath it is not found, whatever
    /// symbolic links say; a pipe is opened without waiting for its other end.
    async fn open(&self, path: &Path) -> io::Result<(Self::File, Facts)>;

    /// What is said of an open file, by its name and the facts about it, at `now`; the same as
    /// before while it is the same.
    fn described(
        &self,
        file: &Self::File,
        named: (&Path, &Facts),
        now: SystemTime,
    ) -> Rc<Described>;

    /// Reads a part of a file to the end of `buf`. On an error the buffer comes back as it was, or
    /// empty if it was lost; a file that ends before the part does is an error.
    async fn append(
        &self,
        file: &Self::File,
        part: Range<u64>,
        buf: Vec<u8>,
    ) -> (io::Result<()>, Vec<u8>);

    /// What an open directory holds.
    async fn entries(&self, directory: &Self::File) -> io::Result<Listing>;
}
