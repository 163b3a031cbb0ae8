//! Signals: a handler that counts them, and an eventfd by which cores hear of it.
//!
//! ```text
//!   signal --> handler: counts[signal] += 1, write(eventfd of the signal), the handler before ours
//!                                                |
//!                      every listener's poll of a duplicate of it --> looks at the count
//! ```
//!
//! A handler, and no signalfd(2): that would need the signal to be blocked in every thread,
//! also in those that were started before, and those of libraries; a handler runs on whichever
//! thread has it not blocked. Nobody reads the eventfds: each write is news to each poll, and what
//! counts is the count. So any number of listeners, on any number of cores, see each signal, and a
//! forked child that shares the eventfd changes nobody's count.
//!
//! | who listens | the second signal, if nobody has listened again by then |
//! |---|---|
//! | a [`Signal`](crate::signal::Signal), now or ever | is counted as the first was |
//! | threads that wait for the end of a server only ([`Exits`]) | does what it did before there was a handler: mostly, it ends the process |
//!
//! Owns: the handlers, counts and eventfds, which stay until the process ends. Does not own: who
//! listens. Invariants: the handler touches atomics and makes calls of signal-safety(7) and nothing
//! else of ours; a place is complete before its handler is installed, and never changed after but
//! for its count and its manner.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU8, AtomicU64, Ordering};

use annulus_task::ForkLock;
use rustix::buffer::spare_capacity;
use rustix::event::epoll;

use super::Owned;

/// Numbers of signals are below this.
const SIGNALS: usize = 65;

/// What there is of one signal.
struct Place {
    count: AtomicU64,
    /// -1 while nobody has listened.
    eventfd: AtomicI32,
    /// What the signal did before.
    before: AtomicPtr<libc::sigaction>,
    /// What becomes of the next one.
    manner: AtomicU8,
}

/// Each one is counted.
const COUNTED: u8 = 0;
/// The next one is counted, and no other.
const ONCE: u8 = 1;
/// None is counted: they do what they did before.
const AS_BEFORE: u8 = 2;

static PLACES: [Place; SIGNALS] = [const {
    Place {
        count: AtomicU64::new(0),
        eventfd: AtomicI32::new(-1),
        before: AtomicPtr::new(std::ptr::null_mut()),
        manner: AtomicU8::new(AS_BEFORE),
    }
}; SIGNALS];

/// Held while a handler is installed.
static INSTALLING: ForkLock<()> = ForkLock::new(|| ());

/// Signals that end or break the process before a handler could be of any use: the kernel refuses
/// the first two; a handler that returns from one of the others meets it again.
const FORBIDDEN: [i32; 6] =
    [libc::SIGKILL, libc::SIGSTOP, libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE];

/// How many of the signal there were since the first listener.
pub(crate) fn count(signal: i32) -> u64 {
    // ORDERING: Acquire, pairs with the Release of the handler, although nothing is published with
    // it but the count itself.
    PLACES[signal as usize].count.load(Ordering::Acquire)
}

/// Begins to count a signal, if nobody has before. Gives a descriptor that becomes readable with
/// each.
pub(crate) fn listen(signal: i32) -> io::Result<OwnedFd> {
    let refused = |what: String| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    if !(1..SIGNALS as i32).contains(&signal) {
        return refused(format!("{signal} is no signal: their numbers are 1 to {}", SIGNALS - 1));
    }
    if FORBIDDEN.contains(&signal) {
        return refused(format!(
            "signal {signal} cannot be listened to: it cannot be handled, or what caused it would \
             cause it again"
        ));
    }
    // ORDERING: Relaxed; an eventfd orders nothing that the handler reads with it.
    PLACES[signal as usize].manner.store(COUNTED, Ordering::Relaxed);
    eventfd_of(signal)?.try_clone_to_owned()
}

/// The eventfd of a signal, whose handler is installed if it is not yet.
fn eventfd_of(signal: i32) -> io::Result<BorrowedFd<'static>> {
    let place = &PLACES[signal as usize];
    let _installing = INSTALLING.lock();
    // ORDERING: Relaxed; written under the same lock.
    if place.eventfd.load(Ordering::Relaxed) < 0 {
        if let Err(error) = install(signal, place) {
            // ORDERING: Relaxed, twice; under the same lock, and no handler reads it yet.
            let asked = (Ordering::Relaxed, Ordering::Relaxed);
            let _ = place.manner.compare_exchange(COUNTED, AS_BEFORE, asked.0, asked.1);
            return Err(error);
        }
    }
    // ORDERING: Relaxed; as above.
    let fd = place.eventfd.load(Ordering::Relaxed);
    // SAFETY: an eventfd of a place is never closed.
    Ok(unsafe { BorrowedFd::borrow_raw(fd) })
}

/// A thread that waits, outside of any runtime, for the signals that ask a process to end.
///
/// Each is counted once for it; then it does what it did before, unless somebody else listens to
/// it, or waits for it again.
pub(crate) struct Exits {
    seen: [u64; 2],
    epoll: OwnedFd,
}

impl Exits {
    const SIGNALS: [i32; 2] = [libc::SIGINT, libc::SIGTERM];

    /// Listens from now on, or from where an earlier one of the same server had `seen` them. What
    /// else ends the [wait](Self::wait) is that `other` is readable.
    pub(crate) fn listen(seen: Option<[u64; 2]>, other: BorrowedFd<'_>) -> io::Result<Self> {
        let seen = seen.unwrap_or_else(|| Self::SIGNALS.map(count));
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let data = epoll::EventData::new_u64(0);
        epoll::add(&epoll, other, data, epoll::EventFlags::IN)?;
        for signal in Self::SIGNALS {
            // ORDERING: Relaxed; as in `listen`. Who counts each one goes on.
            let _ = PLACES[signal as usize].manner.compare_exchange(
                AS_BEFORE,
                ONCE,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            // Nobody reads it, so it stays readable: each write is news, though.
            let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
            epoll::add(&epoll, eventfd_of(signal)?, data, flags)?;
        }
        Ok(Self { seen, epoll })
    }

    /// A signal that has come and was not taken.
    pub(crate) fn take(&mut self) -> Option<i32> {
        for (signal, seen) in Self::SIGNALS.into_iter().zip(&mut self.seen) {
            let now = count(signal);
            if std::mem::replace(seen, now) != now {
                return Some(signal);
            }
        }
        None
    }

    /// How many had come when one was taken last.
    pub(crate) fn seen(&self) -> [u64; 2] {
        self.seen
    }

    /// Waits until there may be news.
    pub(crate) fn wait(&self) -> io::Result<()> {
        let mut events = Vec::with_capacity(4);
        match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
            // A signal that this very thread has handled is news.
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn install(signal: i32, place: &Place) -> io::Result<()> {
    // SAFETY: every field is an integer, a set of bits or a nullable address; zero is a value.
    let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: asks only; the place is valid.
    if unsafe { libc::sigaction(signal, std::ptr::null(), &mut before) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: no pointers.
    let eventfd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if eventfd < 0 {
        return Err(io::Error::last_os_error());
    }
    let chained = Box::into_raw(Box::new(before));
    // ORDERING: Release, pairs with the Acquire of the handler: it finds the whole action.
    place.before.store(chained, Ordering::Release);
    // ORDERING: Release; as above, though an integer publishes nothing else.
    place.eventfd.store(eventfd, Ordering::Release);
    // SAFETY: as above.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as extern "C" fn(_, _, _) as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    // What an earlier handler had kept out while it runs, stays out: it is called from ours.
    action.sa_mask = before.sa_mask;
    // SAFETY: the handler does only what signal-safety(7) allows.
    if unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) } < 0 {
        let error = io::Error::last_os_error();
        // ORDERING: Relaxed; no handler was installed, so nobody else looks.
        place.eventfd.store(-1, Ordering::Relaxed);
        // ORDERING: Relaxed; as above.
        place.before.store(std::ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: nobody has seen the number.
        unsafe { libc::close(eventfd) };
        // SAFETY: made above, and nobody has it.
        drop(unsafe { Box::from_raw(chained) });
        return Err(error);
    }
    Ok(())
}

extern "C" fn handler(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the address of a thread-local, which is always valid.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let kept = unsafe { *errno };
    let place = &PLACES[signal as usize % SIGNALS];
    // ORDERING: Relaxed; only which signal is the one counts, and nothing is read because of it.
    let once = place.manner.compare_exchange(ONCE, AS_BEFORE, Ordering::Relaxed, Ordering::Relaxed);
    let is_counted = once != Err(AS_BEFORE);
    if is_counted {
        // ORDERING: Release, pairs with the Acquire of `count`.
        place.count.fetch_add(1, Ordering::Release);
        // ORDERING: Acquire, pairs with the Release of `install`.
        let eventfd = place.eventfd.load(Ordering::Acquire);
        let one = 1_u64;
        // SAFETY: writes 8 readable bytes; the eventfd is never closed. A full one has news
        // already.
        unsafe { libc::write(eventfd, (&raw const one).cast(), 8) };
    }
    // ORDERING: Acquire, pairs with the Release of `install`.
    let before = place.before.load(Ordering::Acquire);
    // SAFETY: null, or from a box that is never dropped.
    if let Some(before) = unsafe { before.as_ref() } {
        if !is_counted && before.sa_sigaction == libc::SIG_DFL {
            end_by_default(signal);
        }
        // SAFETY: the arguments are those that the kernel gave for this signal.
        unsafe { chain(before, signal, info, context) };
    }
    // SAFETY: as above.
    unsafe { *errno = kept };
}

/// Has the system do with a signal what it does by default: mostly it ends the process, but not
/// the first one of a container, which is as before then.
///
/// Several threads may be here at once, and no lock may be taken. The handler is with exactly one
/// of them, the one whose exchange has given it, and that one puts it back. Whoever is given the
/// default has nothing to put back.
fn end_by_default(signal: i32) {
    // SAFETY: every field is an integer, a set of bits or a nullable address; zero is a value, and
    // the default action.
    let default: libc::sigaction = unsafe { std::mem::zeroed() };
    let mut ours = default;
    // SAFETY: both places are valid.
    unsafe { libc::sigaction(signal, &default, &mut ours) };
    // SAFETY: a set of bits.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: a valid set, and a signal that came.
    unsafe { libc::sigaddset(&mut set, signal) };
    // SAFETY: no pointers; async-signal-safe.
    unsafe { libc::raise(signal) };
    // It is blocked while its handler runs.
    // SAFETY: a valid set; the other place is not wanted.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut()) };
    // SAFETY: as above.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) };
    if ours.sa_sigaction != libc::SIG_DFL {
        // SAFETY: the action that the system has just given.
        unsafe { libc::sigaction(signal, &ours, std::ptr::null_mut()) };
    }
}

/// Calls the handler that was there before, if there was one.
///
/// # Safety
/// * The arguments are those of a handler of this signal.
unsafe fn chain(
    before: &libc::sigaction,
    signal: i32,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let address = before.sa_sigaction;
    if address == libc::SIG_DFL || address == libc::SIG_IGN {
        return;
    }
    if before.sa_flags & libc::SA_SIGINFO != 0 {
        type Long = extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);
        // SAFETY: whoever installed it said that it is one of these.
        let call = unsafe { std::mem::transmute::<usize, Long>(address) };
        call(signal, info, context);
    } else {
        // SAFETY: whoever installed it said that it is one of these.
        let call = unsafe { std::mem::transmute::<usize, extern "C" fn(i32)>(address) };
        call(signal);
    }
}

/// Sends a signal to the process of a pidfd.
pub(crate) fn send(pidfd: &Owned, signal: i32) -> io::Result<()> {
    let (fd, info) = (pidfd.live_fd()?, std::ptr::null_mut::<libc::siginfo_t>());
    // SAFETY: no information is given along.
    let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, info, 0) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
