//! Copies of files: bytes, permissions and holes, whatever is between the two.

use std::io::ErrorKind;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use annulus::fs::{self, PathError};

use crate::harness::{Scratch, run, share_process, skip};

fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[test]
fn a_copy_is_what_std_makes_of_every_length_and_mode() {
    let scratch = Scratch::new();
    let lengths = [0, 1, 4095, 4096, 4097, 300_000, (8 << 20) + 1];
    run(async {
        for (number, len) in lengths.into_iter().enumerate() {
            let bytes = pattern(len);
            let from = scratch.path().join(format!("from-{number}"));
            std::fs::write(&from, &bytes)?;
            let mode = [0o600, 0o644, 0o755, 0o400][number % 4];
            std::fs::set_permissions(&from, std::fs::Permissions::from_mode(mode))?;
            let (ours, std) = (scratch.path().join("ours"), scratch.path().join("std"));
            let told = Arc::new(AtomicU64::new(0));
            let count = told.clone();
            // ORDERING: Relaxed; the copy has ended when it is read.
            let progress = move |bytes| {
                let _ = count.fetch_add(bytes, Ordering::Relaxed);
            };
            let copied = fs::copy_with(&from, &ours, progress).await?;
            assert_eq!(copied, std::fs::copy(&from, &std)?);
            // ORDERING: as above.
            assert_eq!(told.load(Ordering::Relaxed), copied);
            assert!(std::fs::read(&ours)? == bytes, "{len}");
            let mode_of = |path: &Path| std::fs::metadata(path).map(|found| found.mode()).ok();
            assert_eq!(mode_of(&ours), mode_of(&std));
            std::fs::remove_file(&ours)?;
            std::fs::remove_file(&std)?;
        }
        Ok(())
    });
}

#[test]
fn holes_stay_holes_wherever_they_are() {
    let scratch = Scratch::new();
    let from = scratch.path().join("from");
    const MEBIBYTE: u64 = 1 << 20;
    let shared = share_process();
    let file = std::fs::File::create(&from).unwrap();
    for at in [3 * MEBIBYTE, 20 * MEBIBYTE + 5, 5 << 30] {
        file.write_all_at(&pattern(5000), at).unwrap();
    }
    file.set_len((5 << 30) + 40 * MEBIBYTE).unwrap();
    let is_full = file.metadata().unwrap().blocks() * 512 > MEBIBYTE;
    drop((file, shared));
    if is_full {
        return skip("this file system has no holes");
    }
    run(async {
        let to = scratch.path().join("to");
        assert_eq!(fs::copy(&from, &to).await?, (5 << 30) + 40 * MEBIBYTE);
        let (copied, original) = (std::fs::File::open(&to)?, std::fs::File::open(&from)?);
        let stat = copied.metadata()?;
        assert_eq!(stat.len(), original.metadata()?.len());
        assert!(stat.blocks() * 512 < MEBIBYTE, "{} blocks", stat.blocks());
        for at in [0, 3 * MEBIBYTE, 20 * MEBIBYTE, (5 << 30) - 100, (5 << 30) + 39 * MEBIBYTE] {
            let (mut one, mut other) = (vec![1; 8192], vec![2; 8192]);
            copied.read_exact_at(&mut one, at)?;
            original.read_exact_at(&mut other, at)?;
            assert!(one == other, "at {at}");
        }
        // All hole, over what was there before.
        let empty = scratch.path().join("empty");
        std::fs::write(&empty, "")?;
        std::fs::File::options().write(true).open(&empty)?.set_len(MEBIBYTE)?;
        assert_eq!(fs::copy(&empty, &to).await?, MEBIBYTE);
        assert!(std::fs::read(&to)? == vec![0; MEBIBYTE as usize]);
        Ok(())
    });
}

#[test]
fn what_has_no_length_or_no_pages_is_copied_by_its_bytes() {
    let scratch = Scratch::new();
    run(async {
        let to = scratch.path().join("to");
        let copied = fs::copy("/proc/version", &to).await?;
        let expected = std::fs::read("/proc/version")?;
        assert_eq!((copied, std::fs::read(&to)?), (expected.len() as u64, expected));
        // To a device there is nothing to set.
        assert_eq!(fs::copy(&to, "/dev/null").await?, copied);
        let error = fs::copy(&to, "/dev/full").await.expect_err("it is full");
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert!(error.to_string().contains("/dev/full"), "{error}");
        Ok(())
    });
}

#[test]
fn from_one_file_system_to_another_the_bytes_are_the_same() {
    let scratch = Scratch::new();
    let device = |path: &Path| std::fs::metadata(path).map(|there| there.dev()).ok();
    let shared = Path::new("/dev/shm");
    if device(shared).is_none() || device(shared) == device(scratch.path()) {
        return skip("there is no second file system in /dev/shm");
    }
    let bytes = pattern((9 << 20) + 77);
    let from = scratch.file("from", &bytes);
    run(async {
        let there = shared.join(format!("annulus-copy-{}", std::process::id()));
        let back = scratch.path().join("back");
        let copied = fs::copy(&from, &there).await;
        let returned = fs::copy(&there, &back).await;
        let _ = std::fs::remove_file(&there);
        assert_eq!((copied?, returned?), (bytes.len() as u64, bytes.len() as u64));
        assert!(std::fs::read(&back)? == bytes);
        Ok(())
    });
}

#[test]
fn what_cannot_be_copied_is_told_by_its_path() {
    let scratch = Scratch::new();
    let from = scratch.file("from", b"text");
    run(async {
        let none = scratch.path().join("none");
        let to = scratch.path().join("to");
        let told = |error: &std::io::Error| PathError::of(error).map(|e| e.path().to_owned());
        let error = fs::copy(&none, &to).await.expect_err("there is none");
        assert_eq!((error.kind(), told(&error)), (ErrorKind::NotFound, Some(none.clone())));
        assert!(!to.exists(), "nothing was made");
        let error = fs::copy(scratch.path(), &to).await.expect_err("a directory");
        let expected = std::fs::copy(scratch.path(), &to).expect_err("a directory");
        assert_eq!(error.kind(), expected.kind(), "{error}");
        assert_eq!(told(&error).as_deref(), Some(scratch.path()));
        let below = none.join("to");
        let error = fs::copy(&from, &below).await.expect_err("no such directory");
        assert_eq!((error.kind(), told(&error)), (ErrorKind::NotFound, Some(below)));
        let error = fs::copy(&from, scratch.path()).await.expect_err("a directory");
        assert_eq!(error.kind(), ErrorKind::IsADirectory);
        // As with std: the same file is emptied when it is opened.
        assert_eq!(fs::copy(&from, &from).await?, 0);
        Ok(())
    });
}
