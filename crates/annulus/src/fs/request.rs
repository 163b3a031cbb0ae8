//! A request about names: on the ring, or on a thread where the ring may not do it.
//!
//! Owns: [`Request`], which decides when it is first polled, and the names that errors get. Does
//! not own: the operations (`core::name_op`).
//!
//! | the future is | it holds | dropping it |
//! |---|---|---|
//! | `Idle` | the description | drops it |
//! | `OnRing` | an operation in its slot | as for any operation: cancelled, reclaimed |
//! | `Aside` | the handle of a job | the job is done all the same, and nobody hears of it |
//! | `Decided`, `Done` | at most an output | drops it |

use std::ffi::{CStr, OsStr};
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::aside::{lost, spawn};
use super::named::{at, between};
use crate::core::end::End;
use crate::core::name_op::{Aside, Deed, Failed, Names};
use crate::core::op::Op;
use crate::core::{Core, errors, with_any};
use crate::task::BlockingHandle;

/// `'a` is the directory that it borrows.
pub(super) struct Request<'a, D: Aside, T> {
    stage: Stage<D, T>,
    shape: fn(D::Output) -> T,
    _directory: PhantomData<&'a ()>,
}

enum Stage<D: Aside, T> {
    Idle(D),
    OnRing(Op<D>),
    Aside(BlockingHandle<D::Output>),
    /// There is nothing to do for the kernel.
    Decided(T),
    Done,
}

impl<D: Aside, T> Request<'_, D, T> {
    pub(super) fn new(description: Result<D, T>, shape: fn(D::Output) -> T) -> Self {
        let stage = match description {
            Ok(description) => Stage::Idle(description),
            Err(output) => Stage::Decided(output),
        };
        Self { stage, shape, _directory: PhantomData }
    }

    /// Finds out which way it goes.
    fn start(&mut self) {
        let stage = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Idle(description) => begin(description, self.shape),
            stage => stage,
        };
        self.stage = stage;
    }
}

/// Without a runtime it is the operation that says so.
fn begin<D: Aside, T>(mut description: D, shape: fn(D::Output) -> T) -> Stage<D, T> {
    let offered = |core: &Core| core.state.borrow().ring.capabilities().supports(D::ON_RING);
    if with_any(offered).unwrap_or(true) {
        return Stage::OnRing(Op::new(description));
    }
    let job = match description.detach() {
        Ok(()) => spawn(move || description.call()),
        Err(error) => return Stage::Decided(shape(D::refuse(Some(description), error))),
    };
    match job {
        Ok(job) => Stage::Aside(job),
        Err(error) => Stage::Decided(shape(D::refuse(None, error))),
    }
}

// Nothing in it is pinned structurally.
impl<D: Aside, T> Unpin for Request<'_, D, T> {}

impl<D: Aside, T> Future for Request<'_, D, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.start();
        let shape = self.shape;
        match &mut self.stage {
            Stage::OnRing(op) => return Pin::new(op).poll(cx).map(shape),
            Stage::Aside(job) => {
                let done = match std::task::ready!(Pin::new(job).poll(cx)) {
                    Ok(output) => output,
                    Err(error) => D::refuse(None, lost(&error)),
                };
                self.stage = Stage::Done;
                return Poll::Ready(shape(done));
            }
            _ => {}
        }
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Decided(output) => Poll::Ready(output),
            _ => panic!("an operation was polled after it had completed"),
        }
    }
}

impl<D: Aside, T> End for Request<'_, D, T> {
    fn ask_to_end(&mut self) -> Option<T> {
        if let Stage::OnRing(op) = &mut self.stage {
            return op.ask_to_end().map(self.shape);
        }
        match std::mem::replace(&mut self.stage, Stage::Done) {
            // Nobody has heard of it yet.
            Stage::Idle(description) => {
                Some((self.shape)(D::refuse(Some(description), errors::cancelled())))
            }
            // A call that has begun goes on to its end, and the next poll gives what there is.
            stage => {
                self.stage = stage;
                None
            }
        }
    }
}

/// An operation that knows which path it is about.
pub(super) trait Told: Sized {
    /// `error` with the path in it.
    fn tell(&self, error: io::Error) -> io::Error;
}

impl<D: Deed> Told for Names<D> {
    fn tell(&self, error: io::Error) -> io::Error {
        let path = path_of(&self.path);
        if self.other.is_empty() {
            return at(D::CALLED, path, error);
        }
        between(D::CALLED, path, path_of(&self.other), error)
    }
}

/// The error of what failed, with the path in it.
pub(super) fn named<D: Told>(failed: Failed<D>) -> io::Error {
    match failed.op {
        Some(op) => op.tell(failed.error),
        None => failed.error,
    }
}

/// The shape of what names its paths when it fails.
pub(super) fn telling<D: Told, T>(result: Result<T, Failed<D>>) -> io::Result<T> {
    result.map_err(named)
}

/// The shape of what is done in a directory handle: the kernel's error as it is.
pub(super) fn plain<D, T>(result: Result<T, Failed<D>>) -> io::Result<T> {
    result.map_err(|failed| failed.error)
}

/// A path as the kernel was given it.
pub(super) fn path_of(path: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(path.to_bytes()))
}
