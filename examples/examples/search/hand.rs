//! How files come to the cores: one walks through the tree, all search.

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use annulus::fs::walk;
use annulus::sync::cross::{Receiver, Sender, channel};

use crate::args::Args;

/// Files that are handed over at once.
const BATCH: usize = 16;
/// Batches that wait for a core at most.
const WAITING: usize = 8;

type Files = Vec<PathBuf>;

/// What each core takes when it begins.
pub struct Seats {
    senders: Mutex<Option<Vec<Sender<Files>>>>,
    receivers: Mutex<Vec<Receiver<Files>>>,
}

impl Seats {
    pub fn new(cores: usize) -> Self {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..cores).map(|_| channel(WAITING)).unzip();
        Self { senders: Mutex::new(Some(senders)), receivers: Mutex::new(receivers) }
    }

    /// The files of one core; for the first that asks, also the walk that they come from.
    pub fn take(&self, args: &Args) -> (Option<impl Future<Output = ()> + use<>>, Receiver<Files>) {
        let mut receivers = self.receivers.lock().unwrap_or_else(PoisonError::into_inner);
        let files = receivers.pop().expect("there is one for each core");
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        let walk = senders.take().map(|senders| hand_out(args.dir.clone(), senders));
        (walk, files)
    }
}

async fn hand_out(dir: PathBuf, senders: Vec<Sender<Files>>) {
    let (mut walk, mut batch) = (walk(dir), Vec::new());
    while let Some(entry) = walk.next_entry().await {
        match entry {
            Ok(entry) if entry.file_type().is_file() => batch.push(entry.path()),
            Ok(_) => {}
            Err(error) => eprintln!("search: {error}"),
        }
        if batch.len() == BATCH {
            hand_over(std::mem::take(&mut batch), &senders).await;
        }
    }
    hand_over(batch, &senders).await;
}

/// Gives files to the first core that has room for them. The last is this one, which has to walk,
/// too.
async fn hand_over(mut batch: Files, senders: &[Sender<Files>]) {
    for sender in senders {
        match sender.try_send(batch) {
            Ok(()) => return,
            Err(error) => batch = error.into_inner(),
        }
    }
    // Nobody has: the core that is done first is not known, and this one is as good as any.
    if let Some(own) = senders.last() {
        let _ = own.send(batch).await;
    }
}
