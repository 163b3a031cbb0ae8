//! A stretch of the program's memory that the kernel owns for the time of a request.
//!
//! Owns: copying in and out. Does not own: the memory. Invariant: see the parent module.

use core::mem::MaybeUninit;

/// An address and a length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    addr: u64,
    len: u32,
}

/// What stood in a span before the kernel wrote a pattern there; perhaps nothing at all.
pub(crate) struct Saved(Vec<MaybeUninit<u8>>);

impl core::fmt::Debug for Saved {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Saved({} bytes)", self.0.len())
    }
}

impl Span {
    /// # Safety
    /// * As long as the result is used, `len` bytes at `addr` are valid for what it is used for:
    ///   reads of initialised bytes, or writes; or `addr` is 0.
    /// * The provenance of a pointer to them was exposed.
    pub(super) unsafe fn new(addr: u64, len: u32) -> Self {
        Self { addr, len }
    }

    pub(crate) fn len(self) -> u32 {
        self.len
    }

    /// Whether there can be no memory: what the kernel finds out when it copies (EFAULT).
    pub(crate) fn is_fault(self) -> bool {
        self.addr == 0 && self.len > 0
    }

    /// The part that starts `from` bytes in, `len` bytes long or as long as there is.
    pub(crate) fn part(self, from: u32, len: u32) -> Self {
        let from = from.min(self.len);
        Self { addr: self.addr + u64::from(from), len: len.min(self.len - from) }
    }

    /// Copies the bytes out.
    pub(crate) fn read(self) -> Vec<u8> {
        let len = self.len as usize;
        let mut bytes = vec![0; len];
        if len > 0 {
            // SAFETY: readable and initialised, as `new` demands; the vector is as long, and new.
            unsafe { core::ptr::copy_nonoverlapping(self.pointer(), bytes.as_mut_ptr(), len) };
        }
        bytes
    }

    /// Copies bytes to the start.
    pub(crate) fn write(self, bytes: &[u8]) {
        assert!(bytes.len() <= self.len as usize, "the kernel never writes past a buffer");
        if !bytes.is_empty() {
            let to = self.pointer_mut();
            // SAFETY: writable, as `new` demands, and long enough; the source is ours.
            unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        }
    }

    /// Writes one byte everywhere.
    pub(crate) fn fill(self, byte: u8) {
        if self.len > 0 {
            // SAFETY: writable, as `new` demands.
            unsafe { self.pointer_mut().write_bytes(byte, self.len as usize) };
        }
    }

    /// Whether one byte stands everywhere, in memory that was filled with one.
    pub(crate) fn is_filled_with(self, byte: u8) -> bool {
        if self.len == 0 {
            return true;
        }
        // SAFETY: readable as `new` demands, and initialised by whoever filled it; nobody writes
        // during this borrow, because all of this happens within one call of the program.
        let bytes = unsafe { core::slice::from_raw_parts(self.pointer(), self.len as usize) };
        bytes.iter().all(|there| *there == byte)
    }

    /// Keeps what is there, initialised or not.
    pub(crate) fn save(self) -> Saved {
        let len = self.len as usize;
        let mut bytes = vec![MaybeUninit::uninit(); len];
        if len > 0 {
            let from = self.pointer().cast::<MaybeUninit<u8>>();
            // SAFETY: valid memory, as `new` demands; `MaybeUninit` needs no initialised bytes.
            unsafe { core::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), len) };
        }
        Saved(bytes)
    }

    /// Puts back what was saved, from byte `from` on.
    pub(crate) fn restore(self, saved: &Saved, from: u32) {
        let rest = saved.0.get(from as usize..).unwrap_or(&[]);
        let to = self.part(from, self.len);
        debug_assert_eq!(rest.len(), to.len as usize, "a span is restored from its own copy");
        if !rest.is_empty() {
            let at = to.pointer_mut().cast::<MaybeUninit<u8>>();
            // SAFETY: writable, as `new` demands, and as long as what was saved of it.
            unsafe { core::ptr::copy_nonoverlapping(rest.as_ptr(), at, rest.len()) };
        }
    }

    fn pointer(self) -> *const u8 {
        core::ptr::with_exposed_provenance(self.addr as usize)
    }

    fn pointer_mut(self) -> *mut u8 {
        core::ptr::with_exposed_provenance_mut(self.addr as usize)
    }
}
