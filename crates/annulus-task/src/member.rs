//! A future that gives notice when it has gone.
//!
//! Owns the order: the future is dropped first, whether it is done, panicked, was aborted or shut
//! down; then the notice, whose destructor tells. Sets and scopes are made of this, so neither
//! polls what it holds.

use std::pin::Pin;
use std::task::{Context, Poll};

/// Fields are dropped in the order of their declaration.
pub(crate) struct Member<F, N> {
    future: F,
    _notice: N,
}

impl<F, N> Member<F, N> {
    pub(crate) fn new(future: F, notice: N) -> Self {
        Self { future, _notice: notice }
    }
}

impl<F: Future, N> Future for Member<F, N> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: the future is pinned with the whole, is never moved out, and there is no `Drop`
        // for `Member` that could; the notice is not touched.
        unsafe { self.map_unchecked_mut(|member| &mut member.future) }.poll(cx)
    }
}
