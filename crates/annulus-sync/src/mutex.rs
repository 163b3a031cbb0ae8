//! A lock that may be held across awaits.

use std::cell::{RefCell, RefMut};
use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::error::TryAcquireError;
use crate::semaphore::{Permit, Semaphore};

/// Exclusive access for one task of the core at a time.
///
/// Tasks of one core do not run at the same time, so a `Cell` or a `RefCell` is enough for what is
/// not borrowed across an await. This lock is for what is.
///
/// ```
/// # use annulus_sync::Mutex;
/// let mutex = Mutex::new(1);
/// *mutex.try_lock().expect("nobody has it") += 1;
/// assert_eq!(mutex.into_inner(), 2);
/// ```
pub struct Mutex<T: ?Sized> {
    turn: Semaphore,
    value: RefCell<T>,
}

impl<T> Mutex<T> {
    /// An unlocked mutex.
    pub const fn new(value: T) -> Self {
        Self { turn: Semaphore::new(1), value: RefCell::new(value) }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits until nobody has the lock, in the order of asking.
    ///
    /// # Cancel safety
    /// Dropping the future gives up its place in the queue, and nothing else.
    ///
    /// ```
    /// # async fn example() {
    /// let mutex = annulus_sync::Mutex::new(1);
    /// *mutex.lock().await += 1;
    /// # }
    /// ```
    pub async fn lock(&self) -> MutexGuard<'_, T> {
        let permit = self.turn.acquire(1).await.expect("a mutex is never closed");
        MutexGuard { value: self.value.borrow_mut(), _permit: permit }
    }

    /// Takes the lock if nobody has it and nobody waits for it.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.turn.try_acquire(1) {
            Ok(permit) => Some(MutexGuard { value: self.value.borrow_mut(), _permit: permit }),
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => None,
        }
    }

    /// The value, without locking: the exclusive borrow is the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mutex").field(&&self.value).finish()
    }
}

/// Access to the value of a [`Mutex`], until dropped.
///
/// The value is released before the lock, so that who is woken finds it free.
#[must_use = "the lock is held only as long as the guard lives"]
pub struct MutexGuard<'a, T: ?Sized> {
    value: RefMut<'a, T>,
    _permit: Permit<'a>,
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
