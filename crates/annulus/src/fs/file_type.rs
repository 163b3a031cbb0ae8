//! What kind of file a name leads to.

use std::fmt;

/// What kind of file it is: a regular one, a directory, a symbolic link, ….
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileType {
    /// The bits of `S_IFMT`.
    kind: u32,
}

impl FileType {
    /// From an `st_mode`, permission bits and all.
    pub(super) fn from_mode(mode: u32) -> Self {
        Self { kind: mode & libc::S_IFMT }
    }

    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.kind == libc::S_IFREG
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.kind == libc::S_IFDIR
    }

    /// Whether it is a symbolic link.
    #[must_use]
    pub fn is_symlink(&self) -> bool {
        self.kind == libc::S_IFLNK
    }

    /// Whether it is a named pipe.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.kind == libc::S_IFIFO
    }

    /// Whether it is a socket.
    #[must_use]
    pub fn is_socket(&self) -> bool {
        self.kind == libc::S_IFSOCK
    }

    /// Whether it is a block device.
    #[must_use]
    pub fn is_block_device(&self) -> bool {
        self.kind == libc::S_IFBLK
    }

    /// Whether it is a character device.
    #[must_use]
    pub fn is_char_device(&self) -> bool {
        self.kind == libc::S_IFCHR
    }
}

impl fmt::Debug for FileType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.kind {
            libc::S_IFREG => "file",
            libc::S_IFDIR => "directory",
            libc::S_IFLNK => "symbolic link",
            libc::S_IFIFO => "named pipe",
            libc::S_IFSOCK => "socket",
            libc::S_IFBLK => "block device",
            libc::S_IFCHR => "character device",
            _ => "unknown",
        };
        write!(f, "FileType({name})")
    }
}
