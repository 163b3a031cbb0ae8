//! Locks: who gets one, who waits, and that none stays with somebody who is gone.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use annulus::fs::{File, TryLockError};
use annulus::time::timeout;
use futures_util::future::poll_immediate;

use crate::cancel::until;
use crate::harness::{Scratch, run};

/// What any other program gets: exclusively, or shared.
fn is_free(path: &Path, exclusively: bool) -> bool {
    use rustix::fs::FlockOperation::{NonBlockingLockExclusive, NonBlockingLockShared};
    let file = std::fs::File::open(path).expect("it is there");
    let how = if exclusively { NonBlockingLockExclusive } else { NonBlockingLockShared };
    rustix::fs::flock(file, how).is_ok()
}

#[test]
fn locks_exclude_each_other_as_they_should() {
    let scratch = Scratch::new();
    let path = scratch.file("lock", b"");
    run(async {
        let (one, two) = (File::open(&path).await?, File::open(&path).await?);
        one.try_lock()?;
        assert!(matches!(two.try_lock(), Err(TryLockError::WouldBlock)));
        assert!(matches!(two.try_lock_shared(), Err(TryLockError::WouldBlock)));
        assert!(!is_free(&path, false));
        let error = std::io::Error::from(two.try_lock().expect_err("it is taken"));
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        one.unlock()?;
        one.try_lock_shared()?;
        two.lock_shared().await?;
        assert!(is_free(&path, false) && !is_free(&path, true));
        drop(two);
        until("a closed file has no lock", || one.try_lock().is_ok()).await?;
        // A clone shares the lock, and gives it up for both.
        one.try_clone()?.unlock()?;
        assert!(is_free(&path, true));
        Ok(())
    });
}

#[test]
fn a_lock_is_waited_for_while_the_core_goes_on() {
    let scratch = Scratch::new();
    let path = scratch.file("lock", b"");
    run(async {
        let (one, two) = (File::open(&path).await?, File::open(&path).await?);
        one.lock().await?;
        let mut waiting = Box::pin(two.lock());
        assert!(poll_immediate(&mut waiting).await.is_none());
        // Others are served meanwhile.
        let read = one.read_at(vec![0; 4], 0).await?;
        assert_eq!(read.0, 0);
        assert!(poll_immediate(&mut waiting).await.is_none());
        one.unlock()?;
        waiting.await?;
        assert!(!is_free(&path, false));
        Ok(())
    });
}

#[test]
fn a_lock_that_nobody_waits_for_any_more_is_not_taken() {
    let scratch = Scratch::new();
    let path = scratch.file("lock", b"");
    run(async {
        let (one, two) = (File::open(&path).await?, File::open(&path).await?);
        one.lock().await?;
        for shared in [false, true] {
            let waited = async { if shared { two.lock_shared().await } else { two.lock().await } };
            timeout(Duration::from_micros(500), waited).await.expect_err("it is not free");
        }
        one.unlock()?;
        until("both threads have given it back", || is_free(&path, true)).await?;
        two.lock().await?;
        Ok(())
    });
}
