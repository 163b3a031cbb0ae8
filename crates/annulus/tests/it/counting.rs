//! Instruments: a kernel that counts the calls to the real one, and an allocator that counts for
//! each thread and sees what is freed.
//!
//! Owns the unsafe code of these instruments, which only passes calls on.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use annulus_ring::abi::{EnterFlags, Errno, Params, SetupFlags};
use annulus_ring::{AnyKernel, Enter, Kernel as _, Layer, Real, RingMemory};

/// What a runtime asked of its kernel.
#[derive(Default)]
pub struct Calls {
    pub enters: AtomicU64,
    /// Reads of the clock: no system calls, but not free.
    pub clock: AtomicU64,
    pub others: AtomicU64,
    /// The error with which every enter is refused from now on, or 0; the same for sleeps on a
    /// word.
    pub enter_errno: AtomicI32,
    pub word_errno: AtomicI32,
    /// Enters that may sleep, and those of them that are no I/O wait.
    waits: AtomicU64,
    waits_without_iowait: AtomicU64,
}

impl Calls {
    /// `(enters that may sleep, those of them that are no I/O wait)`.
    pub fn waits(&self) -> (u64, u64) {
        // ORDERING: SeqCst, as in `now`.
        let read = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        (read(&self.waits), read(&self.waits_without_iowait))
    }

    /// `(enters, readings of the clock, others)`.
    pub fn now(&self) -> (u64, u64, u64) {
        // ORDERING: SeqCst; counters of a test, no other memory depends on them.
        let read = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        (read(&self.enters), read(&self.clock), read(&self.others))
    }
}

/// The real kernel, with a count of what is asked of it.
struct Counting {
    real: Real,
    calls: Arc<Calls>,
    /// Setup flags that are refused, and how.
    refused: Option<(SetupFlags, i32)>,
}

/// Makes kernels that count into `calls`.
pub fn counting(calls: &Arc<Calls>) -> impl Fn() -> AnyKernel + Send + Sync + 'static {
    let calls = calls.clone();
    move || {
        let (real, calls) = (Real::new(), calls.clone());
        AnyKernel::Dyn(Box::new(Counting { real, calls, refused: None }))
    }
}

/// A kernel that refuses some setup flags.
pub fn refusing(flags: SetupFlags, errno: i32) -> AnyKernel {
    let (real, calls) = (Real::new(), Arc::default());
    AnyKernel::Dyn(Box::new(Counting { real, calls, refused: Some((flags, errno)) }))
}

fn count(counter: &AtomicU64) {
    // ORDERING: SeqCst, as in `Calls::now`.
    counter.fetch_add(1, Ordering::SeqCst);
}

fn refused(errno: &AtomicI32) -> Result<(), Errno> {
    // ORDERING: SeqCst; a switch of a test, no other memory depends on it.
    match errno.load(Ordering::SeqCst) {
        0 => Ok(()),
        errno => Err(Errno(errno)),
    }
}

// SAFETY: every call that is not refused before it has done anything goes to the real kernel.
unsafe impl Layer for Counting {
    type Inner = Real;

    fn inner(&self) -> &Real {
        &self.real
    }

    fn inner_mut(&mut self) -> &mut Real {
        count(&self.calls.others);
        &mut self.real
    }

    fn setup(&mut self, entries: u32, params: &mut Params) -> Result<RingMemory, Errno> {
        if let Some((_, errno)) = self.refused.filter(|(flags, _)| params.flags.intersects(*flags))
        {
            return Err(Errno(errno));
        }
        self.inner_mut().setup(entries, params)
    }

    unsafe fn enter(&mut self, call: Enter) -> Result<u32, Errno> {
        count(&self.calls.enters);
        refused(&self.calls.enter_errno)?;
        if call.flags.contains(EnterFlags::GETEVENTS) && call.min_complete > 0 {
            count(&self.calls.waits);
            if call.flags.contains(EnterFlags::NO_IOWAIT) {
                count(&self.calls.waits_without_iowait);
            }
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { self.real.enter(call) }
    }

    fn wait_on_word(&mut self, word: &AtomicU32, expected: u32) -> Result<(), Errno> {
        count(&self.calls.others);
        refused(&self.calls.word_errno)?;
        self.real.wait_on_word(word, expected)
    }

    fn now(&self) -> u64 {
        count(&self.calls.clock);
        self.real.now()
    }
}

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<i64> = const { Cell::new(0) };
}

/// Allocations of the calling thread so far.
pub fn allocations() -> u64 {
    ALLOCATIONS.get()
}

/// Bytes that the calling thread has allocated and not freed.
pub fn bytes() -> i64 {
    BYTES.get()
}

/// Places in memory that somebody watches: an address, or 0, and whether its block was freed.
static WATCHED: [(AtomicUsize, AtomicBool); 8] =
    [const { (AtomicUsize::new(0), AtomicBool::new(false)) }; 8];

/// Whether any place is watched at all.
static WATCHES: AtomicUsize = AtomicUsize::new(0);

/// Sees whether the block that an address is in is given back to the allocator, on any thread.
pub struct FreeWatch(&'static (AtomicUsize, AtomicBool));

impl FreeWatch {
    /// Watches the block that this address is in; it is there still.
    pub fn new(address: usize) -> Self {
        // ORDERING: SeqCst, here and below; flags of a test.
        WATCHES.fetch_add(1, Ordering::SeqCst);
        let is_free = |place: &&(AtomicUsize, AtomicBool)| {
            place.0.compare_exchange(0, address, Ordering::SeqCst, Ordering::SeqCst).is_ok()
        };
        let place = WATCHED.iter().find(is_free).expect("few places are watched at a time");
        // ORDERING: as above.
        place.1.store(false, Ordering::SeqCst);
        Self(place)
    }

    pub fn is_freed(&self) -> bool {
        // ORDERING: as above.
        self.0.1.load(Ordering::SeqCst)
    }
}

impl Drop for FreeWatch {
    fn drop(&mut self) {
        // ORDERING: as above.
        self.0.0.store(0, Ordering::SeqCst);
        // ORDERING: as above.
        WATCHES.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Tells whoever watches a place in this block that it is being freed.
fn tell_freed(block: *mut u8, bytes: usize) {
    // ORDERING: as above.
    if WATCHES.load(Ordering::SeqCst) == 0 {
        return;
    }
    let block = block.addr()..block.addr() + bytes;
    for (address, freed) in &WATCHED {
        // ORDERING: as above.
        if block.contains(&address.load(Ordering::SeqCst)) {
            // ORDERING: as above.
            freed.store(true, Ordering::SeqCst);
        }
    }
}

/// The allocator of the test binary.
pub struct Allocator;

fn note(freed: usize, allocated: usize) {
    // A thread that is ending has no counter any more.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + u64::from(allocated > 0)));
    let _ = BYTES.try_with(|bytes| bytes.set(bytes.get() + allocated as i64 - freed as i64));
}

// SAFETY: every call goes to the system's allocator.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(0, layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(0, layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, old: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        note(layout.size(), bytes);
        tell_freed(old, layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(old, layout, bytes) }
    }
    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        note(layout.size(), 0);
        tell_freed(old, layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(old, layout) }
    }
}
