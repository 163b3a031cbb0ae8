//! Children that nobody waits for any more.
//!
//! Owns: the list of them, and the thread that sleeps until one of them ends. The thread belongs to
//! the process and not to a core, because a handle may be dropped on any thread, and after its
//! runtime. A process that was forked from this one has its own: the children here are not its.
//! Invariants: a child in the list is reaped when it ends; there is a thread while there is a child
//! in the list, and one at most.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::Child;
use std::sync::MutexGuard;

use annulus_task::ForkLock;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::child::pidfd_of;

static REAPER: ForkLock<Reaper> = ForkLock::new(|| Reaper { new: Vec::new(), news: None });

struct Reaper {
    /// Children that the thread has not seen yet.
    new: Vec<Orphan>,
    /// What the thread is woken by, if there is one.
    news: Option<OwnedFd>,
}

struct Orphan {
    child: Child,
    /// Missing while the process has no room for a descriptor.
    pidfd: Option<OwnedFd>,
}

fn lock() -> MutexGuard<'static, Reaper> {
    REAPER.lock()
}

/// Reaps a child now if it has ended, else when it does.
pub(super) fn reap(mut child: Child) {
    // An error says that it is nobody's to reap any more.
    if !matches!(child.try_wait(), Ok(None)) {
        return;
    }
    let pidfd = pidfd_of(child.id()).ok();
    let mut reaper = lock();
    reaper.new.push(Orphan { child, pidfd });
    if let Some(news) = &reaper.news {
        let _ = rustix::io::write(news, &1_u64.to_ne_bytes());
        return;
    }
    let Ok(news) = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK) else {
        return;
    };
    let Ok(own) = news.try_clone() else {
        return;
    };
    let started =
        std::thread::Builder::new().name("annulus-reaper".to_owned()).spawn(move || run(&own));
    // Without a thread the next child that comes tries again.
    if started.is_ok() {
        reaper.news = Some(news);
    }
}

fn run(news: &OwnedFd) {
    let mut orphans: Vec<Orphan> = Vec::new();
    loop {
        // Before the look at the list: a child that comes after it is news again.
        let _ = rustix::io::read(news, &mut [0; 8]);
        let mut reaper = lock();
        orphans.append(&mut reaper.new);
        orphans.retain_mut(|orphan| matches!(orphan.child.try_wait(), Ok(None)));
        if orphans.is_empty() {
            reaper.news = None;
            return;
        }
        drop(reaper);
        if sleep(news, &mut orphans).is_err() {
            std::thread::yield_now();
        }
    }
}

/// Sleeps until one of them has ended, or there is a new one; for a second only if one of them
/// cannot be watched.
fn sleep(news: &OwnedFd, orphans: &mut [Orphan]) -> io::Result<()> {
    for orphan in &mut *orphans {
        if orphan.pidfd.is_none() {
            orphan.pidfd = pidfd_of(orphan.child.id()).ok();
        }
    }
    let watched = orphans.iter().filter_map(|orphan| orphan.pidfd.as_ref());
    let mut polled: Vec<PollFd<'_>> = std::iter::once(news)
        .chain(watched)
        .map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN))
        .collect();
    let second = Timespec { tv_sec: 1, tv_nsec: 0 };
    let bound = (polled.len() <= orphans.len()).then_some(&second);
    poll(&mut polled, bound)?;
    Ok(())
}

#[cfg(test)]
mod tests;
