//! Limits of the process that a server meets.

use std::io;

/// Raises the soft limit of open descriptors to the hard one, and gives both as they were:
/// `(soft, hard)`.
///
/// # Errors
/// Those of getrlimit(2) and setrlimit(2).
///
/// ```
/// let (soft, hard) = annulus::runtime::raise_descriptor_limit()?;
/// assert!(soft <= hard);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn raise_descriptor_limit() -> io::Result<(u64, u64)> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the result.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let before = (limit.rlim_cur, limit.rlim_max);
    if limit.rlim_cur < limit.rlim_max {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: `limit` is a valid value.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(before)
}
