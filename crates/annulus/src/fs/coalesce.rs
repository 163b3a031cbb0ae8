//! Several ranges of a file read at once, near ones with one request.
//!
//! Owns: which ranges share a read, and handing them out. Invariants: what a range gets is what one
//! read of it would have got; no byte of a shared read is copied; bytes between two ranges are read
//! only if they are fewer than the caller allows.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::task::Poll;

use super::File;
use super::read_stream::{Chunk, Fill};
use crate::buf::IoBufMut;

/// Reads in flight at once.
const DEPTH: usize = 64;
/// What one range may ask for.
const RANGE_BYTES_MAX: u64 = 1 << 40;

/// Which ranges share a read: [`File::read_ranges`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Merge {
    /// Bytes between two ranges that are rather read than left out. 0 merges only ranges that touch
    /// or overlap.
    pub gap_bytes: u64,
    /// The most bytes of a read that ranges share. One range that is longer is read alone.
    pub read_bytes_max: usize,
}

impl Default for Merge {
    /// Gaps up to 4 KiB, reads up to 512 KiB.
    fn default() -> Self {
        Self { gap_bytes: 4096, read_bytes_max: 512 * 1024 }
    }
}

impl File {
    /// Reads several ranges of the file, in any order, also overlapping. Near ones are read with
    /// one request, as `merge` says; all requests are in flight together, 64 at a time.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at); the first error is that of all. `InvalidInput` for a range
    /// that ends before it begins or behind 2^63, or has more than 2^40 bytes.
    ///
    /// # Cancel safety
    /// Dropping the future cancels its reads; nothing else is changed.
    ///
    /// # Kernel
    /// `READ`, 5.6, for each group of ranges; more than one where a read is short.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::fs::{File, Merge};
    ///
    /// let program = File::open("/proc/self/exe").await?;
    /// let ranges = [16..18, 0..4, 1_000_000..1_000_100];
    /// let parts = program.read_ranges(&ranges, Merge::default()).await?;
    /// assert_eq!(&parts[1], b"\x7fELF");
    /// assert_eq!(parts.reads(), 2, "the first two share one");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn read_ranges(
        &self,
        ranges: &[Range<u64>],
        merge: Merge,
    ) -> io::Result<Ranges<Vec<u8>>> {
        read(self, ranges, (merge, 1), |bytes| Ok(Vec::with_capacity(bytes))).await
    }
}

/// What was read for the ranges of [`File::read_ranges`]: by index, in the order in which they were
/// given. A range that reaches behind the end of the file is shorter than it was asked for.
pub struct Ranges<B = Vec<u8>> {
    reads: Vec<Chunk<B>>,
    /// For each range, which read has it and where.
    places: Vec<Place>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    read: usize,
    begin: usize,
    len: usize,
}

impl<B: AsRef<[u8]>> Ranges<B> {
    /// The bytes of a range; `None` if there were not so many ranges.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let Place { read, begin, len } = *self.places.get(index)?;
        let bytes: &[u8] = self.reads.get(read).map_or(&[], |chunk| chunk);
        let begin = begin.min(bytes.len());
        Some(&bytes[begin..bytes.len().min(begin + len)])
    }

    /// The bytes of each range.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// How many ranges there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is no range.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How many reads served them.
    #[must_use]
    pub fn reads(&self) -> usize {
        self.reads.len()
    }
}

impl<B: AsRef<[u8]>> std::ops::Index<usize> for Ranges<B> {
    type Output = [u8];

    fn index(&self, index: usize) -> &[u8] {
        self.get(index).expect("there is a range of that number")
    }
}

impl<B> fmt::Debug for Ranges<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ranges")
            .field("ranges", &self.places.len())
            .field("reads", &self.reads.len())
            .finish()
    }
}

/// Reads the ranges, each read beginning and ending with a block.
pub(super) async fn read<B: IoBufMut>(
    file: &File,
    ranges: &[Range<u64>],
    (merge, block_bytes): (Merge, u64),
    make: impl Fn(usize) -> io::Result<B>,
) -> io::Result<Ranges<B>> {
    let (spans, places) = plan(ranges, merge, block_bytes)?;
    let handle = file.handle();
    let mut done: Vec<Option<Chunk<B>>> = spans.iter().map(|_| None).collect();
    let mut reads: Vec<(usize, Fill<B>)> = Vec::with_capacity(spans.len().min(DEPTH));
    let mut left = spans.iter().enumerate();
    poll_fn(|cx| {
        loop {
            let mut ended = false;
            let mut at = 0;
            while at < reads.len() {
                let (index, fill) = &mut reads[at];
                match fill.poll(cx, block_bytes as usize) {
                    Poll::Pending => at += 1,
                    Poll::Ready(read) => {
                        done[*index] = Some(read?.0);
                        reads.swap_remove(at);
                        ended = true;
                    }
                }
            }
            let begun = reads.len();
            for (index, span) in left.by_ref().take(DEPTH - begun) {
                let bytes = (span.end - span.start) as usize;
                let fill = Fill::new(handle, make(bytes)?, (span.start, bytes, bytes));
                reads.push((index, fill));
            }
            if reads.is_empty() {
                return Poll::Ready(io::Result::Ok(()));
            }
            if reads.len() == begun && !ended {
                return Poll::Pending;
            }
        }
    })
    .await?;
    Ok(Ranges { reads: done.into_iter().flatten().collect(), places })
}

/// Which spans are read, and where in them each range is.
fn plan(
    ranges: &[Range<u64>],
    merge: Merge,
    block_bytes: u64,
) -> io::Result<(Vec<Range<u64>>, Vec<Place>)> {
    for range in ranges {
        check(range)?;
    }
    let mut order: Vec<usize> = (0..ranges.len()).filter(|&at| !ranges[at].is_empty()).collect();
    order.sort_by_key(|&at| (ranges[at].start, ranges[at].end));
    let nowhere = Place { read: usize::MAX, begin: 0, len: 0 };
    let (mut spans, mut places) = (Vec::<Range<u64>>::new(), vec![nowhere; ranges.len()]);
    for at in order {
        let range = &ranges[at];
        let start = range.start - range.start % block_bytes;
        let end = range.end.next_multiple_of(block_bytes);
        let shared = spans.last_mut().filter(|last| {
            let whole = last.end.max(end) - last.start;
            let fits = end <= last.end || whole <= merge.read_bytes_max as u64;
            fits && start <= last.end.saturating_add(merge.gap_bytes)
        });
        match shared {
            Some(last) => last.end = last.end.max(end),
            None => spans.push(start..end),
        }
        let read = spans.len() - 1;
        let begin = (range.start - spans[read].start) as usize;
        places[at] = Place { read, begin, len: (range.end - range.start) as usize };
    }
    Ok((spans, places))
}

fn check(range: &Range<u64>) -> io::Result<()> {
    let invalid = |what: &str| {
        let Range { start, end } = range;
        Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{start}..{end}: {what}")))
    };
    if range.start > range.end {
        return invalid("a range ends where it begins or behind");
    }
    if range.end > i64::MAX as u64 {
        return invalid("a file offset is below 2^63");
    }
    if range.end - range.start > RANGE_BYTES_MAX {
        return invalid("a range has 2^40 bytes at most");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
