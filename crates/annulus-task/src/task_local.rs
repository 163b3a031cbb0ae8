//! Values that belong to a task, or to a part of one.
//!
//! Owns the pairing of a value with a future: while the future is polled or dropped, the value is
//! what the key names on this thread. Does not own any storage by task: a value lives in the future
//! that [`LocalKey::scope`] made, so it moves with it and ends with it.
//!
//! Invariant: the pointer of a key is null or of a value that a frame further up the stack keeps
//! borrowed, for that frame sets it back before its borrow ends.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll};
use std::thread;

/// Declares values that belong to a task.
///
/// They have no value by themselves: [`LocalKey::scope`] gives one for the length of a future. They
/// are **not inherited**: a task that is spawned inside has none, unless it is given one.
///
/// ```
/// use annulus_task::{Executor, OnPanic, spawn, task_local};
///
/// task_local! {
///     /// Which request is being answered.
///     static REQUEST: u64;
/// }
///
/// let executor = Executor::new(OnPanic::Contain)?;
/// let _entered = executor.enter();
/// let task = spawn(REQUEST.scope(7, async {
///     assert_eq!(REQUEST.get(), 7);
///     spawn(async { assert!(REQUEST.try_with(|_| ()).is_err(), "it is not inherited") })
/// }));
/// while executor.run(64) > 0 {}
/// assert!(task.is_finished());
/// # Ok::<(), annulus_task::RegistryFull>(())
/// ```
#[macro_export]
macro_rules! task_local {
    () => {};
    ($(#[$attribute:meta])* $vis:vis static $name:ident: $type:ty; $($rest:tt)*) => {
        $crate::task_local!($(#[$attribute])* $vis static $name: $type);
        $crate::task_local!($($rest)*);
    };
    ($(#[$attribute:meta])* $vis:vis static $name:ident: $type:ty) => {
        $(#[$attribute])*
        $vis static $name: $crate::LocalKey<$type> = {
            ::std::thread_local! {
                static PLACE: $crate::LocalPlace<$type> = const { $crate::LocalPlace::new() };
            }
            $crate::LocalKey::new(&PLACE)
        };
    };
}

/// Where a thread keeps what a key names; for the macro.
#[doc(hidden)]
pub struct LocalPlace<T>(Cell<*const T>);

impl<T> LocalPlace<T> {
    #[doc(hidden)]
    #[must_use]
    pub const fn new() -> Self {
        Self(Cell::new(ptr::null()))
    }
}

impl<T> Default for LocalPlace<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// The name of a value that belongs to a task; declared by [`task_local!`](crate::task_local).
pub struct LocalKey<T: 'static> {
    place: &'static thread::LocalKey<LocalPlace<T>>,
}

impl<T: 'static> LocalKey<T> {
    /// For the macro.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(place: &'static thread::LocalKey<LocalPlace<T>>) -> Self {
        Self { place }
    }

    fn replace(&'static self, value: *const T) -> *const T {
        // There is no destructor to come before this, so it works to the end of a thread.
        self.place.with(|place| place.0.replace(value))
    }

    /// A future that runs `future` with `value`, which is dropped after it. The future's own
    /// destructor sees the value, too.
    ///
    /// # Errors
    /// None of its own: the output is that of `future`.
    ///
    /// # Cancel safety
    /// That of `future`.
    ///
    /// ```
    /// annulus_task::task_local! {
    ///     static REQUEST: u64;
    /// }
    ///
    /// # async fn example() {
    /// assert_eq!(REQUEST.scope(7, async { REQUEST.get() }).await, 7);
    /// # }
    /// ```
    pub fn scope<F: Future>(&'static self, value: T, future: F) -> TaskLocalFuture<T, F> {
        TaskLocalFuture { future: Some(future), value, key: self, _pinned: PhantomPinned }
    }

    /// Calls `f` with `value`.
    pub fn sync_scope<R>(&'static self, value: T, f: impl FnOnce() -> R) -> R {
        let _inside = Inside::new(self, &value);
        f()
    }

    /// Calls `f` with the innermost value.
    ///
    /// # Panics
    /// If there is none; see [`try_with`](Self::try_with).
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        match self.try_with(f) {
            Ok(result) => result,
            Err(error) => panic!("{error}"),
        }
    }

    /// Calls `f` with the innermost value, if there is one.
    ///
    /// # Errors
    /// [`NotSet`] outside of every [`scope`](Self::scope) of this key.
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Result<R, NotSet> {
        let value = self.place.with(|place| place.0.get());
        // SAFETY: a frame further up the stack keeps the value borrowed until it sets the pointer
        // back, which is after this one has returned.
        let value = unsafe { value.as_ref() }.ok_or(NotSet(()))?;
        Ok(f(value))
    }

    /// A copy of the innermost value.
    ///
    /// # Panics
    /// As [`with`](Self::with).
    #[must_use]
    pub fn get(&'static self) -> T
    where
        T: Clone,
    {
        self.with(T::clone)
    }
}

impl<T> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}

/// There is no value here: no [`LocalKey::scope`] of this key is around.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotSet(());

impl fmt::Display for NotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a task-local value was asked for outside of its scope (it is not inherited)")
    }
}

impl std::error::Error for NotSet {}

/// While it exists, a key names a value.
struct Inside<'a, T: 'static> {
    key: &'static LocalKey<T>,
    outer: *const T,
    _value: &'a T,
}

impl<'a, T> Inside<'a, T> {
    fn new(key: &'static LocalKey<T>, value: &'a T) -> Self {
        let outer = key.replace(value);
        Self { key, outer, _value: value }
    }
}

impl<T> Drop for Inside<'_, T> {
    fn drop(&mut self) {
        self.key.replace(self.outer);
    }
}

/// The future of [`LocalKey::scope`].
#[must_use = "futures do nothing unless awaited"]
pub struct TaskLocalFuture<T: 'static, F> {
    /// None only while it is being dropped.
    future: Option<F>,
    value: T,
    key: &'static LocalKey<T>,
    _pinned: PhantomPinned,
}

impl<T, F: Future> Future for TaskLocalFuture<T, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: nothing is moved out of `this`; its future is pinned again below.
        let this = unsafe { self.get_unchecked_mut() };
        let Some(future) = &mut this.future else {
            unreachable!("a future was polled in its destructor");
        };
        let _inside = Inside::new(this.key, &this.value);
        // SAFETY: the future is pinned with the whole: it is only dropped in place.
        unsafe { Pin::new_unchecked(future) }.poll(cx)
    }
}

impl<T, F> Drop for TaskLocalFuture<T, F> {
    fn drop(&mut self) {
        let inside = Inside::new(self.key, &self.value);
        // Drops the future where it is.
        self.future = None;
        drop(inside);
    }
}

impl<T: fmt::Debug, F> fmt::Debug for TaskLocalFuture<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskLocalFuture").field("value", &self.value).finish_non_exhaustive()
    }
}
