//! The kernel's hold on the buffer of one request.
//!
//! Owns: the pattern that stands in a buffer while the kernel may write to it, data that is written
//! late, and what a buffer that is sent looked like at first. Does not own: the memory.
//!
//! ```text
//!   taken (saved, poisoned) --put--> written up to n --release--> data | what stood there before
//! ```
//!
//! Invariants: after release the buffer holds the data and, behind it, what it held before; the
//! hold is consumed by release, so nothing is touched afterwards.

use crate::memory::{Saved, Span};

/// What stands in memory that the kernel may write to.
pub(crate) const POISON: u8 = 0xa5;

/// A hold on one buffer.
#[derive(Debug)]
pub(crate) enum Hold {
    /// The kernel will write.
    Receiving(Receiving),
    /// The kernel will read; the sum is that of the bytes when they were handed over.
    Sending { span: Span, sum: u64 },
}

/// A buffer that is received into.
#[derive(Debug)]
pub(crate) struct Receiving {
    span: Span,
    saved: Saved,
    poisoned: bool,
    written: u32,
    /// Data that will be written at release.
    late: Vec<u8>,
}

const FORGED: &str = "a buffer was written to while the kernel received into it";
const CHANGED: &str = "a buffer was changed while the kernel sent it";

impl Hold {
    pub(crate) fn receiving(span: Span, poisoned: bool) -> Self {
        let saved = span.save();
        if poisoned {
            span.fill(POISON);
        }
        Self::Receiving(Receiving { span, saved, poisoned, written: 0, late: Vec::new() })
    }

    pub(crate) fn sending(span: Span) -> Self {
        Self::Sending { span, sum: sum(&span.read()) }
    }

    /// Writes what was received, now or at the very last moment.
    pub(crate) fn put(&mut self, bytes: &[u8], late: bool) -> Result<(), &'static str> {
        let Self::Receiving(hold) = self else {
            panic!("data is put into a buffer that receives");
        };
        if late || !hold.late.is_empty() {
            hold.late.extend_from_slice(bytes);
            return Ok(());
        }
        hold.write(bytes)
    }

    /// Touches the buffer as a device might at any time.
    pub(crate) fn touch(&self) -> Result<(), &'static str> {
        match self {
            Self::Receiving(hold) => {
                let rest = hold.span.part(hold.written, u32::MAX);
                hold.check(rest)?;
                rest.restore(&rest.save(), 0);
                Ok(())
            }
            Self::Sending { span, sum: before } if sum(&span.read()) != *before => Err(CHANGED),
            Self::Sending { .. } => Ok(()),
        }
    }

    /// Writes what is late, and leaves the rest as it was before.
    pub(crate) fn release(self) -> Result<(), &'static str> {
        self.touch()?;
        if let Self::Receiving(mut hold) = self {
            let late = core::mem::take(&mut hold.late);
            hold.write(&late)?;
            hold.span.restore(&hold.saved, hold.written);
        }
        Ok(())
    }
}

impl Receiving {
    fn write(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        let part = self.span.part(self.written, bytes.len() as u32);
        self.check(part)?;
        part.write(bytes);
        self.written += bytes.len() as u32;
        Ok(())
    }

    fn check(&self, part: Span) -> Result<(), &'static str> {
        if self.poisoned && !part.is_filled_with(POISON) { Err(FORGED) } else { Ok(()) }
    }
}

fn sum(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}
