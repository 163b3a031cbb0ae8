//! A buffer whose type is forgotten, kept in the place of the value itself.
//!
//! Owns: the storage of 64 bytes and the table of functions that know the type. Does not own: lists
//! of such buffers ([`Gather`](super::Gather)).
//!
//! Invariant: the storage holds one live value of the type that made the table, from `new` until it
//! is dropped.

use std::fmt;
use std::mem::{MaybeUninit, align_of, size_of};

use super::IoBuf;

/// Bytes of a value that a [`Guard`] holds at most.
const GUARD_BYTES: usize = 64;

/// Any buffer of at most 64 bytes (of handle, not of contents), with its type forgotten.
///
/// It keeps the memory alive that the kernel reads: a `Bytes`, an `Arc<[u8]>`, a `Vec<u8>`, a
/// [`Lease`](super::Lease), a `&'static str`, or a type of yours. The value lies inside, so making
/// one allocates nothing. What is too large or has an alignment above 8 does not compile.
///
/// ```
/// use annulus::buf::{Guard, IoBuf};
///
/// let pieces = [Guard::new("static"), Guard::new(vec![1, 2, 3])];
/// assert_eq!(pieces[0].as_init(), b"static");
/// assert_eq!(pieces[1].as_init(), [1, 2, 3]);
/// ```
///
/// ```compile_fail
/// # use annulus::buf::{Guard, IoBuf};
/// struct Large([usize; 9], &'static [u8]);
/// // SAFETY: bytes of a `static`.
/// unsafe impl IoBuf for Large {
///     fn bytes_ptr(&self) -> *const u8 { self.1.as_ptr() }
///     fn bytes_len(&self) -> usize { self.1.len() }
/// }
/// let _ = Guard::new(Large([0; 9], b"text")); // 88 bytes
/// ```
#[doc(alias = "GuardBox")]
#[doc(alias = "SendGuard")]
pub struct Guard {
    storage: Storage,
    table: &'static Table,
}

/// Room for a value of 64 bytes, aligned as a word.
type Storage = MaybeUninit<[usize; GUARD_BYTES / size_of::<usize>()]>;

/// What is known of the type.
struct Table {
    /// # Safety
    /// * The storage holds a live value of the table's type.
    bytes: unsafe fn(&Storage) -> (*const u8, usize),
    /// # Safety
    /// * As above, and the value is not used any more.
    drop: unsafe fn(&mut Storage),
}

/// # Safety
/// * The storage holds a live `B`.
unsafe fn bytes<B: IoBuf>(storage: &Storage) -> (*const u8, usize) {
    // SAFETY: the caller's promise; `new` has checked size and alignment.
    let value = unsafe { &*storage.as_ptr().cast::<B>() };
    (value.bytes_ptr(), value.bytes_len())
}

/// # Safety
/// * The storage holds a live `B`, which is not used any more.
unsafe fn drop_value<B>(storage: &mut Storage) {
    // SAFETY: the caller's promise.
    unsafe { storage.as_mut_ptr().cast::<B>().drop_in_place() };
}

/// The table of one type.
struct Of<B>(std::marker::PhantomData<B>);

impl<B: IoBuf> Of<B> {
    const TABLE: Table = Table { bytes: bytes::<B>, drop: drop_value::<B> };
}

impl Guard {
    /// Forgets the type of a buffer.
    pub fn new<B: IoBuf + Send + Sync>(buf: B) -> Self {
        const {
            assert!(size_of::<B>() <= GUARD_BYTES, "a guard holds values of at most 64 bytes");
            assert!(align_of::<B>() <= align_of::<Storage>(), "a guard is aligned as a word");
        }
        let mut storage = Storage::uninit();
        // SAFETY: large and aligned enough, as was checked above.
        unsafe { storage.as_mut_ptr().cast::<B>().write(buf) };
        Self { storage, table: &Of::<B>::TABLE }
    }

    fn parts(&self) -> (*const u8, usize) {
        // SAFETY: the table is that of the value that `new` has put there.
        unsafe { (self.table.bytes)(&self.storage) }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // SAFETY: as above, and this is the last use.
        unsafe { (self.table.drop)(&mut self.storage) };
    }
}

// SAFETY: `new` takes only values that are `Send`.
unsafe impl Send for Guard {}
// SAFETY: `new` takes only values that are `Sync`.
unsafe impl Sync for Guard {}

// SAFETY: the value inside keeps the contract, and moving the guard moves the value, which does not
// move its bytes.
unsafe impl IoBuf for Guard {
    fn bytes_ptr(&self) -> *const u8 {
        self.parts().0
    }

    fn bytes_len(&self) -> usize {
        self.parts().1
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("len", &self.bytes_len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
