//! A core on each of several CPUs.
//!
//! Owns: the threads, starting them together and ending them. Does not own: which CPUs (`cores`),
//! what a core does.
//!
//! ```text
//!   launch: pin, build --all could--> run the future of each core --it ended--> core ended
//!                |                        |                                        ^
//!                one could not            stop: tasks see `stopping`; when the     |
//!                v                        future has ended, the other tasks are ---+
//!                all end, the error       awaited; past the deadline all are dropped
//! ```
//!
//! | stops the cores | their tasks have |
//! |---|---|
//! | [`Launched::stop`] | as long as they like |
//! | [`Launched::shutdown`] | what it was told |
//! | a future of a core that panics | [`Builder::shutdown_timeout`]: nobody may be left to say when it is enough |
//! | [`Launched`] that is dropped by a panic | the same |

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use annulus_task::JoinError;

use super::cores::{Machine, pin};
use super::stopping::until_deadline;
use super::{Builder, CoreHandle, Cores, Error, Runtime};
use crate::core::setup::Config;
use crate::core::workers::Workers;

/// Starts a thread with a core of its own on each of `cores`, and on each core the future that
/// `start` makes there. As [`Builder::launch`] with all defaults.
///
/// # Errors
/// [`Error`], if any core cannot be had; none runs then.
///
/// ```
/// use annulus::runtime::{Cores, launch};
///
/// let launched = launch(Cores::Count(2), |core| async move { core.index() * 10 })?;
/// let results: Vec<usize> = launched.join().into_iter().map(|result| result.unwrap()).collect();
/// assert_eq!(results, [0, 10]);
/// # Ok::<(), annulus::Error>(())
/// ```
pub fn launch<S, F>(cores: Cores, start: S) -> Result<Launched<F::Output>, Error>
where
    S: Fn(LaunchedCore) -> F + Send + Sync + 'static,
    F: Future + 'static,
    F::Output: Send + 'static,
{
    Builder::new().launch(cores, start)
}

/// What a core of a launch knows of itself and the others.
#[derive(Clone, Debug)]
pub struct LaunchedCore {
    index: usize,
    cpu: usize,
    peers: Arc<[CoreHandle]>,
}

impl LaunchedCore {
    /// Its number among the cores of the launch, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The CPU that its thread is bound to.
    pub fn cpu(&self) -> usize {
        self.cpu
    }

    /// Its own handle.
    pub fn handle(&self) -> CoreHandle {
        self.peers[self.index]
    }

    /// All cores of the launch, by index. All of them can be given work already.
    pub fn peers(&self) -> &[CoreHandle] {
        &self.peers
    }
}

/// The cores that [`launch`] started.
///
/// Dropping it lets them run on. If a panic drops it, nobody is left to stop them, so they are
/// asked to end: within [`Builder::shutdown_timeout`], which that does not wait for.
#[must_use = "dropping it lets the cores run on"]
pub struct Launched<T> {
    peers: Arc<[CoreHandle]>,
    bound: Duration,
    threads: Vec<JoinHandle<Result<T, JoinError>>>,
}

impl<T> Launched<T> {
    /// The cores, by index.
    pub fn cores(&self) -> &[CoreHandle] {
        &self.peers
    }

    /// The threads, each with the result of its core.
    pub(crate) fn into_threads(mut self) -> Vec<JoinHandle<Result<T, JoinError>>> {
        std::mem::take(&mut self.threads)
    }

    /// Asks all cores to end, without a deadline: their tasks see
    /// [`stopping`](super::stopping).
    pub fn stop(&self) {
        self.peers.iter().for_each(|core| core.stop(None));
    }

    /// Waits until all cores have ended, and gives what each future gave, by index.
    ///
    /// The result of a core whose future panicked is [`JoinError::Panic`], and of one whose future
    /// was dropped at a deadline [`JoinError::Aborted`]. A core that panics asks the others to
    /// stop, within [`Builder::shutdown_timeout`], so that this returns.
    pub fn join(self) -> Vec<Result<T, JoinError>> {
        let ended = self.into_threads().into_iter().map(|thread| match thread.join() {
            Ok(result) => result,
            Err(payload) => Err(JoinError::panicked(payload)),
        });
        ended.collect()
    }

    /// Ends all cores gracefully, and waits for them as [`join`](Self::join) does.
    ///
    /// Their tasks see [`stopping`](super::stopping), and have `bound` to finish. Then those that
    /// are left are dropped, what they had in flight is cancelled, and each core ends within its
    /// [`shutdown_timeout`](Builder::shutdown_timeout).
    pub fn shutdown(self, bound: Duration) -> Vec<Result<T, JoinError>> {
        self.peers.iter().for_each(|core| core.stop(Some(bound)));
        self.join()
    }
}

impl<T> Drop for Launched<T> {
    fn drop(&mut self) {
        if !self.threads.is_empty() && thread::panicking() {
            self.peers.iter().for_each(|core| core.stop(Some(self.bound)));
        }
    }
}

impl<T> fmt::Debug for Launched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launched").field("cores", &self.peers).finish_non_exhaustive()
    }
}

/// What the thread of a core is told: the handles of all, or nothing if one could not start.
type Go = Arc<[CoreHandle]>;

/// What the thread of a core is started with.
struct Seat {
    index: usize,
    cpu: usize,
    config: Config,
    built: Sender<Result<CoreHandle, Error>>,
    go: Receiver<Go>,
}

impl Builder {
    /// Starts a thread with a core of its own, made by this builder, on each of `cores`, and on
    /// each core the future that `start` makes there.
    ///
    /// The threads are named `annulus-core-N` and bound to their CPUs. No future starts before all
    /// cores are there. A core ends when its future has ended; after a stop it waits for its other
    /// tasks first. The cores share the threads of
    /// [`spawn_blocking`](crate::task::spawn_blocking).
    ///
    /// # Errors
    /// [`Error`], if any core cannot be had; none runs then.
    pub fn launch<S, F>(self, cores: Cores, start: S) -> Result<Launched<F::Output>, Error>
    where
        S: Fn(LaunchedCore) -> F + Send + Sync + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        self.launch_then(cores, start, |_core| {})
    }

    /// As [`launch`](Self::launch); and when a core that was started has ended, with everything
    /// that it had, `end` is called with its index on its thread.
    pub(crate) fn launch_then<S, F>(
        self,
        cores: Cores,
        start: S,
        end: impl Fn(usize) + Send + Sync + 'static,
    ) -> Result<Launched<F::Output>, Error>
    where
        S: Fn(LaunchedCore) -> F + Send + Sync + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        let cpus = cores.choose(&Machine::of_process()?)?;
        let mut config = self.into_config();
        let bound = Duration::from_nanos(config.shutdown_ns);
        config.workers = Some(Workers::new(config.threads));
        let start_and_end = Arc::new((start, end));
        let (mut threads, mut gates, mut built) = (Vec::new(), Vec::new(), Vec::new());
        let mut failed = None;
        for (index, cpu) in cpus.into_iter().enumerate() {
            let (open, go) = channel();
            let (report, reported) = channel();
            let (config, start_and_end) = (config.clone(), start_and_end.clone());
            let seat = Seat { index, cpu, config, built: report, go };
            let name = format!("annulus-core-{index}");
            match thread::Builder::new().name(name).spawn(move || seat.run(&start_and_end)) {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    failed = Some(error.into());
                    break;
                }
            }
            gates.push(open);
            built.push(reported);
        }
        let reports = built.iter().map(|core| core.recv().unwrap_or_else(|_| Err(died())));
        let handles: Result<Vec<_>, Error> = reports.collect();
        let handles = failed.map_or(handles, Err);
        if handles.is_err() {
            // The threads that wait at their gates end, and take their cores along.
            gates.clear();
            threads.drain(..).for_each(|thread| drop(thread.join()));
        }
        let peers: Go = handles?.into();
        for gate in gates {
            let _ = gate.send(peers.clone());
        }
        Ok(Launched { peers, bound, threads })
    }
}

fn died() -> Error {
    Error::Io(std::io::Error::other("the thread of a core panicked while making it"))
}

impl Seat {
    fn run<S, F>(self, (start, end): &(S, impl Fn(usize))) -> Result<F::Output, JoinError>
    where
        S: Fn(LaunchedCore) -> F,
        F: Future,
    {
        let Self { index, cpu, config, built, go } = self;
        let bound = Duration::from_nanos(config.shutdown_ns);
        let runtime = pin(cpu).map_err(Error::from).and_then(|()| Runtime::from_config(config));
        let (runtime, report) = match runtime {
            Ok(runtime) => {
                let handle = runtime.handle();
                (Some(runtime), Ok(handle))
            }
            Err(error) => (None, Err(error)),
        };
        let _ = built.send(report);
        drop(built);
        let (Some(runtime), Ok(peers)) = (runtime, go.recv()) else {
            return Err(JoinError::Aborted);
        };
        let core = LaunchedCore { index, cpu, peers: peers.clone() };
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let output = runtime.block_on(until_deadline(async { start(core).await }));
            runtime.finish_tasks();
            output
        }));
        if ended.is_err() {
            peers.iter().for_each(|peer| peer.stop(Some(bound)));
        }
        drop(runtime);
        end(index);
        match ended {
            Ok(output) => output.ok_or(JoinError::Aborted),
            Err(payload) => Err(JoinError::panicked(payload)),
        }
    }
}
