//! The page that shows a directory, and the reading of directories.
//!
//! The kernel has no ring operation that reads a directory, so that is done on a thread of its own
//! for each listing, a bounded number at a time; the core that asked goes on meanwhile. Entries are
//! read through the open directory, so nothing outside the root is looked at: a symbolic link is
//! shown without what it points to.
//!
//! Invariant: however many names a directory has, and however long they are, a listing holds
//! [`SHOWN`] of them, the first by the order of the page, and a page has [`PAGE_BYTES`] and a row.

use std::collections::BinaryHeap;
use std::fmt::Write;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use rustix::fs::{AtFlags, Dir, FileType, Stat, statat};

use super::target;

/// The most entries that one page shows.
const SHOWN: usize = 10_000;
/// A page that has become as long as this shows no further entry.
const PAGE_BYTES: usize = 2 * 1024 * 1024;
/// The most directories that are read at the same time.
const READERS: usize = 32;

/// What a directory holds under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name, which need not be text.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
}

/// What an entry of a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A file of this many bytes.
    File(u64),
    /// A symbolic link, to whatever.
    Link,
}

/// What is known of a directory's content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The first entries, in the order of the page.
    pub entries: Vec<Entry>,
    /// How many others there are.
    pub more: u64,
}

/// The page that shows a listing under the heading `path`, which ends in a slash.
pub fn page(path: &str, listing: &Listing) -> String {
    let Listing { entries, more } = listing;
    let mut html = String::with_capacity(1024 + 96 * entries.len());
    let title = Escaped(path);
    // Writing to a string does not fail.
    let _ = write!(
        html,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>\n<table>\n"
    );
    if path != "/" {
        html.push_str("<tr><td><a href=\"../\">../</a><td>\n");
    }
    let mut shown = 0;
    for entry in entries {
        if html.len() >= PAGE_BYTES {
            break;
        }
        row(&mut html, entry);
        shown += 1;
    }
    html.push_str("</table>\n");
    let more = more + (entries.len() - shown) as u64;
    if more > 0 {
        let _ = writeln!(html, "<p>… and {more} more");
    }
    html
}

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:50rem;padding:0 1rem}\
h1{font-size:1.25rem;overflow-wrap:anywhere}\
table{border-collapse:collapse;width:100%}\
td{padding:.2rem 0;border-top:1px solid #8884;overflow-wrap:anywhere}\
td+td{text-align:right;padding-left:1rem;white-space:nowrap;font-variant-numeric:tabular-nums}\
a{text-decoration:none}a:hover{text-decoration:underline}";

fn row(html: &mut String, entry: &Entry) {
    let name = String::from_utf8_lossy(&entry.name);
    let (link, name) = (target::link(&entry.name), Escaped(&name));
    let _ = match entry.kind {
        EntryKind::Directory => writeln!(html, "<tr><td><a href=\"{link}/\">{name}/</a><td>"),
        EntryKind::Link => writeln!(html, "<tr><td><a href=\"{link}\">{name}</a><td>link"),
        EntryKind::File(bytes) => {
            writeln!(html, "<tr><td><a href=\"{link}\">{name}</a><td>{}", Size(bytes))
        }
    };
}

/// Text that is safe in HTML, also between quotes; what would reorder or hide text is shown as a
/// replacement character.
struct Escaped<'t>(&'t str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    f.write_char(char::REPLACEMENT_CHARACTER)?;
                }
                control if control.is_control() => f.write_char(char::REPLACEMENT_CHARACTER)?,
                plain => f.write_char(plain)?,
            }
        }
        Ok(())
    }
}

/// A number of bytes for people: three digits at most before the point, one behind it.
struct Size(u64);

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        let mut size = self.0 as f64 / 1024.0;
        let mut unit = 0;
        // 1023.95 is shown as 1024.0, which is 1.0 of the next unit.
        while size >= 1023.95 && unit + 1 < units.len() {
            size /= 1024.0;
            unit += 1;
        }
        write!(f, "{size:.1} {}", units[unit])
    }
}

/// An entry that may be shown, by the order of the page: directories first, then by name.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Named {
    is_other: bool,
    name: Vec<u8>,
    is_link: bool,
}

/// Reads an open directory. Blocks. What vanishes meanwhile is left out, and so is what is not
/// served: pipes, sockets and devices. Only entries to be shown are asked for their size.
///
/// # Errors
/// The kernel's, when the directory itself cannot be read.
pub fn read(directory: &OwnedFd) -> io::Result<Listing> {
    // The last of the first is at the top, and makes room for whoever comes before it.
    let (mut first, mut more) = (BinaryHeap::new(), 0);
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let stat = || statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
        let kind = match entry.file_type() {
            // Not every file system says it here.
            FileType::Unknown => stat().map_or(FileType::Unknown, |stat| kind(&stat)),
            kind => kind,
        };
        if !matches!(kind, FileType::Directory | FileType::RegularFile | FileType::Symlink) {
            continue;
        }
        let (is_other, is_link) = (kind != FileType::Directory, kind == FileType::Symlink);
        let key = (is_other, name.to_bytes());
        let full = first.len() == SHOWN;
        more += u64::from(full);
        if full && first.peek().is_some_and(|last: &Named| (last.is_other, &*last.name) <= key) {
            continue;
        }
        if full {
            first.pop();
        }
        first.push(Named { is_other, name: name.to_bytes().to_vec(), is_link });
    }
    let entries = first.into_sorted_vec().into_iter().filter_map(|named| named.entry(directory));
    Ok(Listing { entries: entries.collect(), more })
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

impl Named {
    /// The entry, if it is still what it was.
    fn entry(self, directory: &OwnedFd) -> Option<Entry> {
        let kind = match (self.is_other, self.is_link) {
            (false, _) => EntryKind::Directory,
            (true, true) => EntryKind::Link,
            (true, false) => {
                let stat = statat(directory, &*self.name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
                let is_file = kind(&stat) == FileType::RegularFile;
                EntryKind::File(u64::try_from(stat.st_size).ok().filter(|_| is_file)?)
            }
        };
        Some(Entry { name: self.name, kind })
    }
}

/// How many threads read directories now.
static READING: AtomicUsize = AtomicUsize::new(0);

/// Reads an open directory on a thread of its own.
///
/// # Errors
/// `ResourceBusy` when too many directories are being read already; else as [`read`].
///
/// # Cancel safety
/// Dropping the future leaves the thread to finish, and its result to nobody.
pub async fn read_aside(directory: OwnedFd) -> io::Result<Listing> {
    let place = Place::take().ok_or(io::ErrorKind::ResourceBusy)?;
    let slot = Arc::new(Mutex::new(Slot { result: None, waker: None }));
    let reading = Reading { slot: slot.clone() };
    std::thread::Builder::new().name("annulus-list".to_owned()).spawn(move || {
        let result = read(&directory);
        drop(place);
        let waker = {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            slot.result = Some(result);
            slot.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    })?;
    reading.await
}

/// One of the [`READERS`] places, given back when dropped.
struct Place;

impl Place {
    fn take() -> Option<Self> {
        // ORDERING: only a count; nothing is published by it, so it pairs with nothing.
        let taken = READING.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |reading| {
            (reading < READERS).then_some(reading + 1)
        });
        taken.ok().map(|_| Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // ORDERING: as in `take`.
        READING.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Slot {
    result: Option<io::Result<Listing>>,
    waker: Option<Waker>,
}

struct Reading {
    slot: Arc<Mutex<Slot>>,
}

impl Future for Reading {
    type Output = io::Result<Listing>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        match slot.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                slot.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests;
