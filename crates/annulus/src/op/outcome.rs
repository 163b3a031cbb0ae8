//! What operations resolve to: a result, whose error may be replaced by whoever knows its reason.

use std::io;

use crate::buf::BufError;

/// What an operation can resolve to: an [`io::Result`], a [`BufResult`](crate::buf::BufResult), or
/// several of them.
///
/// This trait is sealed.
#[allow(private_bounds, reason = "the private bound seals it")]
pub trait Outcome: Revise {}

impl<T: Revise> Outcome for T {}

pub(crate) trait Revise {
    /// Shows each error to `revise`.
    fn revise(&mut self, revise: &mut dyn FnMut(&mut io::Error));
}

impl<T> Revise for io::Result<T> {
    fn revise(&mut self, revise: &mut dyn FnMut(&mut io::Error)) {
        if let Err(error) = self {
            revise(error);
        }
    }
}

impl<T, B> Revise for Result<T, BufError<B>> {
    fn revise(&mut self, revise: &mut dyn FnMut(&mut io::Error)) {
        if let Err(error) = self {
            revise(error.error_mut());
        }
    }
}

impl<T: Revise> Revise for Vec<T> {
    fn revise(&mut self, revise: &mut dyn FnMut(&mut io::Error)) {
        self.iter_mut().for_each(|outcome| outcome.revise(revise));
    }
}

impl<A: Revise, B: Revise> Revise for (A, B) {
    fn revise(&mut self, revise: &mut dyn FnMut(&mut io::Error)) {
        self.0.revise(revise);
        self.1.revise(revise);
    }
}

impl<A: Revise, B: Revise, C: Revise> Revise for (A, B, C) {
    fn revise(&mut self, revise: &mut dyn FnMut(&mut io::Error)) {
        self.0.revise(revise);
        self.1.revise(revise);
        self.2.revise(revise);
    }
}

impl<A: Revise, B: Revise, C: Revise, D: Revise> Revise for (A, B, C, D) {
    fn revise(&mut self, revise: &mut dyn FnMut(&mut io::Error)) {
        self.0.revise(revise);
        self.1.revise(revise);
        self.2.revise(revise);
        self.3.revise(revise);
    }
}
