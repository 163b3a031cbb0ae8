//! Values that belong to a core, one for each [`CoreLocal`](crate::runtime::CoreLocal).
//!
//! Owns: the values. Invariant: no borrow of the table is held while a value is made, used or
//! dropped, so all of that may reach other values of the core.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

use super::Core;

/// Times that destructors may make values anew when the core ends; what is made after is dropped
/// with the core's memory.
const ROUNDS: usize = 5;

/// The values of one core, by index of their key.
#[derive(Default)]
pub(crate) struct Locals {
    values: RefCell<Vec<Option<Rc<dyn Any>>>>,
}

impl Locals {
    pub(crate) fn value(&self, index: usize) -> Option<Rc<dyn Any>> {
        self.values.borrow().get(index).cloned().flatten()
    }

    /// Stores a value, unless its own making has stored one already; gives the one that stays.
    pub(crate) fn insert(&self, index: usize, value: Rc<dyn Any>) -> Rc<dyn Any> {
        let mut values = self.values.borrow_mut();
        if values.len() <= index {
            values.resize(index + 1, None);
        }
        match &values[index] {
            Some(first) => {
                let first = first.clone();
                drop(values);
                drop(value);
                first
            }
            None => {
                values[index] = Some(value.clone());
                value
            }
        }
    }
}

impl Core {
    /// Drops the values while the core can still be used. What a destructor throws ends with it.
    pub(crate) fn drop_locals(&self) {
        for _ in 0..ROUNDS {
            let mut values = std::mem::take(&mut *self.locals.values.borrow_mut());
            if values.is_empty() {
                return;
            }
            while let Some(value) = values.pop() {
                self.contain(|| drop(value));
            }
            self.run_after();
        }
    }
}
