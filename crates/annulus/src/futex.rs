//! Waiting for a word of memory: futex(2), across threads, and across processes that share memory.
//!
//! A [`Futex`] is a word with the two calls from which locks, events and queues are made: wait
//! while the word has a value, and wake who waits. The wait is a request of the ring, so a task
//! waits and the core goes on; the other side may be a core, a thread or a process that has
//! never heard of this runtime.
//!
//! ```
//! # #[annulus::main]
//! # async fn main() -> std::io::Result<()> {
//! use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
//! use annulus::futex::Futex;
//!
//! let gate = Futex::of_process(Arc::new(AtomicU32::new(0)));
//! let opener = gate.clone();
//! let thread = std::thread::spawn(move || {
//!     opener.store(1, Ordering::Release);
//!     opener.wake(u32::MAX)
//! });
//! while gate.load(Ordering::Acquire) == 0 {
//!     gate.wait(0).await?;
//! }
//! thread.join().expect("it does not panic")?;
//! # Ok(())
//! # }
//! ```
//!
//! A wait may end without a wake, and a wake may have been for a state that is over: look at the
//! word again after each. [`SharedWords`](crate::mem::SharedWords) is memory for words that other
//! processes share.

use std::io;
use std::ops::Deref;
use std::sync::atomic::AtomicU32;

use crate::core::futex_op::{self, Scope, Wait, WaitAny};
use crate::core::op::Op;
use crate::op::{OpExt, Shaped};

pub use crate::core::futex_op::Word;

/// A word that can be waited for; see the [module](self).
#[derive(Clone, Debug)]
pub struct Futex<W: Word> {
    word: W,
    scope: Scope,
}

impl<W: Word> Futex<W> {
    /// A word that threads of this process wait for and wake, and nobody else.
    #[doc(alias = "FUTEX_PRIVATE_FLAG")]
    pub fn of_process(word: W) -> Self {
        Self { word, scope: Scope::Process }
    }

    /// A word that may be in memory which other processes share. Both sides must say so: a wake of
    /// one kind does not reach a wait of the other.
    pub fn of_system(word: W) -> Self {
        Self { word, scope: Scope::System }
    }

    /// Waits until it is woken, if the word is `value` when the wait begins. Gives whether it was
    /// woken; false if the word was something else.
    ///
    /// # Errors
    /// `Unsupported` before Linux 6.7; `InvalidInput` for a word that is not aligned to 4 bytes; if
    /// no runtime runs on this thread.
    ///
    /// # Cancel safety
    /// A wake that came for a future which was dropped is passed on to another waiter of the word.
    ///
    /// # Kernel
    /// `FUTEX_WAIT`, 6.7; armed inline, with the turn's submission: that is when the word is looked
    /// at.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::futex::Futex;
    /// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
    ///
    /// let word = Futex::of_process(Arc::new(AtomicU32::new(0)));
    /// let other = word.clone();
    /// std::thread::spawn(move || {
    ///     other.store(1, Ordering::Release);
    ///     other.wake(1)
    /// });
    /// while word.load(Ordering::Acquire) == 0 {
    ///     word.wait(0).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "IORING_OP_FUTEX_WAIT")]
    pub fn wait(&self, value: u32) -> impl OpExt<Output = io::Result<bool>> + use<W> {
        Op::new(Wait { word: self.word.clone(), scope: self.scope, value })
    }

    /// Wakes at most `count` of those who wait, in any process if it is
    /// [`of_system`](Self::of_system); gives how many that were. It works on any thread, without a
    /// runtime.
    ///
    /// # Errors
    /// Those of futex(2).
    ///
    /// # Kernel
    /// futex(2): it does not wait, and costs less than `FUTEX_WAKE` (6.7) in a turn.
    #[doc(alias = "IORING_OP_FUTEX_WAKE")]
    pub fn wake(&self, count: u32) -> io::Result<u32> {
        futex_op::wake(self.word.word(), self.scope, count)
    }
}

impl<W: Word> Deref for Futex<W> {
    type Target = AtomicU32;

    fn deref(&self) -> &AtomicU32 {
        self.word.word()
    }
}

/// Waits until one of several words is woken, if each has its value when the wait begins. Gives
/// the index of one that was; `None` if one of the words was something else.
///
/// # Errors
/// `InvalidInput` for none and for more than 128; as [`Futex::wait`].
///
/// # Cancel safety
/// As [`Futex::wait`].
///
/// # Kernel
/// `FUTEX_WAITV`, 6.7; armed inline.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::futex::{Futex, wait_any};
/// use std::sync::{Arc, atomic::AtomicU32};
///
/// let one = Futex::of_process(Arc::new(AtomicU32::new(0)));
/// let two = Futex::of_process(Arc::new(AtomicU32::new(0)));
/// let waiting = wait_any(&[(&one, 0), (&two, 1)]).await?;
/// assert_eq!(waiting, None); // `two` is something else
/// # Ok(())
/// # }
/// ```
#[doc(alias = "IORING_OP_FUTEX_WAITV")]
pub fn wait_any<W: Word>(
    futexes: &[(&Futex<W>, u32)],
) -> impl OpExt<Output = io::Result<Option<usize>>> + use<W> {
    let all = futexes.iter().map(|(futex, value)| (futex.word.clone(), futex.scope, *value));
    Shaped::new(Ok(WaitAny::new(all)), |woken| woken)
}
