//! Values that each core has its own of.

use std::any::Any;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::core::with_any;

/// Declares values of which each core has its own, made at the first use there and dropped when the
/// core ends, while handles can still be used.
///
/// They are what a thread-local is to a thread, and differ from it in that several cores may run on
/// one thread, and that a core's values end with the core.
///
/// ```
/// use std::cell::Cell;
///
/// annulus::core_local! {
///     /// Requests that this core has served.
///     static SERVED: Cell<u64> = Cell::new(0);
/// }
///
/// # #[annulus::main]
/// # async fn main() {
/// SERVED.with(|served| served.set(served.get() + 1));
/// assert_eq!(SERVED.with(Cell::get), 1);
/// # }
/// ```
#[macro_export]
macro_rules! core_local {
    ($($(#[$attribute:meta])* $vis:vis static $name:ident: $type:ty = $init:expr;)+) => {
        $(
            $(#[$attribute])*
            $vis static $name: $crate::runtime::CoreLocal<$type> =
                $crate::runtime::CoreLocal::new(|| $init);
        )+
    };
}

/// A key to a value of each core. Made by [`core_local!`](crate::core_local).
///
/// The values are of this type exactly, and a key to a subtype is a key to something else:
///
/// ```compile_fail
/// use annulus::runtime::CoreLocal;
///
/// fn narrow(key: &'static CoreLocal<fn(&str)>) -> &'static CoreLocal<fn(&'static str)> {
///     key
/// }
/// ```
pub struct CoreLocal<T: 'static> {
    init: fn() -> T,
    /// Invariant, because values are told apart by their type.
    _type: PhantomData<fn(T) -> T>,
    /// One more than its index in the cores' tables; 0 before the first use.
    index: AtomicUsize,
}

static NEXT: AtomicUsize = AtomicUsize::new(1);

impl<T: 'static> CoreLocal<T> {
    /// A key; `init` makes the value of each core.
    pub const fn new(init: fn() -> T) -> Self {
        Self { init, _type: PhantomData, index: AtomicUsize::new(0) }
    }

    /// Runs `f` on the value of the current core.
    ///
    /// # Panics
    /// If no runtime runs on this thread.
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        match self.try_with(f) {
            Ok(output) => output,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`with`](Self::with).
    ///
    /// # Errors
    /// If no runtime runs on this thread.
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> io::Result<R> {
        let index = self.index();
        // No borrow of the core's table is held while `init` and `f` run.
        let value = match with_any(|core| core.locals.value(index))? {
            Some(value) => value,
            None => {
                let value: Rc<dyn Any> = Rc::new((self.init)());
                with_any(|core| core.locals.insert(index, value))?
            }
        };
        let value = value.downcast_ref::<T>().expect("an index belongs to one key, of one type");
        Ok(f(value))
    }

    fn index(&self) -> usize {
        // ORDERING: Relaxed, pairs with the exchange below; the index stands for nothing else.
        let index = self.index.load(Ordering::Relaxed);
        if index != 0 { index - 1 } else { self.take_index() }
    }

    #[cold]
    fn take_index(&self) -> usize {
        // ORDERING: Relaxed; only the number counts.
        let fresh = NEXT.fetch_add(1, Ordering::Relaxed);
        // ORDERING: Relaxed, pairs with the load in `index`; who is second uses the first's.
        let first = self.index.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed);
        first.map_or_else(|index| index - 1, |_| fresh - 1)
    }
}

impl<T: 'static> fmt::Debug for CoreLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoreLocal").finish_non_exhaustive()
    }
}
