//! Every future of a file and of a timer, ended at every point.

use std::time::Duration;

use annulus::fs::{Dir, File, OpenOptions};
use annulus::time::{MissedTicks, interval, sleep, timeout};

use super::{at_every_point, at_rest, small};
use crate::harness::{check, descriptors, own_process};

#[test]
fn open_ended_anywhere_leaves_no_descriptor() {
    at_every_point(|cut| async move {
        drop(cut.end(File::open("/etc/passwd")).await.transpose()?);
        Ok(())
    });
}

#[test]
fn open_beneath_ended_anywhere_leaves_no_descriptor() {
    at_every_point(|cut| async move {
        let dir = Dir::open("/etc").await?;
        let dir: &'static Dir = Box::leak(Box::new(dir));
        let mut options = OpenOptions::new();
        options.read(true);
        let opened = cut.end(dir.open_beneath("passwd", &options)).await.transpose()?;
        drop(opened);
        // SAFETY: leaked above; the future that borrowed it is gone, or is never polled again.
        drop(unsafe { Box::from_raw(std::ptr::from_ref(dir).cast_mut()) });
        Ok(())
    });
}

/// A file for a future that may be forgotten.
async fn scratch(name: &str) -> std::io::Result<(tempfile::TempDir, &'static File)> {
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join(name), [7; 10_000])?;
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).open(dir.path().join(name)).await?;
    Ok((dir, Box::leak(Box::new(file))))
}

fn unleak(file: &'static File) -> File {
    // SAFETY: leaked by `scratch`; the future that borrowed it is gone, or is never polled again.
    *unsafe { Box::from_raw(std::ptr::from_ref(file).cast_mut()) }
}

#[test]
fn reads_ended_anywhere_leave_the_file_readable() {
    at_every_point(|cut| async move {
        let (_dir, file) = scratch("read").await?;
        let got = cut.end(file.read_exact_at(vec![0; 9000], 500)).await;
        if let Some(((), buf)) = got.transpose()? {
            assert_eq!(buf, [7; 9000]);
        }
        let (n, buf) = file.read_at(vec![0; 20_000], 1).await?;
        assert_eq!((n, &buf[..]), (9_999, &[7; 9_999][..]));
        drop(unleak(file));
        Ok(())
    });
}

#[test]
fn writes_ended_anywhere_write_all_of_one_request_or_nothing() {
    at_every_point(|cut| async move {
        let (_dir, file) = scratch("write").await?;
        let wrote = cut.end(file.write_all_at(vec![9; 3000], 0)).await;
        let ended = wrote.transpose()?.is_some();
        file.write_all_at("later", 9_000).await?;
        file.sync_all().await?;
        let ((), buf) = file.read_exact_at(vec![0; 10_000], 0).await?;
        if ended {
            assert_eq!(buf[..3000], [9; 3000]);
        } else if cut.polled() {
            assert!(buf[..3000] == [9; 3000] || buf[..3000] == [7; 3000], "{cut:?}");
        } else {
            assert_eq!(buf[..3000], [7; 3000]);
        }
        assert_eq!(buf[3000..9_000], [7; 6000], "nothing else was touched");
        assert_eq!(buf[9_000..9_005], *b"later");
        drop(unleak(file));
        Ok(())
    });
}

#[test]
fn sync_ended_anywhere_leaves_the_file_usable() {
    at_every_point(|cut| async move {
        let (_dir, file) = scratch("sync").await?;
        file.write_all_at("dirty", 0).await?;
        let both = async {
            file.sync_data().await?;
            file.sync_all().await
        };
        cut.end(both).await.transpose()?;
        let (_, buf) = file.read_at(vec![0; 5], 0).await?;
        assert_eq!(buf, b"dirty");
        drop(unleak(file));
        Ok(())
    });
}

#[test]
fn close_ended_anywhere_closes() {
    at_every_point(|cut| async move {
        let (_dir, file) = scratch("close").await?;
        cut.end(unleak(file).close()).await.transpose()?;
        Ok(())
    });
}

#[test]
fn metadata_ended_anywhere_leaves_nothing() {
    at_every_point(|cut| async move {
        let found = cut.end(annulus::fs::metadata("/etc/passwd")).await;
        if let Some(found) = found.transpose()? {
            assert!(found.is_file());
        }
        Ok(())
    });
}

#[test]
fn sleeps_ended_anywhere_take_their_timers_along() {
    at_every_point(|cut| async move {
        let slept = async {
            sleep(Duration::from_micros(300)).await;
            sleep(Duration::ZERO).await;
            sleep(Duration::from_micros(200)).await;
        };
        cut.end(slept).await;
        Ok(())
    });
}

#[test]
fn timeouts_ended_anywhere_take_their_timers_along() {
    at_every_point(|cut| async move {
        let timed = async {
            let never = std::future::pending::<()>();
            timeout(Duration::from_micros(300), never).await
        };
        if let Some(result) = cut.end(timed).await {
            assert!(result.is_err());
        }
        Ok(())
    });
}

#[test]
fn ticks_ended_anywhere_are_not_lost() {
    at_every_point(|cut| async move {
        let period = Duration::from_micros(200);
        let leaked = Box::into_raw(Box::new(interval(period)));
        // SAFETY: leaked just now, and not used otherwise before the future below is gone.
        let ticks = unsafe { &mut *leaked };
        ticks.set_missed_ticks(MissedTicks::Burst);
        let first = ticks.tick().await;
        let due = cut.end(ticks.tick()).await;
        // SAFETY: leaked above; the future that borrowed it is gone, or is never polled again.
        let mut ticks = unsafe { Box::from_raw(leaked) };
        let second = match due {
            Some(due) => due,
            None => ticks.tick().await,
        };
        assert_eq!(second, first + period, "{cut:?}");
        Ok(())
    });
}

#[test]
fn a_thousand_opens_given_up_leave_no_descriptor() {
    let _own = own_process();
    let before = descriptors();
    check(small(), async {
        for round in 0..1000 {
            let mut opening = Box::pin(File::open("/etc/passwd"));
            assert!(futures_util::poll!(&mut opening).is_pending());
            match round % 3 {
                0 => super::yield_to_kernel().await?,
                1 => std::thread::scope(|scope| {
                    scope.spawn(move || drop(opening));
                }),
                _ => drop(opening),
            }
        }
        at_rest().await
    });
    assert_eq!(descriptors(), before);
}
