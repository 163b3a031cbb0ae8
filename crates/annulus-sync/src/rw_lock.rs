//! A lock for many readers or one writer, held across awaits.
//!
//! A reader holds one permit and a writer all of them, so a writer that waits is not overtaken by
//! readers that come later.

use std::cell::{Ref, RefCell, RefMut};
use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::semaphore::{Permit, Semaphore};

const ALL: usize = usize::MAX >> 1;

/// Shared access for many tasks of the core, or exclusive access for one.
///
/// ```
/// # use annulus_sync::RwLock;
/// let lock = RwLock::new(1);
/// let (one, other) = (lock.try_read().unwrap(), lock.try_read().unwrap());
/// assert_eq!(*one + *other, 2);
/// assert!(lock.try_write().is_none());
/// ```
pub struct RwLock<T: ?Sized> {
    turn: Semaphore,
    value: RefCell<T>,
}

impl<T> RwLock<T> {
    /// An unlocked lock.
    pub const fn new(value: T) -> Self {
        Self { turn: Semaphore::new(ALL), value: RefCell::new(value) }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits until nobody writes and no writer is before this reader.
    ///
    /// # Cancel safety
    /// Dropping the future gives up its place in the queue, and nothing else.
    ///
    /// ```
    /// # async fn example() {
    /// let lock = annulus_sync::RwLock::new(1);
    /// let (one, other) = (lock.read().await, lock.read().await);
    /// assert_eq!(*one + *other, 2);
    /// # }
    /// ```
    pub async fn read(&self) -> RwLockReadGuard<'_, T> {
        let permit = self.turn.acquire(1).await.expect("a lock is never closed");
        RwLockReadGuard { value: self.value.borrow(), _permit: permit }
    }

    /// Waits until nobody reads or writes.
    ///
    /// # Cancel safety
    /// Dropping the future gives up its place in the queue, and nothing else.
    ///
    /// ```
    /// # async fn example() {
    /// let lock = annulus_sync::RwLock::new(1);
    /// *lock.write().await += 1;
    /// # }
    /// ```
    pub async fn write(&self) -> RwLockWriteGuard<'_, T> {
        let permit = self.turn.acquire(ALL).await.expect("a lock is never closed");
        RwLockWriteGuard { value: self.value.borrow_mut(), _permit: permit }
    }

    /// Reads if nobody writes or waits.
    pub fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        let permit = self.turn.try_acquire(1).ok()?;
        Some(RwLockReadGuard { value: self.value.borrow(), _permit: permit })
    }

    /// Writes if nobody reads, writes or waits.
    pub fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        let permit = self.turn.try_acquire(ALL).ok()?;
        Some(RwLockWriteGuard { value: self.value.borrow_mut(), _permit: permit })
    }

    /// The value, without locking: the exclusive borrow is the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RwLock").field(&&self.value).finish()
    }
}

/// Shared access to the value of a [`RwLock`], until dropped.
#[must_use = "the lock is held only as long as the guard lives"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    value: Ref<'a, T>,
    _permit: Permit<'a>,
}

/// Exclusive access to the value of a [`RwLock`], until dropped.
#[must_use = "the lock is held only as long as the guard lives"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    value: RefMut<'a, T>,
    _permit: Permit<'a>,
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
