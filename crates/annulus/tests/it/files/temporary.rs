//! Files and directories for a while: that they are there, that they go away, and that they can
//! stay.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use annulus::fs::{File, OpenOptions, TempDir, TempFile};
use annulus::runtime::Runtime;

use crate::cancel::until;
use crate::harness::{Scratch, made, run, share_process, skip};

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("it can be listed");
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<_> = entries.map(|entry| name(entry).into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_without_a_name_is_a_file_and_gets_a_name_if_it_is_to_stay() {
    let scratch = Scratch::new();
    run(async {
        let mut file = TempFile::new_in(scratch.path()).await?;
        file.write_all("contents").await?;
        assert_eq!(file.metadata()?.permissions().mode() & 0o777, 0o600);
        let had_name = file.path().is_some();
        assert_eq!(names(scratch.path()).is_empty(), !had_name);
        std::fs::write(scratch.path().join("taken"), "somebody's")?;
        let failed = file.persist(scratch.path().join("taken")).await.expect_err("it is taken");
        assert_eq!(failed.error().kind(), ErrorKind::AlreadyExists);
        let file = failed.into_file().expect("it came back");
        let failed = file.persist(scratch.path().join("no/where")).await.expect_err("no directory");
        let file = failed.into_file().expect("it came back");
        let mut file = file.persist(scratch.path().join("kept")).await?;
        file.write_all(", and more").await?;
        assert_eq!(std::fs::read(scratch.path().join("kept"))?, b"contents, and more");
        let mut over = TempFile::new_in(scratch.path()).await?;
        over.write_all("mine").await?;
        over.persist_over(scratch.path().join("taken")).await?;
        assert_eq!(std::fs::read(scratch.path().join("taken"))?, b"mine");
        let device = |path: &Path| std::fs::metadata(path).map(|found| found.dev()).ok();
        let shared = Path::new("/dev/shm");
        if device(shared).is_some_and(|shared| device(scratch.path()) != Some(shared)) {
            let file = TempFile::new_in(scratch.path()).await?;
            let error = file.persist(shared.join("kept")).await.expect_err("another file system");
            assert_eq!(error.error().kind(), ErrorKind::CrossesDevices);
        } else {
            skip("there is no second file system to write to");
        }
        TempFile::new().await?.close().await?;
        until("nothing else is left", || names(scratch.path()) == ["kept", "taken"]).await
    });
}

#[test]
fn a_file_with_a_name_is_removed_when_it_is_dropped_or_closed() {
    let scratch = Scratch::new();
    run(async {
        let file = TempFile::named_in(scratch.path()).await?;
        let path = file.path().expect("it has one").to_owned();
        std::fs::write(&path, "by its name")?;
        assert_eq!(file.read_at(vec![0; 100], 0).await?.1, b"by its name");
        file.close().await?;
        assert!(!path.exists());
        let file = TempFile::named_in(scratch.path()).await?;
        drop(file);
        until("it is removed", || names(scratch.path()).is_empty()).await?;
        let file = TempFile::named_in(scratch.path()).await?;
        file.write_all_at("kept", 0).await?;
        file.persist(scratch.path().join("kept")).await?;
        let file = TempFile::named_in(scratch.path()).await?;
        file.write_all_at("over", 0).await?;
        file.persist_over(scratch.path().join("kept")).await?;
        assert_eq!(names(scratch.path()), ["kept"]);
        assert_eq!(std::fs::read(scratch.path().join("kept"))?, b"over");
        let file = TempFile::named_in(scratch.path()).await?;
        let failed = file.persist(scratch.path().join("kept")).await.expect_err("it is taken");
        assert_eq!(failed.error().kind(), ErrorKind::AlreadyExists);
        drop(failed);
        until("it is removed", || names(scratch.path()) == ["kept"]).await
    });
}

#[test]
fn names_do_not_collide() {
    let scratch = Scratch::new();
    run(async {
        let mut files = Vec::new();
        for _ in 0..200 {
            files.push(TempFile::named_in(scratch.path()).await?);
        }
        let paths: HashSet<_> = files.iter().map(|file| file.path().unwrap().to_owned()).collect();
        assert_eq!(paths.len(), 200);
        drop(files);
        until("all are removed", || names(scratch.path()).is_empty()).await
    });
}

#[test]
fn a_directory_goes_away_with_all_that_is_in_it() {
    let scratch = Scratch::new();
    run(async {
        let directory = TempDir::new_in(scratch.path()).await?;
        let mode = std::fs::metadata(&directory)?.permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        std::fs::create_dir_all(directory.path().join("a/b/c"))?;
        File::create(directory.path().join("a/b/file")).await?;
        drop(directory);
        until("it is removed", || names(scratch.path()).is_empty()).await?;
        let directory = TempDir::new_in(scratch.path()).await?;
        let path = directory.path().to_owned();
        directory.close().await?;
        assert!(!path.exists());
        let directory = TempDir::new_in(scratch.path()).await?;
        std::fs::remove_dir(directory.path())?;
        let error = directory.close().await.expect_err("somebody was faster");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let kept = TempDir::new_in(scratch.path()).await?.keep();
        assert!(kept.exists());
        let error = TempDir::new_in(scratch.path().join("no/where")).await.expect_err("nowhere");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        TempDir::new().await?.close().await
    });
}

#[test]
fn what_is_dropped_elsewhere_or_at_the_end_is_removed_too() {
    let scratch = Scratch::new();
    let _shared = share_process();
    let runtime = made(Runtime::builder());
    let make = || async {
        let directory = TempDir::new_in(scratch.path()).await.unwrap();
        std::fs::write(directory.path().join("file"), "text").unwrap();
        (directory, TempFile::named_in(scratch.path()).await.unwrap())
    };
    let first = runtime.block_on(make());
    std::thread::scope(|scope| scope.spawn(move || drop(first)).join().unwrap());
    assert!(names(scratch.path()).is_empty(), "there was no core to wait for");
    let second = runtime.block_on(make());
    runtime.block_on(async { drop(second) });
    runtime.shutdown();
    assert!(names(scratch.path()).is_empty(), "the end has waited for it");
}

#[test]
fn a_child_that_was_forked_removes_nothing_of_its_parent() {
    let _own = crate::harness::own_process();
    let directory = tempfile::tempdir().unwrap();
    let runtime = made(Runtime::builder());
    let make = async {
        let tree = TempDir::new_in(directory.path()).await.unwrap();
        (tree, TempFile::named_in(directory.path()).await.unwrap())
    };
    let held = runtime.block_on(make);
    let before = names(directory.path());
    let mut inherited = Some(held);
    let code = crate::hazards::fork::in_child(|| drop(inherited.take()));
    assert_eq!(code, 0);
    assert_eq!(names(directory.path()), before);
    drop(inherited);
    runtime.shutdown();
    assert!(names(directory.path()).is_empty());
}

#[test]
fn options_for_a_file_without_a_name_are_those_of_open() {
    let scratch = Scratch::new();
    run(async {
        let mut options = OpenOptions::new();
        let error = options.read(true).tmpfile(scratch.path()).await.expect_err("for reading");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let mut options = OpenOptions::new();
        let error = options.write(true).create(true).tmpfile(scratch.path()).await;
        assert_eq!(error.expect_err("it has no name").kind(), ErrorKind::InvalidInput);
        let mut options = OpenOptions::new();
        let error = options.write(true).tmpfile(scratch.path().join("none")).await;
        assert_eq!(error.expect_err("no directory").kind(), ErrorKind::NotFound);
        let file = options.mode(0o640).tmpfile(scratch.path()).await?;
        assert_eq!(file.metadata()?.permissions().mode() & 0o777, 0o640);
        assert_eq!(file.metadata()?.nlink(), 0);
        assert!(names(scratch.path()).is_empty());
        Ok(())
    });
}
