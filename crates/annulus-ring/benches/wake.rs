//! How one core should wake another: a read on an eventfd, `MSG_RING` in its three ways, or a wait
//! for a futex.
//!
//! Two threads, each pinned to a CPU and with a ring of its own (`SINGLE_ISSUER`, `DEFER_TASKRUN`),
//! play a ball. Every way, the one who has the ball wakes the other and waits. Prints wall time and
//! CPU time (both threads) per round trip, medians of interleaved rounds.
//!
//! ```sh
//! cargo bench -p annulus-ring --bench wake
//! ```

use std::io;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Instant;

use annulus_ring::abi::{MsgRingFlags, RegisterOp, Sqe, SqeFlags};
use annulus_ring::op::{FutexWait, MsgRing, Op as _, Read, Target};
use annulus_ring::{Kernel as _, Ring};

const BALL: u64 = 1;
const SENT: u64 = 2;
const ROUND_TRIPS: u32 = 50_000;
const ROUNDS: usize = 9;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// write(2) on an eventfd on which the other ring has a read.
    Eventfd,
    /// `MSG_RING`: one submission both throws and waits.
    MsgRing,
    /// `MSG_RING` whose own completion is left out if it succeeds.
    MsgRingQuiet,
    /// `IORING_REGISTER_SEND_MSG_RING`, which needs no ring of the sender's (since 6.13).
    Registered,
    /// `FUTEX_WAIT` in the other ring, woken by futex(2) (since 6.7).
    Futex,
}

/// One player.
struct Player {
    ring: Ring,
    bell: i32,
    count: Box<u64>,
    word: &'static AtomicI32,
}

/// What a player has to know of the other: descriptor of the ring, and of the bell.
struct Address {
    ring: AtomicI32,
    bell: AtomicI32,
    word: AtomicI32,
}

impl Address {
    const fn new() -> Self {
        Self { ring: AtomicI32::new(-1), bell: AtomicI32::new(-1), word: AtomicI32::new(0) }
    }
}

impl Player {
    fn new(word: &'static AtomicI32) -> io::Result<Self> {
        let mut ring = Ring::builder().entries(8).build()?;
        let bell = ring.kernel().eventfd()?;
        Ok(Self { ring, bell, count: Box::new(0), word })
    }

    fn arm_bell(&mut self) {
        let addr = std::ptr::from_mut::<u64>(&mut self.count).cast();
        let read = Read { target: Target::Fd(self.bell), addr, len: 8, offset: 0 };
        // SAFETY: the count lives in a box of this player, which outlives the ring's use.
        unsafe { self.ring.push(&read, BALL) }.expect("the ring has room");
    }

    fn arm_futex(&mut self) {
        let wait = FutexWait {
            futex: self.word.as_ptr().cast(),
            value: 0,
            mask: u64::from(u32::MAX),
            flags: 2 | 128,
        };
        // SAFETY: the word is static.
        unsafe { self.ring.push(&wait, BALL) }.expect("the ring has room");
    }

    fn throw(&mut self, way: Way, other: &Address, ring: i32, bell: i32) {
        if way == Way::Futex {
            // ORDERING: Release, pairs with the kernel's read of the word.
            other.word.store(1, Ordering::Release);
            // SAFETY: the word is valid.
            unsafe { libc::syscall(libc::SYS_futex, other.word.as_ptr(), 129, 1) };
            return;
        }
        if way == Way::Eventfd {
            let one = 1_u64;
            // SAFETY: writes 8 readable bytes.
            unsafe { libc::write(bell, std::ptr::from_ref(&one).cast(), 8) };
            return;
        }
        let op = MsgRing {
            target: Target::Fd(ring),
            user_data: BALL,
            res: 0,
            cqe_flags: None,
            flags: MsgRingFlags::EMPTY,
        };
        if way == Way::Registered {
            let mut sqe = Sqe::default();
            op.encode(&mut sqe);
            // SAFETY: the argument is one valid entry.
            let sent = unsafe {
                annulus_ring::abi::register(
                    u32::MAX,
                    RegisterOp::SEND_MSG_RING.0,
                    std::ptr::from_mut(&mut sqe).cast(),
                    1,
                )
            };
            sent.expect("the kernel has it");
            return;
        }
        // SAFETY: the operation borrows no memory.
        let sqe = unsafe { self.ring.vacant() }.expect("the ring has room");
        op.encode(sqe);
        sqe.user_data = SENT;
        if way == Way::MsgRingQuiet {
            sqe.flags |= SqeFlags::CQE_SKIP_SUCCESS;
        }
    }

    /// Waits for the ball.
    fn catch(&mut self, way: Way) {
        loop {
            let mut caught = false;
            for cqe in self.ring.completions() {
                assert!(
                    cqe.res >= 0 || way == Way::Futex,
                    "{way:?}: {}",
                    io::Error::from_raw_os_error(-cqe.res)
                );
                caught |= cqe.user_data == BALL;
            }
            if caught {
                if way == Way::Eventfd {
                    self.arm_bell();
                }
                if way == Way::Futex {
                    // ORDERING: Relaxed; a ball that comes now ends the next wait at once.
                    self.word.store(0, Ordering::Relaxed);
                    self.arm_futex();
                }
                return;
            }
            let _ = self.ring.submit_and_wait(1, None);
        }
    }
}

fn pin(cpu: usize) {
    // SAFETY: an all-zero set of CPUs is a valid value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is valid; CPUs beyond it are ignored.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the set is valid for its size; 0 is this thread.
    unsafe { libc::sched_setaffinity(0, std::mem::size_of_val(&set), &set) };
}

fn play(way: Way, serves: bool, own: &'static Address, other: &Address) -> io::Result<()> {
    pin(usize::from(serves));
    let mut player = Player::new(&own.word)?;
    if way == Way::Eventfd {
        player.arm_bell();
        let _ = player.ring.submit();
    }
    if way == Way::Futex {
        player.arm_futex();
        let _ = player.ring.submit();
    }
    // ORDERING: Release, pairs with the Acquire load below: the ring exists.
    own.bell.store(player.bell, Ordering::Release);
    // ORDERING: as above.
    own.ring.store(player.ring.fd(), Ordering::Release);
    // ORDERING: Acquire, pairs with the stores above.
    while other.ring.load(Ordering::Acquire) < 0 {
        std::hint::spin_loop();
    }
    // ORDERING: Acquire, as above.
    let (ring, bell) = (other.ring.load(Ordering::Acquire), other.bell.load(Ordering::Acquire));
    for _ in 0..ROUND_TRIPS {
        if serves {
            player.throw(way, other, ring, bell);
            player.catch(way);
        } else {
            player.catch(way);
            player.throw(way, other, ring, bell);
        }
    }
    // The last ball lies in the queue.
    let _ = player.ring.submit();
    // SAFETY: the eventfd belongs to this player.
    unsafe { libc::close(player.bell) };
    Ok(())
}

fn cpu_ns() -> f64 {
    // SAFETY: an all-zero value is valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is a valid place for the result.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    let ns = |time: libc::timeval| time.tv_sec as f64 * 1e9 + time.tv_usec as f64 * 1e3;
    ns(usage.ru_utime) + ns(usage.ru_stime)
}

/// Wall and CPU nanoseconds of a round trip.
fn round(way: Way) -> (f64, f64) {
    let (one, two): (&'static Address, &'static Address) =
        (Box::leak(Box::new(Address::new())), Box::leak(Box::new(Address::new())));
    let (begun, cpu) = (Instant::now(), cpu_ns());
    std::thread::scope(|scope| {
        scope.spawn(|| play(way, true, one, two).expect("io_uring is there"));
        scope.spawn(|| play(way, false, two, one).expect("io_uring is there"));
    });
    let per = |ns: f64| ns / f64::from(ROUND_TRIPS);
    (per(begun.elapsed().as_nanos() as f64), per(cpu_ns() - cpu))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let ways = [Way::Eventfd, Way::MsgRing, Way::MsgRingQuiet, Way::Registered, Way::Futex];
    let mut figures = vec![(Vec::new(), Vec::new()); ways.len()];
    for _ in 0..ROUNDS {
        for (way, (wall, cpu)) in ways.iter().zip(&mut figures) {
            let (wall_ns, cpu_ns) = round(*way);
            wall.push(wall_ns);
            cpu.push(cpu_ns);
        }
    }
    for (way, (wall, cpu)) in ways.iter().zip(figures) {
        let (wall, cpu) = (median(wall) / 1e3, median(cpu) / 1e3);
        println!("{way:?}: {wall:.2} us wall, {cpu:.2} us CPU per round trip");
    }
}
