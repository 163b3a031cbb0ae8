//! A forked child reaps its own children, and none of its parent's.

use std::process::{Command, Stdio};

use super::*;
use crate::core::process::tests::in_child;

/// A child that ends when its input does.
fn cat() -> Child {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
}

/// Waits until a child has been reaped by somebody else.
fn wait_until_reaped(pid: u32) {
    let begun = std::time::Instant::now();
    while std::fs::exists(format!("/proc/{pid}")).unwrap() {
        assert!(begun.elapsed().as_secs() < 60, "{pid} is never reaped");
        std::thread::yield_now();
    }
}

#[test]
fn a_child_reaps_although_its_parent_held_the_list_and_inherits_nobody() {
    // The parent has a thread that waits, and a child that it has not seen.
    let mut first = cat();
    let first_input = first.stdin.take();
    reap(first);
    let mut parents = cat();
    let (input, pid) = (parents.stdin.take(), parents.id());
    let mut held = lock();
    held.new.push(Orphan { child: parents, pidfd: None });
    in_child(|| {
        assert!(lock().new.is_empty(), "the child has orphans of its parent");
        assert!(lock().news.is_none(), "the thread stayed in the parent");
        let mut own = cat();
        let (input, pid) = (own.stdin.take(), own.id());
        reap(own);
        assert!(lock().news.is_some(), "nobody waits for it");
        drop(input);
        wait_until_reaped(pid);
    });
    drop(held);
    assert!(std::fs::exists(format!("/proc/{pid}")).unwrap(), "it was reaped before it ended");
    // Another one starts the thread, if none is there, or is news to it.
    let mut other = cat();
    let (others_input, others_pid) = (other.stdin.take(), other.id());
    reap(other);
    drop((first_input, input, others_input));
    wait_until_reaped(pid);
    wait_until_reaped(others_pid);
}
