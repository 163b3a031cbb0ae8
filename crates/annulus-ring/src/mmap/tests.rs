//! Mappings and forked children.

use super::*;

const PAGE: usize = 4096;

/// Forks; the child exits with what `child` returns. Returns the child's wait status.
fn in_child(child: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child only makes system calls, touches memory, and exits.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        let code = child();
        // SAFETY: ends the child without running the parent's destructors.
        unsafe { libc::_exit(code) };
    }
    let mut status = -1;
    // SAFETY: our own child, and a valid pointer.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    status
}

#[test]
fn a_child_that_drops_a_mapping_leaves_alone_what_is_there_now() {
    let mapping = Mapping::anonymous(PAGE).unwrap();
    let start = mapping.start().as_ptr();
    let mut mapping = Some(mapping);
    let status = in_child(|| {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
        // SAFETY: NOREPLACE never overwrites a mapping; it succeeds because ours was not inherited.
        let now = unsafe { libc::mmap(start.cast(), PAGE, access, flags, -1, 0) };
        if now != start.cast() {
            return 1;
        }
        drop(mapping.take());
        // SAFETY: mapped just now; if the drop unmapped it, the child dies here.
        unsafe { start.write_volatile(1) };
        0
    });
    assert_eq!(status, 0);
    // SAFETY: the parent's mapping is alive and its own.
    assert_eq!(unsafe { start.read_volatile() }, 0);
}
