//! What a direct file wants of addresses, lengths and offsets.
//!
//! Owns: reading it off statx(2), the checks, and the errors. Mirrors `STATX_DIOALIGN`,
//! `STATX_DIO_READ_ALIGN` and `STATX_WRITE_ATOMIC` of statx(2).

use std::{fmt, io};

/// Nearly every device has blocks of 512 or of 4096 bytes, and what is aligned to the larger is
/// aligned to the smaller.
const FALLBACK: u32 = 4096;
/// Offsets of reads, where they are fewer than those of writes. Since Linux 6.14.
const STATX_DIO_READ_ALIGN: u32 = 0x0002_0000;

/// What is asked of statx(2).
pub(crate) const MASK: u32 = libc::STATX_DIOALIGN | libc::STATX_WRITE_ATOMIC | STATX_DIO_READ_ALIGN;

/// What a direct file wants: each a power of two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[doc(alias = "STATX_DIOALIGN")]
pub struct Alignment {
    /// Addresses of buffers are multiples of this.
    pub memory: u32,
    /// Lengths and offsets of writes are.
    pub offset: u32,
    /// Lengths and offsets of reads are.
    pub read_offset: u32,
    /// Whether the file system has told; else these are numbers that suit nearly all.
    pub is_known: bool,
}

impl Alignment {
    /// Anything goes.
    pub(crate) const NONE: Self = Self { memory: 1, offset: 1, read_offset: 1, is_known: true };

    const GUESSED: Self =
        Self { memory: FALLBACK, offset: FALLBACK, read_offset: FALLBACK, is_known: false };

    /// # Errors
    /// `Unsupported` if the file cannot be read past the page cache.
    pub(crate) fn of(stat: &libc::statx) -> io::Result<Self> {
        if stat.stx_mask & libc::STATX_DIOALIGN == 0 {
            return Ok(Self::GUESSED);
        }
        let (memory, offset) = (stat.stx_dio_mem_align, stat.stx_dio_offset_align);
        if memory == 0 || offset == 0 {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this file cannot be read or written past the page cache: its file system says that \
                 direct I/O does not work on it (STATX_DIOALIGN)",
            ));
        }
        let told = stat.stx_mask & STATX_DIO_READ_ALIGN != 0 && stat.stx_dio_read_offset_align > 0;
        let read_offset = if told { stat.stx_dio_read_offset_align } else { offset };
        Ok(Self { memory, offset, read_offset, is_known: true })
    }

    /// What addresses, lengths and offsets of any request may be multiples of to suit the file.
    #[must_use]
    pub fn block_bytes(&self) -> usize {
        self.memory.max(self.offset).max(self.read_offset) as usize
    }

    /// Why the kernel would refuse this request.
    #[inline]
    pub(crate) fn check(&self, span: Span, writes: bool) -> Option<io::Error> {
        let offset = if writes { self.offset } else { self.read_offset };
        let offset_mask = u64::from(offset) - 1;
        let odd = (span.address as u64 & (u64::from(self.memory) - 1))
            | ((span.offset | span.len as u64) & offset_mask);
        // What moves no byte may come from anywhere.
        if odd == 0 || span.len == 0 { None } else { Some(self.misaligned(span, offset)) }
    }

    #[cold]
    fn misaligned(&self, span: Span, offset: u32) -> io::Error {
        let parts = [
            (Part::Offset, span.offset, offset),
            (Part::Length, span.len as u64, offset),
            (Part::Address, span.address as u64, self.memory),
        ];
        let odd = parts.into_iter().find(|&(_, value, align)| value % u64::from(align) != 0);
        let (part, value, align) = odd.unwrap_or(parts[0]);
        let is_known = self.is_known;
        io::Error::new(io::ErrorKind::InvalidInput, Misaligned { part, value, align, is_known })
    }
}

/// Where a request reads or writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) address: usize,
    pub(crate) len: usize,
    pub(crate) offset: u64,
}

/// What of a request is not aligned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The address of its buffer.
    Address,
    /// How many bytes it is to move.
    Length,
    /// Where in the file it begins.
    Offset,
}

/// Why a request on a [`Direct`](super::Direct) file was refused before the kernel saw it. It is
/// inside the [`io::Error`], of kind `InvalidInput`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Misaligned {
    part: Part,
    value: u64,
    align: u32,
    is_known: bool,
}

impl Misaligned {
    /// What is inside the error of a request that was not aligned; `None` for other errors.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// What was not aligned.
    #[must_use]
    pub fn part(&self) -> Part {
        self.part
    }

    /// What it was.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.value
    }

    /// What it has to be a multiple of.
    #[must_use]
    pub fn required(&self) -> u32 {
        self.align
    }
}

impl fmt::Display for Misaligned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, value, align, is_known } = self;
        match part {
            Part::Address => write!(f, "the buffer at {value:#x} does not begin")?,
            Part::Length => write!(f, "{value} bytes are not")?,
            Part::Offset => write!(f, "offset {value} is not")?,
        }
        let at = if *part == Part::Address { " at" } else { "" };
        write!(f, "{at} a multiple of {align}, as direct I/O on this file needs")?;
        if !is_known {
            f.write_str(" (its file system does not tell: this is what suits nearly all)")?;
        }
        Ok(())
    }
}

impl std::error::Error for Misaligned {}

/// What a device writes all or nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[doc(alias = "STATX_WRITE_ATOMIC")]
pub struct AtomicWrites {
    /// The least bytes of an atomic write.
    pub bytes_min: u32,
    /// The most bytes of one.
    pub bytes_max: u32,
    /// The most pieces of one.
    pub segments_max: u32,
}

impl AtomicWrites {
    pub(crate) fn of(stat: &libc::statx) -> Option<Self> {
        let (bytes_min, bytes_max) =
            (stat.stx_atomic_write_unit_min, stat.stx_atomic_write_unit_max);
        let segments_max = stat.stx_atomic_write_segments_max;
        let told = stat.stx_mask & libc::STATX_WRITE_ATOMIC != 0 && bytes_max > 0;
        told.then_some(Self { bytes_min, bytes_max, segments_max })
    }

    /// Why the kernel would refuse this write, if it is to be atomic.
    pub(crate) fn check(limits: Option<Self>, span: Span) -> Option<io::Error> {
        let Some(Self { bytes_min, bytes_max, .. }) = limits else {
            return Some(io::Error::new(
                io::ErrorKind::Unsupported,
                "no write to this file is atomic: its file system or its device does not offer it \
                 (STATX_WRITE_ATOMIC)",
            ));
        };
        let bytes = span.len as u64;
        let fits = bytes.is_power_of_two()
            && (u64::from(bytes_min)..=u64::from(bytes_max)).contains(&bytes)
            && span.offset % bytes == 0;
        (!fits).then(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "{bytes} bytes at offset {} cannot be written atomically: it takes a power of \
                     two from {bytes_min} to {bytes_max}, at a multiple of itself",
                    span.offset
                ),
            )
        })
    }
}

#[cfg(test)]
mod tests;
