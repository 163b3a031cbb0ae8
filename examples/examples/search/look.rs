//! What one core does: files in, lines out.

use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use annulus::buf::IoBufMut as _;
use annulus::fs::File;
use annulus::sync::Mutex;
use annulus::sync::cross::Receiver;
use annulus::task::JoinSet;
use memchr::memmem::Finder;
use memchr::{memchr, memrchr};

use crate::args::Args;

/// Files larger than this are read in several pieces, and each piece is searched when it is there.
const PIECE_BYTES: usize = 1 << 20;
/// A zero byte among so many first ones makes a file binary.
const HEAD_BYTES: usize = 32 * 1024;

/// How much was found.
#[derive(Default)]
pub struct Found {
    pub files: u64,
    pub matching: u64,
    pub lines: u64,
}

impl Found {
    pub fn add(&mut self, other: Self) {
        self.files += other.files;
        self.matching += other.matching;
        self.lines += other.lines;
    }
}

/// Searches what it is handed, several files at once.
pub async fn search_all(files: Receiver<Vec<PathBuf>>, args: Arc<Args>) -> Found {
    let files = Rc::new(Mutex::new(files));
    let mut tasks = JoinSet::new();
    for _ in 0..args.in_flight {
        let (files, args) = (files.clone(), args.clone());
        tasks.spawn(async move {
            let finder = Finder::new(&args.text);
            let (mut found, mut buf) = (Found::default(), Vec::new());
            loop {
                let batch = files.lock().await.recv().await;
                let Some(batch) = batch else { return found };
                for path in batch {
                    let mut lines = Vec::new();
                    match search(&path, &finder, &mut buf, &mut lines).await {
                        Ok(count) => {
                            found.files += 1;
                            found.matching += u64::from(count > 0);
                            found.lines += count;
                        }
                        Err(error) => eprintln!("search: {}: {error}", path.display()),
                    }
                    // All lines of a file at once. Nobody listens any more: nothing to tell.
                    if !lines.is_empty() {
                        let _ = io::stdout().lock().write_all(&lines);
                    }
                }
            }
        });
    }
    let mut all = Found::default();
    while let Some(found) = tasks.join_next().await {
        all.add(found.unwrap_or_default());
    }
    all
}

/// Searches one file, and gives the number of lines. The buffer is used again for the next.
async fn search(
    path: &Path,
    finder: &Finder<'_>,
    buf: &mut Vec<u8>,
    lines: &mut Vec<u8>,
) -> io::Result<u64> {
    let file = File::open(path).await?;
    // One byte more than there are, so that a read that leaves it empty was the last one.
    let len = usize::try_from(file.len()?).unwrap_or(usize::MAX);
    let (mut offset, mut count) = (0, 0);
    let mut kept = std::mem::take(buf);
    kept.clear();
    loop {
        let begin = kept.len();
        kept.reserve(
            len.saturating_add(1).saturating_sub(offset as usize).clamp(4096, PIECE_BYTES),
        );
        let (n, slice) = file.read_at(kept.slice_mut(begin..), offset).await?;
        kept = slice.into_inner();
        let is_last = n == 0 || kept.len() < kept.capacity();
        let is_first = offset == 0;
        offset += n as u64;
        if is_first && memchr(0, &kept[..kept.len().min(HEAD_BYTES)]).is_some() {
            break;
        }
        // What follows the last end of line is searched with the next piece.
        let whole =
            if is_last { kept.len() } else { memrchr(b'\n', &kept).map_or(0, |end| end + 1) };
        count += print(path, finder, &kept[..whole], lines);
        kept.drain(..whole);
        if is_last {
            break;
        }
    }
    *buf = kept;
    Ok(count)
}

/// Writes the lines with a match behind the path.
fn print(path: &Path, finder: &Finder<'_>, text: &[u8], lines: &mut Vec<u8>) -> u64 {
    let (mut at, mut count) = (0, 0);
    while let Some(found) = finder.find(&text[at..]) {
        let start = memrchr(b'\n', &text[..at + found]).map_or(0, |end| end + 1);
        let end = memchr(b'\n', &text[at + found..]).map_or(text.len(), |end| at + found + end);
        lines.extend_from_slice(path.as_os_str().as_bytes());
        lines.push(b':');
        lines.extend_from_slice(&text[start..end]);
        lines.push(b'\n');
        (at, count) = ((end + 1).min(text.len()), count + 1);
        if at == text.len() {
            break;
        }
    }
    count
}
