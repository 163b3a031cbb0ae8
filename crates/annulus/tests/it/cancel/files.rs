//! Every future of a file and of a timer, ended at every point.

use std::time::Duration;

use annulus::fs::{Dir, File, OpenOptions};
use annulus::time::{MissedTicks, interval, sleep, timeout};

use super::{Cut, Points};

#[test]
fn open_ended_anywhere_leaves_no_descriptor() {
    Points::of(&["fs::file::open"]).run(|cut| async move {
        let path = cut.file("opened", b"there");
        let opened = cut.end(File::open(path)).await.transpose()?;
        if let Some(file) = opened {
            assert_eq!(file.len()?, 5);
        }
        Ok(())
    });
}

#[test]
fn open_beneath_ended_anywhere_leaves_no_descriptor() {
    Points::of(&["fs::dir::open_beneath"]).run(|cut| async move {
        let path = cut.file("inside", b"there");
        let dir = Dir::open(path.parent().expect("it is in a directory")).await?;
        let dir: &'static Dir = Box::leak(Box::new(dir));
        let opening = async move {
            let mut options = OpenOptions::new();
            options.read(true);
            dir.open_beneath("inside", &options).await
        };
        if let Some(file) = cut.end(opening).await.transpose()? {
            assert_eq!(file.len()?, 5);
        }
        // SAFETY: leaked above; the future that borrowed it is gone, or is never polled again.
        drop(unsafe { Box::from_raw(std::ptr::from_ref(dir).cast_mut()) });
        Ok(())
    });
}

/// A file for a future that may be forgotten.
async fn scratch(cut: &Cut, name: &str) -> std::io::Result<&'static File> {
    let path = cut.file(name, &[7; 10_000]);
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).open(path).await?;
    Ok(Box::leak(Box::new(file)))
}

fn unleak(file: &'static File) -> File {
    // SAFETY: leaked by `scratch`; the future that borrowed it is gone, or is never polled again.
    *unsafe { Box::from_raw(std::ptr::from_ref(file).cast_mut()) }
}

#[test]
fn reads_ended_anywhere_leave_the_file_readable() {
    Points::of(&["fs::file::read_at", "fs::file::read_exact_at"]).run(|cut| async move {
        let file = scratch(&cut, "read").await?;
        let reading = async move {
            let (n, first) = file.read_at(vec![0; 500], 0).await?;
            assert_eq!(first[..n], [7; 500][..n]);
            file.read_exact_at(vec![0; 9000], 500).await
        };
        let got = cut.end(reading).await;
        if let Some(((), buf)) = got.transpose()? {
            assert_eq!(buf, [7; 9000]);
        }
        let ((), buf) = file.read_exact_at(vec![0; 9_999], 1).await?;
        assert_eq!(buf, [7; 9_999]);
        drop(unleak(file));
        Ok(())
    });
}

#[test]
fn writes_ended_anywhere_write_all_of_one_request_or_nothing() {
    Points::of(&["fs::file::write_at", "fs::file::write_all_at"]).run(|cut| async move {
        let file = scratch(&cut, "write").await?;
        let writing = async move {
            // A prefix of what follows, so that it matters to nobody how much of it was written.
            file.write_at(vec![9; 10], 0).await?;
            file.write_all_at(vec![9; 3000], 0).await
        };
        let ended = cut.end(writing).await.transpose()?.is_some();
        file.write_all_at("later", 9_000).await?;
        file.sync_all().await?;
        let ((), buf) = file.read_exact_at(vec![0; 10_000], 0).await?;
        if ended {
            assert_eq!(buf[..3000], [9; 3000]);
        } else if cut.polled() {
            // One request may be short on the simulated kernel; what it wrote is a beginning.
            let written = buf[..3000].iter().take_while(|&&byte| byte == 9).count();
            assert_eq!(buf[written..3000], [7; 3000][written..], "{cut:?}");
            let whole = matches!(written, 0 | 10 | 3000);
            assert!(whole || cut.is_simulated(), "{cut:?}: {written} bytes");
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
    Points::of(&["fs::file::sync_all", "fs::file::sync_data"]).run(|cut| async move {
        let file = scratch(&cut, "sync").await?;
        file.write_all_at("dirty", 0).await?;
        let both = async {
            file.sync_data().await?;
            file.sync_all().await
        };
        cut.end(both).await.transpose()?;
        let ((), buf) = file.read_exact_at(vec![0; 5], 0).await?;
        assert_eq!(buf, b"dirty");
        drop(unleak(file));
        Ok(())
    });
}

#[test]
fn close_ended_anywhere_closes() {
    Points::of(&["fs::file::close"]).run(|cut| async move {
        let file = scratch(&cut, "close").await?;
        cut.end(unleak(file).close()).await.transpose()?;
        Ok(())
    });
}

#[test]
fn metadata_ended_anywhere_leaves_nothing() {
    Points::of(&["fs::metadata::metadata", "fs::metadata::symlink_metadata"]).run(
        |cut| async move {
            let path = cut.file("known", b"there");
            let looking = async move {
                let found = annulus::fs::metadata(&path).await?;
                assert!(found.is_file());
                annulus::fs::symlink_metadata(&path).await
            };
            if let Some(found) = cut.end(looking).await.transpose()? {
                assert_eq!(found.len(), 5);
            }
            Ok(())
        },
    );
}

#[test]
fn a_copy_ended_anywhere_is_whole_or_not_awaited() {
    Points::of(&["fs::copy::copy"]).real_only("threads").run(|cut| async move {
        let from = cut.file("original", &[3; 5000]);
        let to = from.with_file_name("copy");
        if let Some(bytes) = cut.end(annulus::fs::copy(from, to.clone())).await.transpose()? {
            assert_eq!((bytes, std::fs::read(to)?), (5000, vec![3; 5000]));
        }
        Ok(())
    });
}

#[test]
fn opens_of_every_kind_ended_anywhere_leave_no_descriptor() {
    Points::of(&[
        "fs::file::create",
        "fs::dir::open",
        "fs::dir::open_file",
        "fs::open_options::open",
    ])
    .run(|cut| async move {
        let path = cut.file("old", b"there");
        let opening = async move {
            let parent = path.parent().expect("it is in a directory");
            let dir = Dir::open(parent).await?;
            let beneath = dir.open_file("old").await?;
            assert_eq!(beneath.len()?, 5);
            let made = File::create(parent.join("new")).await?;
            made.write_all_at("new", 0).await?;
            drop((beneath, made, dir));
            OpenOptions::new().read(true).open(parent.join("new")).await
        };
        if let Some(file) = cut.end(opening).await.transpose()? {
            assert_eq!(file.read_exact_at(vec![0; 3], 0).await?.1, b"new");
        }
        Ok(())
    });
}

#[test]
fn requests_in_pieces_ended_anywhere_leave_the_file_usable() {
    Points::of(&["fs::file::read_vectored_at", "fs::file::write_vectored_at"])
        .real_only("READV and WRITEV")
        .run(|cut| async move {
            let file = scratch(&cut, "pieces").await?;
            let pieces = async move {
                let out = (vec![8; 100], "tail");
                let (n, _) = file.write_vectored_at(out, 0).await?;
                let (_, read) = file.read_vectored_at((vec![0; 50], vec![0; 54]), 0).await?;
                std::io::Result::Ok((n, read))
            };
            if let Some((n, (first, second))) = cut.end(pieces).await.transpose()? {
                assert_eq!((n, first), (104, vec![8; 50]));
                assert_eq!((&second[..50], &second[50..]), (&[8; 50][..], &b"tail"[..]));
            }
            let ((), buf) = file.read_exact_at(vec![0; 200], 104).await?;
            assert_eq!(buf, [7; 200], "{cut:?}: nothing else was touched");
            drop(unleak(file));
            Ok(())
        });
}

#[test]
fn sleeps_ended_anywhere_take_their_timers_along() {
    Points::of(&["time::sleep::Sleep"]).run(|cut| async move {
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
    Points::of(&["time::timeout::Timeout"]).run(|cut| async move {
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
    Points::of(&["time::interval::tick", "time::interval::Interval"]).run(|cut| async move {
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
fn an_advance_ended_anywhere_leaves_the_clock_where_it_is() {
    Points::of(&["time::clock::advance"]).run(|cut| async move {
        annulus::time::pause();
        let start = annulus::time::Instant::now();
        let step = Duration::from_secs(3);
        cut.end(annulus::time::advance(step)).await;
        let moved = if cut.polled() { step } else { Duration::ZERO };
        assert_eq!(start.elapsed(), moved);
        annulus::time::resume();
        Ok(())
    });
}
