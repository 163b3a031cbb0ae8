//! One value for a process, and a free lock for its children.

use super::*;

static COUNT: ForkLock<u32> = ForkLock::new(|| 7);

#[test]
fn all_threads_have_one_value_and_a_child_of_a_holder_has_its_own() {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| *COUNT.lock() += 1);
        }
    });
    let held = COUNT.lock();
    assert_eq!(*held, 11);
    // SAFETY: the child only takes the lock, which allocates, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let value = *COUNT.lock();
        // SAFETY: ends this process at once.
        unsafe { libc::_exit(i32::from(value != 7)) };
    }
    let mut status = 0;
    // SAFETY: `status` is a place to write to.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0, "the child found the value of its parent");
}
