//! The file that is read: 64 MiB in pages that know their number.
//!
//! Owns: making it, choosing pages at random, checking what was read. Invariant: the file has no
//! name once it is made, so it is gone when the last process that has it open is.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// Bytes of one read.
pub const PAGE_BYTES: usize = 4096;
/// A power of two.
const PAGES: u64 = 64 * 1024 * 1024 / PAGE_BYTES as u64;

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
        let pid = std::process::id();
        let path = std::env::temp_dir().join(format!("annulus-bench-{pid}"));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        let written = fill(&file);
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

    /// The number of some page.
    #[inline]
    pub fn pick(&self, random: &mut Random) -> u64 {
        random.next() & (PAGES - 1)
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
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{} bytes were read for page {page}, and not that page's", bytes.len()),
    ))
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
        assert_eq!(file.metadata().unwrap().len(), PAGES * PAGE_BYTES as u64);
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
    fn picked_pages_are_in_the_file_and_hardly_repeat() {
        let pages = Pages::at(Path::new("/nowhere"));
        let mut random = Random::new(0);
        let picked: HashSet<u64> = (0..1000).map(|_| pages.pick(&mut random)).collect();
        assert!(picked.iter().all(|&page| page < PAGES));
        assert!(picked.len() > 900, "{}", picked.len());
    }
}
