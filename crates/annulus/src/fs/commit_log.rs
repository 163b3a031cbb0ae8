//! Records of many tasks, made durable together: group commit.
//!
//! Owns: the batch that gathers, who waits for which, and what a failure means for all. Does not
//! own: what a record looks like, nor finding the end of a log when it is opened.
//!
//! ```text
//!   append --> gathers --taken--> written + flushed --> durable     everybody of it is told
//!                 ^                  |       one batch at a time
//!                 '-- the next one --'       a failure: poisoned, and everybody is told that
//! ```
//!
//! Invariants: records stand in the file in the order in which they were appended; somebody is told
//! that a record is durable only after the flush behind its write has succeeded; after a write or a
//! flush has failed nothing is written any more, because after a failed flush the pages count as
//! clean, and one that succeeds later proves nothing.

mod driver;

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use annulus_task::clone_waker;

use super::{File, Synced};

/// Bytes that gather before an append waits.
const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// A file that many tasks append records to, and which are told when theirs is durable.
///
/// While one batch is written and flushed, the next one gathers: so there is one write and one
/// flush for as many records as came meanwhile, and with one task at a time, one for each. A clone
/// is another handle of the same log. Any thread may append; the file is written on the core that
/// made the log, by a task of that core, which ends when the last handle is gone and everything is
/// written.
///
/// # When something fails
/// A write or a flush that fails poisons the log: all records that were not durable yet, those that
/// only gathered included, and all that are appended later, fail with the same [`CommitError`].
/// This is the rule of fsync(2): after an error the pages count as clean, the data may be nowhere,
/// and a second flush would succeed without it. So nothing is tried again. What to do is up to who
/// knows the records: mostly to stop, and to look at the next start how far the file is whole.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::fs::{CommitLog, File};
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("log");
///
/// let log = CommitLog::new(File::create(&path).await?, 0)?;
/// let mut tasks = annulus::task::JoinSet::new();
/// for number in 0..100 {
///     let log = log.clone();
///     tasks.spawn(async move { log.append(format!("record {number}\n")).await });
/// }
/// while let Some(durable) = tasks.join_next().await {
///     durable.expect("no panic")?;
/// }
/// assert_eq!(std::fs::read_to_string(&path)?.lines().count(), 100);
/// assert!(log.batches() < 100, "most of them were flushed together");
/// # Ok(())
/// # }
/// ```
pub struct CommitLog {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
}

struct State {
    /// The batch that gathers.
    gathering: Batch,
    /// The number of the batch that gathers; those before the durable one are on the device.
    batch: u64,
    durable: u64,
    /// Who waits for the batch that is written.
    in_flight: Vec<Option<Waker>>,
    /// Who waits for room.
    waiting: Vec<Waker>,
    /// Where the next record goes.
    end: u64,
    /// The memory of the batch before.
    spare: Vec<u8>,
    poisoned: Option<CommitError>,
    handles: usize,
    /// The task that writes, while it has nothing to write.
    driver: Option<Waker>,
}

#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    waiters: Vec<Option<Waker>>,
}

/// At which step a [`CommitLog`] failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommitStage {
    /// Writing: a part of the batch may be in the file.
    Write,
    /// Flushing: the file may look whole, and nobody knows what the device has.
    Flush,
    /// Neither: the core of the log has ended.
    Ended,
}

/// Why a record is not durable, and never will be. It converts into an [`io::Error`] of the same
/// kind, inside of which it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommitError {
    stage: CommitStage,
    kind: io::ErrorKind,
    message: Arc<str>,
}

impl CommitError {
    fn new(stage: CommitStage, error: &io::Error) -> Self {
        Self { stage, kind: error.kind(), message: error.to_string().into() }
    }

    /// At which step it failed.
    #[must_use]
    pub fn stage(&self) -> CommitStage {
        self.stage
    }

    /// The kind of the error that poisoned the log.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.kind
    }
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.stage {
            CommitStage::Write => "a write failed",
            CommitStage::Flush => "a flush failed",
            CommitStage::Ended => "its core has ended",
        };
        write!(f, "the log takes no more records, because {what}: {}", self.message)
    }
}

impl std::error::Error for CommitError {}

impl From<CommitError> for io::Error {
    fn from(error: CommitError) -> Self {
        Self::new(error.kind, error)
    }
}

impl CommitLog {
    /// A log that appends to `file` from `offset` on, and flushes data ([`Synced::Data`]). The file
    /// should be open for writing, and not for appending.
    ///
    /// # Errors
    /// If no runtime runs on this thread.
    pub fn new(file: File, offset: u64) -> io::Result<Self> {
        Self::with_sync(file, offset, Synced::Data)
    }

    /// As [`new`](Self::new), with another kind of flush.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_sync(file: File, offset: u64, sync: Synced) -> io::Result<Self> {
        crate::core::with_any(|_| ())?;
        let state = State {
            gathering: Batch::default(),
            batch: 0,
            durable: 0,
            in_flight: Vec::new(),
            waiting: Vec::new(),
            end: offset,
            spare: Vec::new(),
            poisoned: None,
            handles: 1,
            driver: None,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state) });
        let driver = driver::Driver::new(shared.clone());
        crate::spawn(driver.run(file, offset, sync));
        Ok(Self { shared })
    }

    /// Appends a record, and resolves when it is durable: with the offset at which it begins. The
    /// bytes are copied when the future is first polled, and stand in the file as they are: lengths
    /// and checksums, which a reader needs to tell a whole record from a torn one, are the
    /// caller's.
    ///
    /// If a mebibyte gathers, it waits for room first.
    ///
    /// # Errors
    /// [`CommitError`], if the log is poisoned.
    ///
    /// # Cancel safety
    /// Dropped before its record was taken, nothing is appended; afterwards the record is written
    /// like others, and nobody is told.
    ///
    /// # Kernel
    /// `WRITE` and, linked behind it, `FSYNC`, for each batch.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// use annulus::fs::{CommitLog, File};
    ///
    /// let file = File::create(dir.path().join("log")).await?;
    /// let log = CommitLog::new(file, 0)?;
    /// let (first, second) = annulus::join!(log.append("one\n"), log.append("two\n"));
    /// assert_eq!((first?, second?), (0, 4)); // both last, after one flush or two
    /// # Ok(())
    /// # }
    /// ```
    pub fn append<R: AsRef<[u8]>>(&self, record: R) -> Append<'_, R> {
        Append { log: self, record: Some(record), place: None }
    }

    /// How many batches are durable.
    #[must_use]
    pub fn batches(&self) -> u64 {
        self.shared.lock().durable
    }

    /// Where the next record will begin.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.shared.lock().end
    }

    /// Why the log takes no more records, if it does not.
    #[must_use]
    pub fn poisoned(&self) -> Option<CommitError> {
        self.shared.lock().poisoned.clone()
    }
}

impl Clone for CommitLog {
    fn clone(&self) -> Self {
        self.shared.lock().handles += 1;
        Self { shared: self.shared.clone() }
    }
}

impl Drop for CommitLog {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.handles -= 1;
        let driver = if state.handles == 0 { state.driver.take() } else { None };
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}

impl fmt::Debug for CommitLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("CommitLog")
            .field("end", &state.end)
            .field("batches", &state.durable)
            .field("gathered_bytes", &state.gathering.bytes.len())
            .field("poisoned", &state.poisoned)
            .finish()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The future of [`CommitLog::append`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Append<'a, R> {
    log: &'a CommitLog,
    record: Option<R>,
    place: Option<Place>,
}

/// Where a record is.
#[derive(Clone, Copy, Debug)]
struct Place {
    batch: u64,
    /// Of its waker.
    index: usize,
    offset: u64,
}

impl<R> Unpin for Append<'_, R> {}

impl<R: AsRef<[u8]>> Future for Append<'_, R> {
    type Output = Result<u64, CommitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let waker = clone_waker(cx.waker());
        if let Some(place) = this.place {
            return this.log.shared.look(place, waker);
        }
        let record = this.record.as_ref().expect("a record is appended once");
        // What the caller's code says is asked for before anything is locked.
        let bytes = record.as_ref();
        match this.log.shared.gather(bytes, waker) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(place)) => {
                this.place = Some(place);
                this.record = None;
                Poll::Pending
            }
        }
    }
}

impl Shared {
    /// Takes a record into the batch that gathers, if there is room.
    fn gather(&self, record: &[u8], waker: Waker) -> Poll<Result<Place, CommitError>> {
        let mut state = self.lock();
        if let Some(error) = &state.poisoned {
            return Poll::Ready(Err(error.clone()));
        }
        let gathered = state.gathering.bytes.len();
        if gathered > 0 && gathered.saturating_add(record.len()) > BATCH_BYTES_MAX {
            state.waiting.push(waker);
            return Poll::Pending;
        }
        let offset = state.end;
        let batch = state.batch;
        state.end += record.len() as u64;
        state.gathering.bytes.extend_from_slice(record);
        let index = state.gathering.waiters.len();
        state.gathering.waiters.push(Some(waker));
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        Poll::Ready(Ok(Place { batch, index, offset }))
    }

    /// What became of a record.
    fn look(&self, place: Place, waker: Waker) -> Poll<Result<u64, CommitError>> {
        let mut state = self.lock();
        if place.batch < state.durable {
            return Poll::Ready(Ok(place.offset));
        }
        if let Some(error) = &state.poisoned {
            return Poll::Ready(Err(error.clone()));
        }
        let is_gathering = place.batch == state.batch;
        let State { gathering, in_flight, .. } = &mut *state;
        let waiters = if is_gathering { &mut gathering.waiters } else { in_flight };
        let displaced = waiters.get_mut(place.index).and_then(|place| place.replace(waker));
        drop(state);
        drop(displaced);
        Poll::Pending
    }
}
