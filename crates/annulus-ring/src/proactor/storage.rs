//! Memory for one value of any type.
//!
//! Owns: [`Storage`], and where in it a value lies. Does not own: which value lies there, which its
//! user knows. Invariant: a value that is put there does not move until it is taken.

use core::mem::MaybeUninit;

/// Bytes of a value that lies in the storage itself; a larger one is boxed.
pub const INLINE_BYTES: usize = 192;

/// Room for one value of any type.
#[repr(C, align(16))]
pub struct Storage(MaybeUninit<[u8; INLINE_BYTES]>);

/// Whether values of this type need no memory of their own.
const fn is_inline<T>() -> bool {
    size_of::<T>() <= INLINE_BYTES && align_of::<T>() <= align_of::<Storage>()
}

impl Storage {
    pub(super) fn empty() -> Self {
        Self(MaybeUninit::uninit())
    }
}

/// Puts a value there.
///
/// # Safety
/// * `place` is the caller's alone, and empty.
pub(super) unsafe fn put<T>(place: *mut Storage, value: T) {
    if is_inline::<T>() {
        // SAFETY: the place is the caller's, and large and aligned enough.
        unsafe { place.cast::<T>().write(value) };
    } else {
        let boxed = Box::into_raw(Box::new(value));
        // SAFETY: the place is the caller's, and large and aligned enough for a pointer.
        unsafe { place.cast::<*mut T>().write(boxed) };
    }
}

/// Where the value lies.
///
/// # Safety
/// * A `T` was put there and not taken, and nobody else works on the place.
pub(super) unsafe fn at<T>(place: *mut Storage) -> *mut T {
    if is_inline::<T>() {
        place.cast()
    } else {
        // SAFETY: the caller says that a `T` was put there, so there is the pointer to it.
        unsafe { place.cast::<*mut T>().read() }
    }
}

/// Takes the value out, after which the place is empty.
///
/// # Safety
/// * As for [`at`].
pub(super) unsafe fn take<T>(place: *mut Storage) -> T {
    // SAFETY: the caller's promise is passed on.
    let at = unsafe { at::<T>(place) };
    if is_inline::<T>() {
        // SAFETY: the value lies there, and nobody looks at it there any more.
        unsafe { at.read() }
    } else {
        // SAFETY: the pointer is that of the box which `put` made, and is used for the last time.
        *unsafe { Box::from_raw(at) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
