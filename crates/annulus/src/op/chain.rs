//! Operations that the kernel starts one after the other.
//!
//! Owns: the future of a chain, and what its steps resolve to. Does not own: slots and entries
//! (`core/chain.rs`).

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use annulus_ring::abi::SqeFlags;

use super::outcome::{Outcome, Revise as _};
use super::{Cancelled, Linkable};
use crate::core::end::End;
use crate::core::key::Key;
use crate::core::{Core, State, with_any};

/// Links operations: the kernel starts each one when the one before has succeeded, without coming
/// back to the program in between. Takes a tuple of two to four operations that were not polled
/// yet, and gives a tuple of what each resolves to.
///
/// A step that fails breaks the chain, and so does a read or write that moves fewer bytes than it
/// was asked to. The steps behind it do not begin: they resolve with an error that
/// [`Cancelled::of`] recognises, with their buffers. Every step tells its own result, so the one
/// that broke the chain is the last whose error is another, or whose byte count is short.
///
/// All steps are submitted together. If the submission queue lacks room for them, the chain waits;
/// it is never split.
///
/// # Errors
/// Per step, those of the operation. If one step cannot begin (its handle belongs to another core,
/// its buffer has no room), it says why, and no step begins. `InvalidInput` for all if the
/// submission queue is shorter than the chain. `OutOfMemory` for a step for which the kernel had no
/// memory: it did not begin, nor did those behind it, which are told as above (also in a
/// [`hard`](Chain::hard) chain).
///
/// # Cancel safety
/// Dropping the chain cancels the step that runs, and with it those behind. A step that could not
/// be stopped any more completes; the next one is then cancelled as it begins.
///
/// # Kernel
/// `IOSQE_IO_LINK`, 5.3; with [`hard`](Chain::hard) `IOSQE_IO_HARDLINK`, 5.5.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::{fs::File, op::chain};
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("journal");
///
/// let journal = File::create(&path).await?;
/// let (wrote, synced) = chain((journal.write_at("entry\n", 0), journal.sync_data())).await;
/// let (n, _) = wrote?;
/// assert_eq!(n, 6); // else the chain is broken, and `synced` says that it did not run
/// synced?;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "IOSQE_IO_LINK")]
pub fn chain<S: Steps>(steps: S) -> Chain<S::Chained> {
    Chain { steps: steps.keep(), link: SqeFlags::IO_LINK, stage: Stage::Idle }
}

/// The future of [`chain`].
#[must_use = "futures do nothing unless awaited"]
pub struct Chain<S> {
    steps: S,
    link: SqeFlags,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Idle,
    Running,
    /// Somebody wants it to end.
    Ending,
    Done,
}

impl<S: Chained> Chain<S> {
    /// A chain that nothing breaks: each step starts when the one before has ended, however it
    /// ended. For what has to happen in order but in any case.
    ///
    /// Asked to end ([`OpExt::cancel`](super::OpExt::cancel)), its steps are cancelled one by one.
    #[doc(alias = "IOSQE_IO_HARDLINK")]
    pub fn hard(mut self) -> Self {
        self.link = SqeFlags::IO_HARDLINK;
        self
    }

    /// Begins all steps, or ends them all.
    fn start(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let link = self.link;
        let started = self
            .steps
            .each(|steps| with_any(|core| begin(core, &mut core.state.borrow_mut(), steps, link)));
        match started.unwrap_or_else(|error| Start::Refused(0, error)) {
            Start::Begun => self.stage = Stage::Running,
            Start::Wait => {
                // The turn's end makes room.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Start::Refused(which, error) => {
                self.stage = Stage::Running;
                self.refuse(Some((which, error)));
            }
        }
        Poll::Ready(())
    }

    /// Ends all steps before they have begun: one with its own error.
    fn refuse(&mut self, mut why: Option<(usize, io::Error)>) {
        self.steps.each(|steps| {
            for (index, step) in steps.iter_mut().enumerate() {
                match why.take_if(|(which, _)| *which == index) {
                    Some((_, error)) => step.refuse(error),
                    None => step.refuse(crate::core::errors::cancelled()),
                }
            }
        });
    }

    fn outputs(&mut self) -> Option<S::Outputs> {
        let mut outputs = self.steps.take()?;
        self.stage = Stage::Done;
        outputs.revise(&mut |error| Cancelled::replace(error, io::ErrorKind::Interrupted));
        Some(outputs)
    }
}

// Its steps are `Unpin`, their outputs are never pinned.
impl<S> Unpin for Chain<S> {}

impl<S: Chained> Future for Chain<S> {
    type Output = S::Outputs;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<S::Outputs> {
        let this = &mut *self;
        match this.stage {
            Stage::Idle => std::task::ready!(this.start(cx)),
            Stage::Running | Stage::Ending => {}
            Stage::Done => panic!("a chain was polled after it had completed"),
        }
        let ending = this.stage == Stage::Ending;
        let ended = this.steps.each(|steps| {
            let mut ended = true;
            for step in steps {
                if ending {
                    step.ask_to_end(); // its turn may have come
                }
                ended &= step.poll(cx);
            }
            ended
        });
        match ended.then(|| this.outputs()).flatten() {
            Some(outputs) => Poll::Ready(outputs),
            None => Poll::Pending,
        }
    }
}

impl<S: Chained> End for Chain<S> {
    fn ask_to_end(&mut self) -> Option<S::Outputs> {
        match self.stage {
            Stage::Idle => {
                self.refuse(None);
                self.outputs()
            }
            Stage::Running | Stage::Ending => {
                self.stage = Stage::Ending;
                self.steps.each(|steps| steps.iter_mut().for_each(|s| s.ask_to_end()));
                None
            }
            Stage::Done => None,
        }
    }
}

enum Start {
    Begun,
    Wait,
    /// Which step, and why.
    Refused(usize, io::Error),
}

fn begin(core: &Core, state: &mut State, steps: &mut [&mut dyn Work], link: SqeFlags) -> Start {
    let count = steps.len() as u32;
    if state.stopping {
        return Start::Refused(0, crate::core::errors::handle_gone());
    }
    for (index, step) in steps.iter().enumerate() {
        if let Some(error) = step.obstacle(core, state) {
            return Start::Refused(index, error);
        }
    }
    if state.ring.params().sq_entries < count {
        return Start::Refused(0, too_long(count));
    }
    if !state.has_room_for_chain(count) {
        return Start::Wait;
    }
    let mut before = None;
    let last = steps.len() - 1;
    for (index, step) in steps.iter_mut().enumerate() {
        let flags = if index < last { link } else { SqeFlags::EMPTY };
        let key = step.begin(core, state, flags, index == 0);
        if let Some(before) = before.replace(key) {
            state.link(before, key);
        }
    }
    Start::Begun
}

fn too_long(count: u32) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!(
            "a chain of {count} steps does not fit the submission queue: build the runtime with more entries"
        ),
    )
}

/// Tuples of operations that [`chain`] takes, of two to four.
///
/// This trait is sealed.
#[allow(private_bounds, reason = "the private bound seals it")]
pub trait Steps: Tuple<Kept = Self::Chained> {
    /// The steps as the chain has them.
    type Chained: Chained;
}

/// The steps of a [`Chain`].
///
/// This trait is sealed.
#[allow(private_bounds, reason = "the private bound seals it")]
pub trait Chained: Each<Out = Self::Outputs> {
    /// What each step resolves to, in their order.
    type Outputs: Outcome;
}

/// A tuple of operations.
pub(crate) trait Tuple {
    type Kept;

    fn keep(self) -> Self::Kept;
}

/// A tuple of steps.
pub(crate) trait Each {
    type Out;

    /// Runs `f` on all steps in order.
    fn each<R>(&mut self, f: impl FnOnce(&mut [&mut dyn Work]) -> R) -> R;

    /// The outputs, if every step has one.
    fn take(&mut self) -> Option<Self::Out>;
}

/// An operation in a [`Chain`], with its output, which waits for those of the others.
#[derive(Debug)]
pub struct Step<F, O> {
    op: F,
    output: Option<O>,
}

/// What a chain does with a step, whatever its type.
pub(crate) trait Work {
    fn obstacle(&self, core: &Core, state: &mut State) -> Option<io::Error>;
    fn begin(&mut self, core: &Core, state: &mut State, flags: SqeFlags, first: bool) -> Key;
    fn refuse(&mut self, error: io::Error);
    fn ask_to_end(&mut self);
    /// Whether it has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> bool;
}

impl<F: Linkable> Step<F, F::Output> {
    fn new(op: F) -> Self {
        Self { op, output: None }
    }
}

impl<F: Linkable> Work for Step<F, F::Output> {
    fn obstacle(&self, core: &Core, state: &mut State) -> Option<io::Error> {
        self.op.obstacle(core, state)
    }

    fn begin(&mut self, core: &Core, state: &mut State, flags: SqeFlags, first: bool) -> Key {
        self.op.begin(core, state, flags, first)
    }

    fn refuse(&mut self, error: io::Error) {
        self.output = self.op.refuse(error);
    }

    fn ask_to_end(&mut self) {
        if self.output.is_none() {
            self.output = self.op.ask_to_end();
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if self.output.is_none() {
            if let Poll::Ready(output) = Pin::new(&mut self.op).poll(cx) {
                self.output = Some(output);
            }
        }
        self.output.is_some()
    }
}

macro_rules! tuples {
    ($(($($step:ident $index:tt),+))+) => {$(
        impl<$($step: Linkable),+> Steps for ($($step,)+) {
            type Chained = ($(Step<$step, $step::Output>,)+);
        }

        impl<$($step: Linkable),+> Tuple for ($($step,)+) {
            type Kept = ($(Step<$step, $step::Output>,)+);

            fn keep(self) -> Self::Kept {
                ($(Step::new(self.$index),)+)
            }
        }

        impl<$($step: Linkable),+> Chained for ($(Step<$step, $step::Output>,)+) {
            type Outputs = ($($step::Output,)+);
        }

        impl<$($step: Linkable),+> Each for ($(Step<$step, $step::Output>,)+) {
            type Out = ($($step::Output,)+);

            fn each<R>(&mut self, f: impl FnOnce(&mut [&mut dyn Work]) -> R) -> R {
                f(&mut [$(&mut self.$index),+])
            }

            fn take(&mut self) -> Option<Self::Out> {
                Some(($(self.$index.output.take()?,)+))
            }
        }
    )+};
}

tuples! {
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
}
