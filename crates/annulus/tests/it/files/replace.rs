//! Files that take the place of others: that they are whole, that they look like the old ones, and
//! that nothing of a failure is left.

use std::fs::Permissions;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::{Arc, Mutex};

use annulus::fs::{AtomicFile, File, PathError, TempFile, replace};
use annulus::runtime::Runtime;
use annulus_ring::abi::{Errno, Opcode};
use annulus_ring::{AnyKernel, Real};
use annulus_sim::{Failing, Faults, Unreliable};

use crate::cancel::until;
use crate::harness::{Scratch, run, run_on, skip};

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("it can be listed");
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o7777
}

#[test]
fn a_file_is_made_and_replaced() {
    let scratch = Scratch::new();
    let path = scratch.path().join("file");
    run(async {
        let usual = scratch.path().join("usual");
        std::fs::write(&usual, "")?;
        replace(&path, "first").await?;
        assert_eq!(std::fs::read(&path)?, b"first");
        assert_eq!(mode(&path), mode(&usual), "as any new file");
        let old = File::open(&path).await?;
        replace(&path, vec![2; 100_000]).await?;
        assert_eq!(std::fs::read(&path)?, [2; 100_000]);
        assert_eq!(old.read_at(vec![0; 10], 0).await?.1, b"first", "who has it open keeps it");
        replace(&path, "").await?;
        assert_eq!(std::fs::read(&path)?, b"");
        assert_eq!(names(scratch.path()), ["file", "usual"]);
        Ok(())
    });
}

#[test]
fn nothing_happens_before_the_commit_and_nothing_without_it() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"old");
    run(async {
        let mut next = AtomicFile::create(&path).await?;
        next.write_all("new, ").await?;
        next.write_all("in pieces").await?;
        assert_eq!(next.target(), path);
        assert_eq!(std::fs::read(&path)?, b"old");
        drop(next);
        until("nothing is left", || names(scratch.path()) == ["file"]).await?;
        assert_eq!(std::fs::read(&path)?, b"old");
        let mut next = AtomicFile::create(&path).await?;
        next.write_all("new, ").await?;
        next.write_all("in pieces").await?;
        next.commit().await?;
        assert_eq!(std::fs::read(&path)?, b"new, in pieces");
        assert_eq!(names(scratch.path()), ["file"]);
        Ok(())
    });
}

#[test]
fn permissions_are_kept_or_given() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"old");
    std::fs::set_permissions(&path, Permissions::from_mode(0o751)).unwrap();
    run(async {
        replace(&path, "new").await?;
        assert_eq!(mode(&path), 0o751);
        let next = AtomicFile::create_with(&path, Permissions::from_mode(0o604)).await?;
        next.commit().await?;
        assert_eq!(mode(&path), 0o604);
        let secret = AtomicFile::create(&path).await?;
        assert_eq!(secret.metadata()?.mode() & 0o7777, 0o604, "from the beginning");
        Ok(())
    });
    if !crate::refused::is_root() {
        return skip("only root can give files away");
    }
    std::os::unix::fs::chown(&path, Some(12_345), Some(23_456)).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o4710)).unwrap();
    run(async {
        replace(&path, "newer").await?;
        let metadata = std::fs::metadata(&path)?;
        assert_eq!((metadata.uid(), metadata.gid()), (12_345, 23_456));
        assert_eq!(mode(&path), 0o4710, "the bits that a change of owner clears, too");
        Ok(())
    });
}

#[test]
fn a_link_is_replaced_itself_and_a_directory_is_refused() {
    let scratch = Scratch::new();
    let behind = scratch.file("behind", b"behind");
    let link = scratch.path().join("link");
    symlink(&behind, &link).unwrap();
    run(async {
        replace(&link, "new").await?;
        assert_eq!(std::fs::read(&behind)?, b"behind");
        assert!(std::fs::symlink_metadata(&link)?.is_file());
        let directory = scratch.path().join("directory");
        std::fs::create_dir(&directory)?;
        for path in [directory.as_path(), Path::new("/"), &directory.join("..")] {
            let error = replace(path, "new").await.expect_err("a directory");
            assert_eq!(error.kind(), ErrorKind::IsADirectory, "{}", path.display());
        }
        let error = replace(scratch.path().join("no/where"), "new").await.expect_err("nowhere");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("no/where"), "{error}");
        let told = PathError::of(&error).expect("it says which file");
        assert_eq!(told.io_error().raw_os_error(), Some(libc::ENOENT));
        assert_eq!(names(scratch.path()), ["behind", "directory", "link"]);
        Ok(())
    });
}

#[test]
fn many_that_replace_one_file_leave_one_of_theirs() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &[0; 100]);
    run(async {
        let writers = (1..=20u8).map(|writer| {
            let path = path.clone();
            annulus::spawn(async move {
                for _ in 0..5 {
                    replace(&path, vec![writer; 1000 * usize::from(writer)]).await?;
                }
                io::Result::Ok(())
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.expect("no panic")?;
        }
        let left = std::fs::read(&path)?;
        assert_eq!(left.len(), 1000 * usize::from(left[0]));
        assert!(left.iter().all(|byte| *byte == left[0]));
        assert_eq!(names(scratch.path()), ["file"]);
        Ok(())
    });
}

#[test]
fn names_that_are_long_or_not_utf_8_are_names() {
    use std::os::unix::ffi::OsStrExt as _;
    let scratch = Scratch::new();
    run(async {
        for name in [&[b'n'; 255][..], b"\xff\xfe\x80 name"] {
            let path = scratch.path().join(std::ffi::OsStr::from_bytes(name));
            replace(&path, "first").await?;
            replace(&path, "second").await?;
            assert_eq!(annulus::fs::read(&path).await?, b"second");
        }
        let long = scratch.path().join("n".repeat(256));
        let error = replace(&long, "text").await.expect_err("too long");
        let told = PathError::of(&error).expect("it says which file").io_error();
        assert_eq!(told.raw_os_error(), Some(libc::ENAMETOOLONG));
        assert_eq!(names_count(scratch.path()), 2);
        Ok(())
    });
}

fn names_count(directory: &Path) -> usize {
    std::fs::read_dir(directory).expect("it can be listed").count()
}

/// A runtime whose disk can be broken.
fn breakable() -> (annulus::runtime::Builder, Failing) {
    let failing: Failing = Arc::new(Mutex::new(Vec::new()));
    let broken = failing.clone();
    let builder = Runtime::builder().reads_cached(false).kernel(move || {
        let kernel = Unreliable::new(Real::new(), 7, Faults::none()).failing(broken.clone());
        AnyKernel::Dyn(Box::new(kernel))
    });
    (builder, failing)
}

fn set(failing: &Failing, what: &[(Opcode, i32)]) {
    let errors = what.iter().map(|(opcode, errno)| (*opcode, Errno(*errno)));
    *failing.lock().unwrap() = errors.collect();
}

/// Whether operations can be made to fail: their place takes a NOP of Linux 6.10.
async fn can_break(failing: &Failing, path: &Path) -> io::Result<bool> {
    let file = File::open(path).await?;
    set(failing, &[(Opcode::FSYNC, libc::EDQUOT)]);
    let synced = file.sync_all().await;
    set(failing, &[]);
    match synced.map_err(|error| error.raw_os_error()) {
        Err(Some(libc::EDQUOT)) => Ok(true),
        other => {
            skip(&format!("this kernel injects no results: {other:?}"));
            Ok(false)
        }
    }
}

#[test]
fn what_fails_on_the_way_leaves_the_old_file_and_nothing_else() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"old");
    let (builder, failing) = breakable();
    run_on(builder, async {
        if !can_break(&failing, &path).await? {
            return Ok(());
        }
        for (opcode, errno) in [
            (Opcode::FSYNC, libc::EIO),
            (Opcode::LINKAT, libc::ENOSPC),
            (Opcode::LINKAT, libc::EROFS),
            (Opcode::RENAMEAT, libc::EIO),
            (Opcode::WRITE, libc::EIO),
        ] {
            set(&failing, &[(opcode, errno)]);
            let error = replace(&path, "new").await.expect_err("it is broken");
            let told = PathError::of(&error).expect("it says which file").io_error();
            assert_eq!(told.raw_os_error(), Some(errno), "{opcode:?}: {error}");
            assert_eq!(std::fs::read(&path)?, b"old", "{opcode:?}");
            set(&failing, &[]);
            until("nothing is left", || names(scratch.path()) == ["file"]).await?;
        }
        replace(&path, "new").await?;
        assert_eq!(std::fs::read(&path)?, b"new");
        Ok(())
    });
}

#[test]
fn a_file_with_a_random_name_goes_the_same_way_where_there_are_none_without() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"old");
    let (builder, failing) = breakable();
    run_on(builder, async {
        if !can_break(&failing, &path).await? {
            return Ok(());
        }
        // No link can be made, but none is needed.
        let file = TempFile::named_in(scratch.path()).await?;
        file.write_all_at("new", 0).await?;
        set(&failing, &[(Opcode::LINKAT, libc::EPERM)]);
        file.persist_over(&path).await?;
        assert_eq!(std::fs::read(&path)?, b"new");
        let file = TempFile::named_in(scratch.path()).await?;
        set(&failing, &[(Opcode::RENAMEAT, libc::EIO)]);
        let failed = file.persist_over(&path).await.expect_err("it is broken");
        set(&failing, &[]);
        let file = failed.into_file().expect("it came back");
        file.persist(scratch.path().join("other")).await?;
        assert_eq!(names(scratch.path()), ["file", "other"]);
        Ok(())
    });
}

#[test]
fn a_disk_that_fails_gives_the_buffer_back_and_leaves_the_position() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"0123456789");
    let (builder, failing) = breakable();
    run_on(builder, async {
        if !can_break(&failing, &path).await? {
            return Ok(());
        }
        let mut file = File::options().read(true).write(true).open(&path).await?;
        file.read_exact(vec![0; 4]).await?;
        let broken =
            [(Opcode::READ, libc::EIO), (Opcode::WRITE, libc::EIO), (Opcode::FSYNC, libc::EIO)];
        set(&failing, &broken);
        let error = file.read(vec![7; 3]).await.expect_err("it is broken");
        assert_eq!(error.error().raw_os_error(), Some(libc::EIO));
        assert_eq!(error.into_buf(), Some(vec![7; 3]));
        let error = file.read_to_end(b"before".to_vec()).await.expect_err("it is broken");
        assert_eq!(error.into_buf().as_deref(), Some(&b"before"[..]));
        let error = file.write_all("abc").await.expect_err("it is broken");
        assert_eq!(error.into_buf(), Some("abc"));
        let error = file.sync_data().await.expect_err("it is broken");
        assert_eq!(error.raw_os_error(), Some(libc::EIO));
        set(&failing, &[]);
        assert_eq!(file.stream_position()?, 4);
        assert_eq!(file.read_to_string(String::new()).await?.1, "456789");
        Ok(())
    });
}
