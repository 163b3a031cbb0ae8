//! The opening of what is below a directory.
//!
//! Owns: [`OpeningBelow`], and how often a path is looked up again that the kernel could not follow
//! to its end. Does not own: the operation (`core::path_op`).

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::core::Owned;
use crate::core::end::End;
use crate::core::name_op::Failed;
use crate::core::op::Op;
use crate::core::path_op::OpenBelow;

/// How often a path is looked up. Each renaming in the system spoils at most the attempt that it
/// meets, so only who renames all the time, and faster than a path is resolved, spoils many.
const ATTEMPTS: u32 = 64;

/// The future of opening something below a directory, which its maker borrows.
pub(super) struct OpeningBelow<T> {
    stage: Stage,
    attempts: u32,
    /// Nobody wants another attempt.
    is_ending: bool,
    shape: fn(Owned) -> T,
}

enum Stage {
    Running(Op<OpenBelow>),
    Refused(io::Error),
    Done,
}

impl<T> OpeningBelow<T> {
    pub(super) fn new(description: io::Result<OpenBelow>, shape: fn(Owned) -> T) -> Self {
        let stage = match description {
            Ok(description) => Stage::Running(Op::new(description)),
            Err(error) => Stage::Refused(error),
        };
        Self { stage, attempts: 1, is_ending: false, shape }
    }

    /// What an attempt has come to, unless there is another one.
    fn judge(&mut self, result: Result<Owned, Failed<OpenBelow>>) -> Option<io::Result<T>> {
        let failed = match result {
            Ok(owned) => return Some(Ok((self.shape)(owned))),
            Err(failed) => failed,
        };
        let is_unclear = failed.error.raw_os_error() == Some(libc::EAGAIN);
        match failed.op {
            Some(op) if is_unclear && self.attempts < ATTEMPTS && !self.is_ending => {
                self.attempts += 1;
                self.stage = Stage::Running(Op::new(*op));
                None
            }
            _ => Some(Err(failed.error)),
        }
    }
}

// Nothing in it is pinned structurally.
impl<T> Unpin for OpeningBelow<T> {}

impl<T> Future for OpeningBelow<T> {
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        while let Stage::Running(op) = &mut self.stage {
            let result = std::task::ready!(Pin::new(op).poll(cx));
            if let Some(output) = self.judge(result) {
                return Poll::Ready(output);
            }
        }
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Refused(error) => Poll::Ready(Err(error)),
            _ => panic!("an operation was polled after it had completed"),
        }
    }
}

impl<T> End for OpeningBelow<T> {
    fn ask_to_end(&mut self) -> Option<io::Result<T>> {
        self.is_ending = true;
        match &mut self.stage {
            Stage::Running(op) => {
                let result = op.ask_to_end()?;
                self.judge(result)
            }
            // The next poll gives it: it was decided before anybody asked.
            Stage::Refused(_) | Stage::Done => None,
        }
    }
}
