//! Requests whose device is polled: where there is no such device they say so, and the core's other
//! work goes on beside them.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use annulus::OpExt as _;
use annulus::buf::{AlignedBuf, DirectPool};
use annulus::fs::{Direct, OpenOptions};
use annulus::runtime::{Builder, DevicePolling, Runtime};
use futures_util::poll;

use crate::harness::{
    NOTHING, descriptors, opened_since, own_process, pair, run, run_on, share_process, skip,
};

const BLOCK: usize = 4096;

struct Disk(Option<tempfile::TempDir>, PathBuf);

impl Disk {
    fn new() -> Self {
        let _shared = share_process();
        let beside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        let directory = beside.or_else(|_| tempfile::tempdir()).expect("a temporary directory");
        let path = directory.path().join("table");
        std::fs::write(&path, vec![7; 8 * BLOCK]).expect("it can be written");
        Self(Some(directory), path)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _shared = share_process();
        self.0.take();
    }
}

async fn table(disk: &Disk) -> io::Result<Option<Direct>> {
    match Direct::open_with(OpenOptions::new().read(true).write(true), &disk.1).await {
        Err(error) if error.kind() == ErrorKind::InvalidInput => {
            skip("this file system has no O_DIRECT");
            Ok(None)
        }
        opened => opened.map(Some),
    }
}

fn polling() -> Builder {
    Runtime::builder().entries(8).device_polling(DevicePolling::Busy)
}

#[test]
fn polled_requests_have_their_bytes_or_say_that_the_device_cannot() {
    let disk = Disk::new();
    run_on(polling(), async {
        let Some(table) = table(&disk).await? else { return Ok(()) };
        let pool = DirectPool::new(40, BLOCK)?;
        assert!(pool.refusal().is_none(), "{:?}", pool.refusal());
        // More than the ring has entries for.
        let mut reads = Vec::new();
        for at in 0..40 {
            let offset = (at % 8 * BLOCK) as u64;
            let plain = AlignedBuf::new(BLOCK, BLOCK)?;
            reads.push(annulus::spawn(polled_read(&disk, plain, offset)));
            reads.push(annulus::spawn(polled_read(&disk, pool.take().await, offset)));
        }
        for read in reads {
            read.await.expect("no panic")?;
        }
        match table.polled()?.write_at(AlignedBuf::new(BLOCK, BLOCK)?, 0).await {
            Ok((n, _)) => assert_eq!(n, BLOCK),
            Err(failed) => {
                assert_eq!(failed.kind(), ErrorKind::Unsupported);
                assert!(failed.into_buf().is_some(), "the buffer comes back");
            }
        }
        Ok(())
    });
}

/// Opens the file for itself, reads a block of it and checks it.
fn polled_read<B>(disk: &Disk, buf: B, offset: u64) -> impl Future<Output = io::Result<()>> + use<B>
where
    B: annulus::buf::IoBufMut + AsRef<[u8]>,
{
    let path = disk.1.clone();
    async move {
        let table = Direct::open(path).await?;
        match table.polled()?.read_at(buf, offset).await {
            Ok((n, buf)) => assert!(n == BLOCK && buf.as_ref().iter().all(|&byte| byte == 7)),
            Err(failed) => {
                assert_eq!(failed.kind(), ErrorKind::Unsupported, "{failed}");
                assert!(failed.to_string().contains("poll_queues"), "{failed}");
                assert!(failed.into_buf().is_some(), "the buffer comes back");
            }
        }
        Ok(())
    }
}

#[test]
fn polled_requests_are_checked_cancelled_and_dropped_like_others() {
    let disk = Disk::new();
    run_on(polling(), async {
        let Some(table) = table(&disk).await? else { return Ok(()) };
        let polled = table.polled()?;
        let odd = polled.read_at(AlignedBuf::new(BLOCK, BLOCK)?, 1).await.unwrap_err();
        assert_eq!(odd.kind(), ErrorKind::InvalidInput);
        let unpolled = polled.read_at(AlignedBuf::new(BLOCK, BLOCK)?, 0).cancel().await;
        assert_eq!(unpolled.unwrap_err().kind(), ErrorKind::Interrupted);
        let mut dropped = polled.read_at(AlignedBuf::new(BLOCK, BLOCK)?, 0);
        assert!(poll!(&mut dropped).is_pending());
        drop(dropped);
        let mut asked = polled.read_at(AlignedBuf::new(BLOCK, BLOCK)?, 0);
        assert!(poll!(&mut asked).is_pending());
        match asked.cancel().await {
            Ok((n, _)) => assert_eq!(n, BLOCK),
            Err(failed) => assert_eq!(failed.kind(), ErrorKind::Unsupported),
        }
        // Its own ring goes on with everything else.
        let (client, server) = pair().await?;
        client.write_all("hello").await?;
        assert_eq!(server.recv().await?.expect("five bytes").to_vec(), b"hello");
        annulus::time::sleep(std::time::Duration::from_micros(100)).await;
        Ok(())
    });
    // It is dropped with a request in flight.
    run_on(polling(), async {
        let Some(table) = table(&disk).await? else { return Ok(()) };
        let mut left = table.polled()?.read_at(AlignedBuf::new(BLOCK, BLOCK)?, 0);
        assert!(poll!(&mut left).is_pending());
        Ok(())
    });
}

#[test]
fn a_core_that_polls_no_devices_says_so() {
    let disk = Disk::new();
    run(async {
        let Some(table) = table(&disk).await? else { return Ok(()) };
        let error = table.polled().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("device_polling"), "{error}");
        Ok(())
    });
    let hybrid = Runtime::builder().device_polling(DevicePolling::Hybrid);
    run_on(hybrid, async {
        let Some(table) = table(&disk).await? else { return Ok(()) };
        table.polled().map(drop)
    });
}

#[test]
fn a_core_that_cannot_poll_devices_leaves_nothing_behind() {
    use annulus_ring::Mask;
    use annulus_ring::abi::{Opcode, SetupFlags};
    let _own = own_process();
    let before = descriptors();
    for with_word in [true, false] {
        let mut mask = Mask::none();
        if !with_word {
            // Then threads wake it through a descriptor.
            mask = mask.op(Opcode::FUTEX_WAIT);
        }
        let make = || crate::counting::refusing(SetupFlags::HYBRID_IOPOLL, libc::EINVAL);
        let hybrid = Runtime::builder().device_polling(DevicePolling::Hybrid).mask(mask);
        hybrid.kernel(make).build().expect_err("the kernel has no such rings");
        assert_eq!(opened_since(&before), NOTHING);
    }
}
