//! The file that is read: 100 MiB in pages that know their number.
//!
//! Owns: making it, in the page cache or where reads can go past it, choosing pages at random,
//! checking what was read. Invariant: the file has no name once it is made, so it is gone when the
//! last process that has it open is.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{sys, wrong};

/// Bytes of one read.
pub const PAGE_BYTES: usize = 4096;
/// Size of the file in MiB.
pub const FILE_MIB: u64 = 100;
/// Size of the file.
pub const FILE_BYTES: u64 = FILE_MIB << 20;
const PAGES: u64 = FILE_BYTES / PAGE_BYTES as u64;

/// Files made by this process.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A buffer for a page, where O_DIRECT wants it.
#[repr(C, align(4096))]
#[derive(Clone, Copy, Debug)]
pub struct Page(pub [u8; PAGE_BYTES]);

impl Page {
    /// Nothing but zeros.
    pub const ZERO: Self = Self([0; PAGE_BYTES]);
}

/// The file, by a path that its children can open.
pub struct Pages {
    path: PathBuf,
    _file: Option<File>,
}

impl Pages {
    /// Writes a new file in the directory of temporary files; it stays in the page cache.
    ///
    /// # Errors
    /// Those of writing a file.
    pub fn make() -> io::Result<Self> {
        Self::make_in(&std::env::temp_dir(), |_| Ok(()))
    }

    /// Writes a new file that can be read past the page cache, and drops it from the cache. It lies
    /// in the first directory where that is so: of temporary files, /var/tmp, this one.
    ///
    /// # Errors
    /// `Unsupported` if there is none, with what is the matter in each.
    pub fn make_direct() -> io::Result<Self> {
        let mut reasons = Vec::new();
        for directory in [std::env::temp_dir(), "/var/tmp".into(), ".".into()] {
            match Self::make_in(&directory, sys::check_direct) {
                Ok(pages) => {
                    sys::forget_cached(&pages.open()?)?;
                    return Ok(pages);
                }
                Err(error) => reasons.push(format!("{}: {error}", directory.display())),
            }
        }
        let message = format!(
            "no directory with O_DIRECT (TMPDIR=DIRECTORY names another): {}",
            reasons.join("; ")
        );
        Err(io::Error::new(io::ErrorKind::Unsupported, message))
    }

    fn make_in(
        directory: &Path,
        suitable: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<Self> {
        let pid = std::process::id();
        // ORDERING: Relaxed, pairs with nothing: the numbers only have to differ.
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = directory.join(format!("annulus-bench-{pid}-{number}"));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        let written = suitable(&path).and_then(|()| fill(&file));
        std::fs::remove_file(&path)?;
        written?;
        Ok(Self { path: format!("/proc/{pid}/fd/{}", file.as_raw_fd()).into(), _file: Some(file) })
    }

    /// The file that a parent process made.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), _file: None }
    }

    /// By which its children open it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it for reading.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open(&self) -> io::Result<File> {
        File::open(&self.path)
    }

    /// Opens it for reading past the page cache.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open_direct(&self) -> io::Result<File> {
        OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(&self.path)
    }

    /// The number of some page.
    #[inline]
    pub fn pick(&self, random: &mut Random) -> u64 {
        // Of 32 random bits, so there is no overflow; a division would be dearer.
        (random.next() * PAGES) >> 32
    }
}

fn fill(file: &File) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let mut bytes = [0x5a; PAGE_BYTES];
    for page in 0..PAGES {
        bytes[..8].copy_from_slice(&page.to_ne_bytes());
        out.write_all(&bytes)?;
    }
    out.flush()?;
    // Or else it would be written back while it is measured.
    file.sync_data()
}

/// Whether these bytes are that page.
///
/// # Errors
/// `InvalidData` if not.
#[inline]
pub fn check(page: u64, bytes: &[u8]) -> io::Result<()> {
    if bytes.len() == PAGE_BYTES && bytes.starts_with(&page.to_ne_bytes()) {
        return Ok(());
    }
    Err(wrong(&format!("{} bytes were read for page {page}, and not that page's", bytes.len())))
}

/// Whether these bytes are those of the file at that offset: whole pages, of which the first and
/// the last are looked at.
///
/// # Errors
/// `InvalidData` if not.
#[inline]
pub fn check_block(offset: u64, bytes: &[u8]) -> io::Result<()> {
    let page_bytes = PAGE_BYTES as u64;
    let whole = offset % page_bytes == 0 && bytes.len() % PAGE_BYTES == 0;
    let (Some(first), Some(last)) =
        (bytes.chunks(PAGE_BYTES).next(), bytes.rchunks(PAGE_BYTES).next())
    else {
        return Err(wrong("the file ended early"));
    };
    if !whole {
        return Err(wrong(&format!("{} bytes were read at {offset}: no pages", bytes.len())));
    }
    let number = offset / page_bytes;
    check(number, first)?;
    check(number + (bytes.len() / PAGE_BYTES) as u64 - 1, last)
}

/// Whether that is where the file ends.
///
/// # Errors
/// `InvalidData` if not.
pub fn check_end(offset: u64) -> io::Result<()> {
    if offset == FILE_BYTES { Ok(()) } else { Err(wrong(&format!("the file ended at {offset}"))) }
}

/// Whether a file is a copy of that one.
///
/// # Errors
/// Those of reading it; `InvalidData` if not.
pub fn check_copy(path: &Path) -> io::Result<()> {
    let (file, mut bytes) = (File::open(path)?, vec![0; 1 << 20]);
    if file.metadata()?.len() != FILE_BYTES {
        return Err(wrong("the copy has another size"));
    }
    let mut filled = [0x5a; PAGE_BYTES];
    for block in 0..FILE_MIB {
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, block << 20)?;
        for (number, page) in ((block << 20) / PAGE_BYTES as u64..).zip(bytes.chunks(PAGE_BYTES)) {
            filled[..8].copy_from_slice(&number.to_ne_bytes());
            if page != filled {
                return Err(wrong(&format!("page {number} of the copy is another")));
            }
        }
    }
    Ok(())
}

/// Numbers without order, the same in each run (xorshift64*).
pub struct Random(u64);

impl Random {
    /// Another sequence for each seed.
    pub fn new(seed: u32) -> Self {
        Self((u64::from(seed) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A number below `limit`.
    #[inline]
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    #[inline]
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn every_page_of_the_file_knows_its_number_and_the_file_has_no_name() {
        let pages = Pages::make().unwrap();
        let target = std::fs::read_link(pages.path()).unwrap();
        assert!(target.to_str().unwrap().ends_with(" (deleted)"));
        let file = Pages::at(pages.path()).open().unwrap();
        assert_eq!(file.metadata().unwrap().len(), FILE_BYTES);
        let mut bytes = [0; PAGE_BYTES];
        for page in [0, 1, 4711, PAGES - 1] {
            let offset = page * PAGE_BYTES as u64;
            file.read_exact_at(&mut bytes, offset).unwrap();
            check(page, &bytes).unwrap();
            check(page + 1, &bytes).unwrap_err();
            check(page, &bytes[..PAGE_BYTES - 1]).unwrap_err();
        }
    }

    #[test]
    fn blocks_are_whole_pages_at_their_place() {
        let mut bytes = vec![0; 2 * PAGE_BYTES];
        bytes[..8].copy_from_slice(&7_u64.to_ne_bytes());
        bytes[PAGE_BYTES..PAGE_BYTES + 8].copy_from_slice(&8_u64.to_ne_bytes());
        let offset = 7 * PAGE_BYTES as u64;
        check_block(offset, &bytes).unwrap();
        check_block(offset, &bytes[..PAGE_BYTES]).unwrap();
        check_block(offset + PAGE_BYTES as u64, &bytes).unwrap_err();
        check_block(offset + 1, &bytes).unwrap_err();
        check_block(offset, &bytes[..PAGE_BYTES + 1]).unwrap_err();
        check_block(offset, &[]).unwrap_err();
        bytes[PAGE_BYTES] += 1;
        check_block(offset, &bytes).unwrap_err();
    }

    #[test]
    fn a_copy_is_looked_at_byte_by_byte() {
        let pages = Pages::make().unwrap();
        check_copy(pages.path()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let copy = directory.path().join("copy");
        std::fs::copy(pages.path(), &copy).unwrap();
        let file = OpenOptions::new().write(true).open(&copy).unwrap();
        file.write_all_at(b"x", FILE_BYTES - 1).unwrap();
        let error = check_copy(&copy).unwrap_err();
        assert_eq!(error.to_string(), format!("page {} of the copy is another", PAGES - 1));
        file.set_len(4096).unwrap();
        check_copy(&copy).unwrap_err();
    }

    #[test]
    fn a_file_in_memory_has_nothing_past_the_page_cache() {
        let shm = Path::new("/dev/shm");
        if sys::is_in_memory(&File::open(shm).unwrap()) {
            let error = Pages::make_in(shm, sys::check_direct).map(drop).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{error}");
        }
    }

    #[test]
    fn a_direct_file_is_read_into_aligned_pages_only() {
        let pages = match Pages::make_direct() {
            Ok(pages) => pages,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{error}");
                return;
            }
        };
        let (file, mut page) = (pages.open_direct().unwrap(), Box::new(Page::ZERO));
        file.read_exact_at(&mut page.0, 4711 * PAGE_BYTES as u64).unwrap();
        check(4711, &page.0).unwrap();
    }

    #[test]
    fn picked_pages_are_in_the_file_and_hardly_repeat() {
        let pages = Pages::at(Path::new("/nowhere"));
        let mut random = Random::new(0);
        let picked: HashSet<u64> = (0..1000).map(|_| pages.pick(&mut random)).collect();
        assert!(picked.iter().all(|&page| page < PAGES));
        assert!(picked.len() > 900, "{}", picked.len());
    }
}
