//! How a file is opened.

use std::ffi::CString;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::File;
use crate::core::Owned;
use crate::core::key::Handle;
use crate::core::path_op::{Open, OpenBelow, open_how};
use crate::op::{OpExt, Shaped};

/// How a file is opened: the options of `std::fs::OpenOptions`, with the same rules.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::fs::OpenOptions;
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("log");
///
/// let log = OpenOptions::new().append(true).create(true).open(&path).await?;
/// log.write_at("a line\n", 0).await?; // append: the offset does not matter
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
    mode: u32,
    custom_flags: i32,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl OpenOptions {
    /// Nothing set: such a file could neither be read nor written.
    #[must_use]
    pub fn new() -> Self {
        Self {
            read: false,
            write: false,
            append: false,
            truncate: false,
            create: false,
            create_new: false,
            mode: 0o666,
            custom_flags: 0,
        }
    }

    /// For reading.
    pub fn read(&mut self, read: bool) -> &mut Self {
        self.read = read;
        self
    }

    /// For writing.
    pub fn write(&mut self, write: bool) -> &mut Self {
        self.write = write;
        self
    }

    /// For writing at the end, whatever the offset.
    pub fn append(&mut self, append: bool) -> &mut Self {
        self.append = append;
        self
    }

    /// Empties the file.
    pub fn truncate(&mut self, truncate: bool) -> &mut Self {
        self.truncate = truncate;
        self
    }

    /// Makes the file if it is missing.
    pub fn create(&mut self, create: bool) -> &mut Self {
        self.create = create;
        self
    }

    /// Makes the file; fails if it is there.
    pub fn create_new(&mut self, create_new: bool) -> &mut Self {
        self.create_new = create_new;
        self
    }

    /// Permission bits of a new file, before the umask; default `0o666`.
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = mode;
        self
    }

    /// Further `O_*` flags; the access mode in them is ignored. A file that is open with `O_DIRECT`
    /// takes aligned buffers: [`AlignedBuf`](crate::buf::AlignedBuf).
    pub fn custom_flags(&mut self, flags: i32) -> &mut Self {
        self.custom_flags = flags;
        self
    }

    /// Opens the file.
    ///
    /// # Errors
    /// Those of open(2); `InvalidInput` for options that contradict each other or a path with a
    /// zero byte.
    ///
    /// # Cancel safety
    /// A descriptor that arrives after the future was dropped is closed.
    ///
    /// # Kernel
    /// `OPENAT`, 5.6.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// use annulus::fs::OpenOptions;
    ///
    /// let path = dir.path().join("log");
    /// let log = OpenOptions::new().append(true).create(true).open(&path).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn open<P: AsRef<Path>>(&self, path: P) -> impl OpExt<Output = io::Result<File>> + use<P> {
        self.open_now(path.as_ref())
    }

    /// Makes a file without a name on the file system of a directory, and opens it. It goes away
    /// when it is closed. [`TempFile`](super::TempFile) can give it a name, and does without this
    /// where it has to.
    ///
    /// # Errors
    /// Those of open(2): `Unsupported` where the file system has no such files; `InvalidInput`
    /// unless it is opened for writing, and for options that make a file with a name or empty one.
    ///
    /// # Cancel safety
    /// Nothing is left of it.
    ///
    /// # Kernel
    /// `OPENAT` with `O_TMPFILE`, 5.6; punted.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// use annulus::fs::OpenOptions;
    ///
    /// let file = OpenOptions::new().read(true).write(true).tmpfile(dir.path()).await?;
    /// file.write_all_at("nobody sees it", 0).await?;
    /// assert_eq!(file.metadata()?.nlink(), 0);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "O_TMPFILE")]
    pub fn tmpfile<P: AsRef<Path>>(
        &self,
        directory: P,
    ) -> impl OpExt<Output = io::Result<File>> + use<P> {
        let Self { write, append, truncate, create, create_new, .. } = *self;
        if !(write || append) || truncate || create || create_new {
            let why = "a file without a name is new: it is opened for writing, and with none of \
                       truncate, create and create_new";
            return Shaped::new(Err(Err(io::Error::new(io::ErrorKind::InvalidInput, why))), opened);
        }
        let mut options = self.clone();
        options.custom_flags |= libc::O_TMPFILE;
        options.open_now(directory.as_ref())
    }

    pub(super) fn open_now(&self, path: &Path) -> Opening {
        Shaped::new(self.description(path).map_err(Err), opened)
    }

    pub(super) fn description(&self, path: &Path) -> io::Result<Open> {
        Ok(Open { path: c_path(path)?, flags: self.flags()?, mode: self.mode })
    }

    /// As [`description`](Self::description), past the page cache.
    pub(super) fn direct_description(&self, path: &Path) -> io::Result<Open> {
        let custom_flags = self.custom_flags | libc::O_DIRECT;
        Self { custom_flags, ..self.clone() }.description(path)
    }

    /// A file below a directory, with the kernel refusing every way out of it.
    pub(super) fn description_below(
        &self,
        (dir, handle): (RawFd, Handle),
        path: &Path,
        resolve: u64,
    ) -> io::Result<OpenBelow> {
        let flags = self.flags()?;
        // Unlike openat, openat2 refuses a mode that nothing will be made with.
        let makes = flags & libc::O_CREAT != 0 || flags & libc::O_TMPFILE == libc::O_TMPFILE;
        let mode = if makes { self.mode } else { 0 };
        let how = open_how(flags, mode, resolve);
        Ok(OpenBelow { dir, handle, path: c_path(path)?, how })
    }

    fn flags(&self) -> io::Result<i32> {
        let invalid = |what| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        let access = match (self.read, self.write, self.append) {
            (true, false, false) => libc::O_RDONLY,
            (false, true, false) => libc::O_WRONLY,
            (true, true, false) => libc::O_RDWR,
            (false, _, true) => libc::O_WRONLY | libc::O_APPEND,
            (true, _, true) => libc::O_RDWR | libc::O_APPEND,
            (false, false, false) => {
                return invalid("a file is opened for reading, writing or appending: set one");
            }
        };
        if self.append && self.truncate && !self.create_new {
            return invalid("append and truncate contradict each other");
        }
        let writes = self.write || self.append;
        if !writes && (self.truncate || self.create || self.create_new) {
            return invalid("truncate, create and create_new need write or append");
        }
        let creation = match (self.create, self.truncate, self.create_new) {
            (_, _, true) => libc::O_CREAT | libc::O_EXCL,
            (true, true, false) => libc::O_CREAT | libc::O_TRUNC,
            (true, false, false) => libc::O_CREAT,
            (false, true, false) => libc::O_TRUNC,
            (false, false, false) => 0,
        };
        Ok(access | creation | libc::O_CLOEXEC | (self.custom_flags & !libc::O_ACCMODE))
    }
}

/// The future of an open.
pub(super) type Opening = Shaped<'static, Open, io::Result<Owned>, io::Result<File>>;

fn opened(owned: io::Result<Owned>) -> io::Result<File> {
    owned.map(File::from_owned)
}

/// A path as the kernel takes it. An empty one is refused by the kernel itself.
pub(super) fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidInput, "a path cannot contain a zero byte")
    })
}
