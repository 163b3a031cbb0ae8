//! Every future of direct files, of their buffers, and of linked requests, ended at every point.

use std::io;

use annulus::buf::{AlignedBuf, DirectPool};
use annulus::fs::{CommitLog, Direct, File, Merge, OpenOptions, RwOptions, Synced};

use super::{Cut, Points};

const BLOCK: usize = 4096;

/// A file for a future that may be forgotten.
async fn scratch(cut: &Cut, name: &str, contents: &[u8]) -> io::Result<&'static File> {
    let path = cut.file(name, contents);
    let file = OpenOptions::new().read(true).write(true).open(path).await?;
    Ok(Box::leak(Box::new(file)))
}

/// The same, past the page cache; `None` where there is none.
async fn direct(cut: &Cut) -> io::Result<Option<&'static Direct>> {
    let path = cut.file("table", &[7; 4 * BLOCK]);
    let opened = Direct::open_with(OpenOptions::new().read(true).write(true), path).await;
    Ok(opened.ok().map(|direct| &*Box::leak(Box::new(direct))))
}

fn unleak<T>(leaked: &'static T) -> T {
    // SAFETY: leaked above; the future that borrowed it is gone, or is never polled again.
    *unsafe { Box::from_raw(std::ptr::from_ref(leaked).cast_mut()) }
}

#[test]
fn opens_of_direct_files_ended_anywhere_leave_no_descriptor() {
    Points::of(&["fs::direct::open", "fs::direct::open_with"]).run(|cut| async move {
        let path = cut.file("table", &[7; BLOCK]);
        let opening = async move {
            let mut options = OpenOptions::new();
            drop(Direct::open_with(options.read(true), &path).await);
            Direct::open(path).await
        };
        if let Some(Ok(table)) = cut.end(opening).await {
            assert_eq!(table.len()?, BLOCK as u64);
        }
        Ok(())
    });
}

#[test]
fn requests_of_direct_files_ended_anywhere_leave_the_file_usable() {
    Points::of(&[
        "fs::direct::read_at",
        "fs::direct::write_at",
        "fs::direct::write_all_at",
        "fs::direct::write_synced_at",
        "fs::direct::read_ranges",
        "fs::direct::sync_all",
        "fs::direct::sync_data",
    ])
    .run(|cut| async move {
        let Some(table) = direct(&cut).await? else { return Ok(()) };
        let working = async move {
            let buf = AlignedBuf::new(BLOCK, BLOCK)?;
            let (_, buf) = table.read_at(buf, 0).await?;
            let (_, buf) = table.with(RwOptions::new()).read_at(buf, 0).await?;
            let (n, buf) = table.write_at(buf, 0).await?;
            // A part of a block can be written on the simulated kernel only.
            if n == BLOCK {
                let written = table.write_all_at(buf, 0).await;
                let synced = table.write_synced_at("", 0, Synced::All).await;
                synced?;
                drop(written);
            }
            table.sync_data().await?;
            table.sync_all().await?;
            table.read_ranges(&[5..10, 100..5000], Merge::default()).await.map(drop)
        };
        cut.end(working).await.transpose()?;
        let read = table.read_ranges(&[4000..4200, 0..10], Merge::default()).await?;
        // What ends amid a block is the end of the file, but on the simulated kernel.
        assert!(read.iter().all(|bytes| bytes.iter().all(|&byte| byte == 7)));
        assert!(cut.is_simulated() || read[0].len() == 200);
        drop(unleak(table));
        Ok(())
    });
}

#[test]
fn space_that_is_asked_for_may_be_given_up_anywhere() {
    Points::of(&["fs::direct::allocate"]).real_only("FALLOCATE").run(|cut| async move {
        let Some(table) = direct(&cut).await? else { return Ok(()) };
        let ended = cut.end(table.allocate(0, 16 * BLOCK as u64)).await;
        if ended.is_some_and(|done| done.is_ok()) {
            assert_eq!(table.len()?, 16 * BLOCK as u64);
        }
        drop(unleak(table));
        Ok(())
    });
}

#[test]
fn requests_with_options_ended_anywhere_leave_the_file_usable() {
    Points::of(&[
        "fs::file_with::read_at",
        "fs::file_with::write_at",
        "fs::file_with::write_all_at",
        "fs::file_with::read_vectored_at",
        "fs::file_with::write_vectored_at",
    ])
    .real_only("READV and WRITEV")
    .run(|cut| async move {
        let file = scratch(&cut, "file", &[7; 1000]).await?;
        let working = async move {
            let durable = file.with(RwOptions::new().dsync());
            durable.write_at(vec![7; 10], 0).await?;
            durable.write_all_at(vec![7; 10], 0).await?;
            durable.write_vectored_at((vec![7; 5], vec![7; 5]), 0).await?;
            let plain = file.with(RwOptions::new());
            plain.read_at(vec![0; 10], 0).await?;
            plain.read_vectored_at((vec![0; 5], vec![0; 5]), 0).await.map(drop)?;
            io::Result::Ok(())
        };
        cut.end(working).await.transpose()?;
        assert_eq!(file.read_exact_at(vec![0; 1000], 0).await?.1, [7; 1000]);
        drop(unleak(file));
        Ok(())
    });
}

#[test]
fn buffers_of_a_pool_come_back_wherever_their_future_ends() {
    Points::of(&["buf::direct::take"]).run(|cut| async move {
        let pool: &'static DirectPool = Box::leak(Box::new(DirectPool::new(2, BLOCK)?));
        let (held, other) = (pool.take().await, pool.take().await);
        let file = scratch(&cut, "file", &[7; BLOCK]).await?;
        let giving = annulus::spawn(async move {
            annulus::task::yield_now().await;
            drop(held);
        });
        let taking = async move {
            let buf = pool.take().await;
            file.read_at(buf, 0).await.map(drop)
        };
        cut.end(taking).await.transpose()?;
        giving.await.expect("no panic");
        drop(other);
        drop(unleak(file));
        if !cut.forgets() {
            // A request that was dropped gives its buffer back when the kernel has.
            super::until("both are back", || pool.buffers() == (2, 2)).await?;
            drop(unleak(pool));
        }
        Ok(())
    });
}

#[test]
fn a_stream_that_is_ended_anywhere_cancels_its_reads() {
    Points::of(&["fs::read_stream::next", "fs::read_stream::ReadStream"]).run(|cut| async move {
        let file = scratch(&cut, "file", &[7; 2500]).await?;
        let reading = async move {
            let mut stream = file.read_stream(0..u64::MAX, 3, 1000)?;
            let mut bytes = 0;
            while let Some(chunk) = stream.next().await {
                bytes += chunk?.len();
            }
            io::Result::Ok(bytes)
        };
        if let Some(bytes) = cut.end(reading).await.transpose()? {
            assert_eq!(bytes, 2500);
        }
        drop(unleak(file));
        Ok(())
    });
}

#[test]
fn reads_of_ranges_ended_anywhere_leave_the_file_usable() {
    Points::of(&["fs::coalesce::read_ranges"]).run(|cut| async move {
        let file = scratch(&cut, "file", &[7; 2500]).await?;
        let reading = async move {
            let merge = Merge { gap_bytes: 0, read_bytes_max: 500 };
            file.read_ranges(&[0..400, 1000..1400, 300..500], merge).await
        };
        if let Some(read) = cut.end(reading).await.transpose()? {
            assert!(read.iter().all(|bytes| bytes.iter().all(|&byte| byte == 7)));
            assert_eq!((read[0].len(), read[2].len(), read.reads()), (400, 200, 2));
        }
        drop(unleak(file));
        Ok(())
    });
}

#[test]
fn a_block_on_its_way_ended_anywhere_is_a_prefix_of_itself() {
    Points::of(&["fs::copy_block::copy_block"]).run(|cut| async move {
        let from = scratch(&cut, "from", &[7; 3000]).await?;
        let to = scratch(&cut, "to", &[]).await?;
        let copying = from.copy_block(0, to, 0, Vec::with_capacity(5000));
        if let Some((n, buf)) = cut.end(copying).await.transpose()? {
            assert!(n == buf.len() && n > 0);
            assert!(cut.is_simulated() || n == 3000);
        }
        let (n, there) = to.read_at(vec![0; 5000], 0).await?;
        assert!(there[..n].iter().all(|&byte| byte == 7) && n <= 3000, "{cut:?}");
        drop((unleak(from), unleak(to)));
        Ok(())
    });
}

#[test]
fn a_synced_write_ended_anywhere_is_a_prefix_of_itself() {
    Points::of(&["fs::synced::write_synced_at"]).run(|cut| async move {
        let file = scratch(&cut, "file", &[]).await?;
        let writing = file.write_synced_at(vec![7; 3000], 0, Synced::Data);
        let ended = cut.end(writing).await.transpose()?.is_some();
        let (n, there) = file.read_at(vec![0; 5000], 0).await?;
        assert!(there[..n].iter().all(|&byte| byte == 7) && n <= 3000, "{cut:?}");
        assert!(!ended || cut.is_simulated() || n == 3000, "{cut:?}: {n}");
        drop(unleak(file));
        Ok(())
    });
}

#[test]
fn a_file_that_is_read_at_once_leaves_nothing_open_wherever_that_ends() {
    Points::of(&["fs::read_once::read_once"]).run(|cut| async move {
        let path = cut.file("small", &[7; 3000]);
        let reading = async move {
            let (n, _) = annulus::fs::read_once(&path, vec![0; 3000]).await?;
            assert_eq!(n, 3000);
            annulus::fs::read_once(path, vec![0; 5000]).await
        };
        if let Some((n, buf)) = cut.end(reading).await.transpose()? {
            assert_eq!((n, &buf[..n]), (3000, &[7; 3000][..]));
        }
        Ok(())
    });
}

#[test]
fn an_append_that_is_given_up_harms_no_other_record() {
    Points::of(&["fs::commit_log::Append"]).run(|cut| async move {
        let path = cut.file("log", &[]);
        let file = OpenOptions::new().read(true).write(true).open(&path).await?;
        let log: &'static CommitLog = Box::leak(Box::new(CommitLog::new(file, 0)?));
        let first = cut.end(log.append("given up?")).await;
        assert!(!matches!(first, Some(Err(_))), "{cut:?}");
        let place = log.append("kept").await?;
        assert!(place == 0 || place == 9);
        let (n, there) = annulus::fs::read_once(&path, vec![0; 100]).await?;
        assert_eq!((n as u64, &there[place as usize..n]), (place + 4, &b"kept"[..]));
        if !cut.forgets() {
            drop(unleak(log));
        }
        Ok(())
    });
}
