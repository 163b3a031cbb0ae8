//! A core made of the structures that threads share, without tasks, and the bound of all models.

use annulus_task::handshake::{Bell, Handshake};
use annulus_task::inbox::{Inbox, NIL, Remote};
use annulus_task::posts::{Job, Posts};
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use loom::sync::{Arc, Condvar, Mutex};

/// What a bell makes readable and a sleeping core reads. (loom's `Notify` returns spuriously, which
/// would hide how often a sleep is rung.)
pub struct Eventfd {
    readable: Mutex<bool>,
    changed: Condvar,
}

impl Eventfd {
    pub fn new() -> Self {
        Self { readable: Mutex::new(false), changed: Condvar::new() }
    }

    pub fn write(&self) {
        *self.readable.lock().unwrap() = true;
        self.changed.notify_one();
    }

    pub fn read(&self) {
        let mut readable = self.readable.lock().unwrap();
        while !*readable {
            readable = self.changed.wait(readable).unwrap();
        }
        *readable = false;
    }
}

/// A core with two tasks, as its registry slot has it.
pub struct Core {
    pub inbox: Inbox,
    pub posts: Posts,
    pub handshake: Handshake,
    pub remotes: [Remote; 3],
    eventfd: Eventfd,
    pub rung: AtomicUsize,
    /// The bell must not be rung any more.
    pub gone: AtomicBool,
    pub written: [AtomicBool; 2],
    /// What the word of the bell names: ringers use it, and the owner when no ringer can be left.
    pub named: loom::cell::Cell<u8>,
}

// SAFETY: every field but `named` is `Sync`; that nobody uses `named` while another thread writes
// it is what loom checks, and reports if it is not so.
unsafe impl Sync for Core {}

fn ring(word: u64) {
    // SAFETY: the word is the address of the model's core, which outlives its threads.
    let core = unsafe { &*std::ptr::with_exposed_provenance::<Core>(word as usize) };
    assert!(!core.gone.load(Relaxed), "a bell was rung after it had been taken away");
    let _used = core.named.get();
    core.rung.fetch_add(1, Relaxed);
    core.eventfd.write();
}

impl Core {
    pub fn new() -> Arc<Self> {
        let core = Arc::new(Self {
            inbox: Inbox::new(),
            posts: Posts::new(),
            handshake: Handshake::new(),
            remotes: [Remote::new(), Remote::new(), Remote::new()],
            eventfd: Eventfd::new(),
            rung: AtomicUsize::new(0),
            gone: AtomicBool::new(false),
            written: [AtomicBool::new(false), AtomicBool::new(false)],
            named: loom::cell::Cell::new(0),
        });
        core.handshake.set_bell(Some(core.bell()));
        core
    }

    pub fn bell(&self) -> Bell {
        Bell { ring, word: std::ptr::from_ref(self).expose_provenance() as u64 }
    }

    /// As `Slot::wake`.
    pub fn wake(&self, index: u32, generation: u32) {
        let remote = &self.remotes[index as usize];
        if remote.generation() == generation && self.inbox.send(index, remote) {
            self.handshake.knock();
        }
    }

    /// As `post`.
    pub fn post(&self, job: impl FnOnce() + Send + 'static) -> Result<(), Job> {
        self.posts.push(Job::new(1, job))?;
        self.handshake.knock();
        Ok(())
    }

    /// As `Local::receive`.
    pub fn receive(&self) -> Vec<u32> {
        let mut received = Vec::new();
        let mut index = self.inbox.take(|index| &self.remotes[index as usize]);
        while index != NIL {
            received.push(index);
            index = self.remotes[index as usize].receive();
        }
        received
    }

    pub fn is_idle(&self) -> bool {
        self.inbox.is_empty() && self.posts.is_empty()
    }

    /// As `Executor::sleep`. True if it blocked.
    pub fn sleep(&self) -> bool {
        self.handshake.announce();
        let blocks = self.is_idle();
        if blocks {
            self.eventfd.read();
        }
        self.handshake.withdraw();
        blocks
    }
}

/// Explores a model with up to three preemptions of threads that could go on.
pub fn model(body: impl Fn() + Sync + Send + 'static) {
    model_with(3, body);
}

/// As [`model`], with another bound.
pub fn model_with(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.check(body);
}
