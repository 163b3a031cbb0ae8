//! A ball between two threads, each with a ring that waits on an eventfd of its own: the least that
//! waking a core which sleeps in its ring can take.
//!
//! Owns: the threads, the words that the ball's number is written to. Invariant: the number that
//! comes back is the one that was sent, plus one.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use annulus_ring::abi::SqeFlags;
use annulus_ring::op::Read;
use annulus_ring::{Kernel as _, Ring, Target};

use crate::{Job, Sample, wrong};

/// The number that tells the other thread to end.
const END: u64 = u64::MAX;

/// What the two threads share: the number of the ball, and their bells.
struct Court {
    number: AtomicU64,
    bells: [AtomicI32; 2],
}

struct Player {
    ring: Ring,
    side: usize,
    /// Leaked: the kernel writes to it while the read is armed.
    count: *mut u64,
    court: Arc<Court>,
}

impl Player {
    fn new(side: usize, court: &Arc<Court>) -> io::Result<Self> {
        let mut ring = super::builder().entries(8).build()?;
        let bell = ring.kernel().eventfd()?;
        let count = Box::leak(Box::new(0));
        let mut player = Self { ring, side, count, court: court.clone() };
        // ORDERING: Release, pairs with the Acquire of the other side's `other_bell`.
        court.bells[side].store(bell, Ordering::Release);
        player.arm(bell)?;
        Ok(player)
    }

    fn arm(&mut self, bell: i32) -> io::Result<()> {
        let read = Read { target: Target::Fd(bell), addr: self.count.cast(), len: 8, offset: 0 };
        // SAFETY: leaked memory that nothing else uses.
        unsafe { super::push(&mut self.ring, &read, 0, SqeFlags::EMPTY) }
    }

    fn other_bell(&self) -> i32 {
        loop {
            // ORDERING: Acquire, pairs with the Release in `new`.
            let bell = self.court.bells[1 - self.side].load(Ordering::Acquire);
            if bell >= 0 {
                return bell;
            }
            std::thread::yield_now();
        }
    }

    fn throw(&self, number: u64, bell: i32) {
        // ORDERING: Release, pairs with the Acquire in `catch`; the bell's write orders as well.
        self.court.number.store(number, Ordering::Release);
        let one = 1_u64;
        // SAFETY: writes 8 readable bytes.
        unsafe { libc::write(bell, (&raw const one).cast(), 8) };
    }

    fn catch(&mut self, own_bell: i32) -> io::Result<u64> {
        loop {
            super::wait(&mut self.ring, None)?;
            if self.ring.completions().count() > 0 {
                self.arm(own_bell)?;
                // ORDERING: Acquire, pairs with the Release in `throw`.
                return Ok(self.court.number.load(Ordering::Acquire));
            }
        }
    }

    fn own_bell(&self) -> i32 {
        // ORDERING: Relaxed; this thread has stored it.
        self.court.bells[self.side].load(Ordering::Relaxed)
    }
}

/// One thread throws, the other throws back.
///
/// # Errors
/// A ring is refused, or fails; the wrong number came back.
pub fn run(job: &Job) -> io::Result<Sample> {
    let none = || AtomicI32::new(-1);
    let court = Arc::new(Court { number: AtomicU64::new(0), bells: [none(), none()] });
    let (theirs, there) = (court.clone(), job.clone());
    let other = std::thread::spawn(move || -> io::Result<()> {
        there.pin_other()?;
        let mut player = Player::new(1, &theirs)?;
        let (own, bell) = (player.own_bell(), player.other_bell());
        loop {
            match player.catch(own)? {
                END => return Ok(()),
                number => player.throw(number + 1, bell),
            }
        }
    });
    let mut player = Player::new(0, &court)?;
    let (own, bell) = (player.own_bell(), player.other_bell());
    let meter = job.meter();
    let mut number = 0;
    loop {
        player.throw(number, bell);
        let back = player.catch(own)?;
        if back != number + 1 {
            return Err(wrong("another number came back"));
        }
        number = back;
        if !meter.tick() {
            break;
        }
    }
    player.throw(END, bell);
    other.join().map_err(|_| wrong("the other thread panicked"))??;
    meter.sample()
}
