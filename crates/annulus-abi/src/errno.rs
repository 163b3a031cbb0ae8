//! An error number of the kernel, as a positive integer.
//!
//! Owns: [`Errno`], its conversion into [`std::io::Error`], and reading the thread's `errno`. Does
//! not own: names of errors (`libc` has them). Mirrors errno(3).

/// An error number (`errno`), positive, as in errno(3).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Errno(pub i32);

impl Errno {
    /// The calling thread's `errno`.
    #[must_use]
    pub fn last() -> Self {
        // SAFETY: `__errno_location` has no preconditions and returns this thread's own integer.
        let location = unsafe { libc::__errno_location() };
        // SAFETY: the pointer is valid for reads for as long as this thread lives.
        Self(unsafe { *location })
    }

    /// Splits a kernel result (`>= 0` or `-errno`) into a value or an error.
    ///
    /// # Errors
    /// The negated `res` if it is negative.
    pub const fn from_result(res: i32) -> Result<u32, Self> {
        if res < 0 { Err(Self(res.wrapping_neg())) } else { Ok(res as u32) }
    }
}

impl From<Errno> for std::io::Error {
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.0)
    }
}

impl core::fmt::Debug for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Errno({})", self.0)
    }
}

impl core::fmt::Display for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        std::io::Error::from_raw_os_error(self.0).fmt(f)
    }
}

impl std::error::Error for Errno {}

#[cfg(test)]
mod tests;
