//! A thread that steps itself, instruction by instruction.
//!
//! Owns: the trap flag of the processor, the handler of its signal, and what the beginning of an
//! x86-64 instruction says: prefixes, exchanges with memory, full fences. Instructions need not be
//! decoded whole, because the processor finds where the next one begins.
//!
//! Invariants: one thread steps at a time; the handler neither allocates nor calls anything.

use std::arch::asm;
use std::ffi::c_int;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use libc::{c_void, siginfo_t, ucontext_t};

/// What an instruction does to other processors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    Plain,
    /// Has a `lock` prefix, or exchanges with memory.
    Locked,
    /// `mfence`, or the locked `or` of nothing to the top of the stack that compilers prefer to it.
    Fence,
}

/// What was stepped.
pub struct Steps {
    pub instructions: u64,
    /// Each locked instruction or fence: address, class, how often it was executed.
    sites: Vec<(u64, Class, u64)>,
}

impl Steps {
    pub fn locked(&self) -> u64 {
        self.count(Class::Locked)
    }

    pub fn fences(&self) -> u64 {
        self.count(Class::Fence)
    }

    fn count(&self, class: Class) -> u64 {
        self.sites.iter().filter(|site| site.1 == class).map(|site| site.2).sum()
    }

    /// Where they are, as addr2line(1) takes them.
    pub fn sites(&self) -> String {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let mut text = String::new();
        for (address, class, times) in &self.sites {
            let (base, file) = mapped(&maps, *address).unwrap_or((0, "?"));
            text +=
                &format!("\n  {times} x {class:?}: addr2line -Cfie {file} {:#x}", address - base);
        }
        text
    }
}

/// Where the file that an address is in begins, and its name.
fn mapped(maps: &str, address: u64) -> Option<(u64, &str)> {
    let range = |line: &str| {
        let (from, to) = line.split_whitespace().next()?.split_once('-')?;
        Some((u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?))
    };
    let inside = |line: &&str| range(line).is_some_and(|(from, to)| (from..to).contains(&address));
    let file = maps.lines().find(inside)?.split_whitespace().nth(5)?;
    let first = maps.lines().find(|line| line.ends_with(file))?;
    Some((range(first)?.0, file))
}

/// Different instructions that can be told apart; the last one stands for all others.
const SITES: usize = 64;

static INSTRUCTIONS: AtomicU64 = AtomicU64::new(0);
static ADDRESSES: [AtomicU64; SITES] = [const { AtomicU64::new(0) }; SITES];
static TIMES: [AtomicU64; SITES] = [const { AtomicU64::new(0) }; SITES];

/// From here on this thread is stepped. The caller lets no other thread do the same.
pub fn begin() {
    static HANDLER: Once = Once::new();
    HANDLER.call_once(|| {
        // SAFETY: zeroes are a valid action.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_flags = libc::SA_SIGINFO;
        let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = on_step;
        action.sa_sigaction = handler as usize;
        // SAFETY: the handler only reads code and counts.
        assert_eq!(unsafe { libc::sigaction(libc::SIGTRAP, &action, std::ptr::null_mut()) }, 0);
    });
    let counters = [&INSTRUCTIONS].into_iter().chain(&ADDRESSES).chain(&TIMES);
    // ORDERING: relaxed, here and below: written and read on one thread.
    counters.for_each(|counter| counter.store(0, Ordering::Relaxed));
    // SAFETY: sets the trap flag, which changes nothing but that each instruction is followed by a
    // signal, which is handled.
    unsafe { asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq") };
}

/// Ends what [`begin`] began.
pub fn end() -> Steps {
    // SAFETY: clears the trap flag.
    unsafe { asm!("pushfq", "and qword ptr [rsp], ~0x100", "popfq") };
    // ORDERING: relaxed; as in `begin`.
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let sites = ADDRESSES.iter().zip(&TIMES).map(|(address, times)| (read(address), read(times)));
    Steps {
        instructions: read(&INSTRUCTIONS),
        sites: sites
            .filter(|site| site.1 > 0)
            // SAFETY: an instruction was executed there.
            .map(|(address, times)| (address, unsafe { classify(address as *const u8) }, times))
            .collect(),
    }
}

/// Before each instruction: it is the one that the interrupted thread executes next.
extern "C" fn on_step(_: c_int, _: *mut siginfo_t, context: *mut c_void) {
    let context = context.cast::<ucontext_t>();
    // SAFETY: the kernel passes the context of the interrupted thread.
    let address = unsafe { (*context).uc_mcontext.gregs[libc::REG_RIP as usize] } as u64;
    // ORDERING: relaxed, here and below; as in `begin`. Loads and stores, because this thread is
    // the only one.
    INSTRUCTIONS.store(INSTRUCTIONS.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    // SAFETY: the thread is about to execute what is there.
    if unsafe { classify(address as *const u8) } == Class::Plain {
        return;
    }
    let mut site = 0;
    while site < SITES - 1 {
        // ORDERING: relaxed; as above.
        let there = ADDRESSES[site].load(Ordering::Relaxed);
        if there == 0 || there == address {
            break;
        }
        site += 1;
    }
    // ORDERING: relaxed; as above.
    ADDRESSES[site].store(address, Ordering::Relaxed);
    // ORDERING: relaxed; as above.
    TIMES[site].store(TIMES[site].load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// What an instruction is, by how it begins (Intel's manual, volume 2, chapters 2 and 3).
///
/// # Safety
/// * An instruction is there. No byte behind it is read.
unsafe fn classify(at: *const u8) -> Class {
    // SAFETY: asked only for bytes that belong to the instruction, by what came before them.
    let byte = |place: usize| unsafe { at.wrapping_add(place).read() };
    let (mut place, mut lock, mut other) = (0, false, false);
    loop {
        match byte(place) {
            0xf0 => lock = true,
            0xf2 | 0xf3 | 0x2e | 0x36 | 0x3e | 0x26 | 0x64 | 0x65 | 0x66 | 0x67 => other = true,
            _ => break,
        }
        place += 1;
    }
    if (0x40..0x50).contains(&byte(place)) {
        place += 1;
    }
    match byte(place) {
        // `or` of a byte to a word at the stack pointer, with or without an offset.
        0x83 if lock && matches!(byte(place + 1), 0x0c | 0x4c) && byte(place + 2) == 0x24 => {
            let offset = usize::from(byte(place + 1) == 0x4c);
            if byte(place + 3 + offset) == 0 { Class::Fence } else { Class::Locked }
        }
        _ if lock => Class::Locked,
        0x86 | 0x87 if byte(place + 1) >> 6 != 3 => Class::Locked,
        0x0f if !other && byte(place + 1) == 0xae && byte(place + 2) >> 3 == 0x1e => Class::Fence,
        _ => Class::Plain,
    }
}
