//! The task that writes a log.
//!
//! Owns: when a batch is taken, and telling those who wait for it. Invariant: however the task
//! ends, everybody who waits is told; if it is dropped, that the log has ended.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use annulus_task::clone_waker;

use super::{BATCH_BYTES_MAX, CommitError, CommitStage, Shared};
use crate::fs::{File, Synced};
use crate::op::chain;

/// Tells everybody when it is dropped.
pub(super) struct Driver {
    shared: Arc<Shared>,
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Writes batch after batch, until there are no handles and no records left.
    pub(super) async fn run(self, file: File, mut offset: u64, sync: Synced) {
        while let Some(bytes) = poll_fn(|cx| self.poll_batch(cx)).await {
            let written = bytes.len() as u64;
            match commit(&file, bytes, offset, sync).await {
                Ok(bytes) => {
                    offset += written;
                    self.batch_is_durable(bytes);
                }
                Err(error) => {
                    self.poison(error);
                    return;
                }
            }
        }
    }

    /// Takes the batch that has gathered.
    fn poll_batch(&self, cx: &mut Context<'_>) -> Poll<Option<Vec<u8>>> {
        let waker = clone_waker(cx.waker());
        let mut state = self.shared.lock();
        if state.gathering.waiters.is_empty() {
            if state.handles == 0 {
                return Poll::Ready(None);
            }
            let displaced = state.driver.replace(waker);
            drop(state);
            drop(displaced);
            return Poll::Pending;
        }
        let spare = std::mem::take(&mut state.spare);
        let bytes = std::mem::replace(&mut state.gathering.bytes, spare);
        state.in_flight = std::mem::take(&mut state.gathering.waiters);
        state.batch += 1;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        // There is room now.
        waiting.into_iter().for_each(Waker::wake);
        Poll::Ready(Some(bytes))
    }

    fn batch_is_durable(&self, mut bytes: Vec<u8>) {
        bytes.clear();
        let mut state = self.shared.lock();
        state.durable = state.batch;
        if bytes.capacity() <= 2 * BATCH_BYTES_MAX {
            state.spare = bytes;
        }
        let told = std::mem::take(&mut state.in_flight);
        drop(state);
        told.into_iter().flatten().for_each(Waker::wake);
    }

    fn poison(&self, error: CommitError) {
        let mut state = self.shared.lock();
        state.poisoned.get_or_insert(error);
        state.gathering.bytes = Vec::new();
        let gathering = std::mem::take(&mut state.gathering.waiters);
        let in_flight = std::mem::take(&mut state.in_flight);
        let waiting = std::mem::take(&mut state.waiting);
        let driver = state.driver.take();
        drop(state);
        drop(driver);
        in_flight.into_iter().chain(gathering).flatten().chain(waiting).for_each(Waker::wake);
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let ended = io::Error::other("its core has ended, or its task was dropped");
        // Nobody is left if it ended by itself; a log that is poisoned already stays as it is.
        self.poison(CommitError::new(CommitStage::Ended, &ended));
    }
}

/// Writes all bytes at `offset` and flushes them: the flush is linked behind the write, and behind
/// that of the rest if the write was short.
async fn commit(
    file: &File,
    bytes: Vec<u8>,
    offset: u64,
    sync: Synced,
) -> Result<Vec<u8>, CommitError> {
    let failed = |stage| move |error: io::Error| CommitError::new(stage, &error);
    let (mut bytes, mut done) = (bytes, 0);
    loop {
        let rest = crate::buf::IoBuf::slice(bytes, done..);
        let write = file.write_at(rest, offset + done as u64);
        let (wrote, synced) = match sync {
            Synced::Data => chain((write, file.sync_data())).await,
            Synced::All => chain((write, file.sync_all())).await,
        };
        let (n, slice) = wrote.map_err(|error| failed(CommitStage::Write)(error.into()))?;
        bytes = slice.into_inner();
        done += n;
        if done >= bytes.len() {
            return synced.map(|()| bytes).map_err(failed(CommitStage::Flush));
        }
        if n == 0 {
            let error = io::Error::new(io::ErrorKind::WriteZero, "the file took no more bytes");
            return Err(failed(CommitStage::Write)(error));
        }
    }
}
