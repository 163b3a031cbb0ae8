//! Directories as streams: every entry once, whatever happens to the directory or to who reads it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirEntryExt as _;
use std::path::{Path, PathBuf};

use annulus::fs::{self, PathError, read_dir, walk};
use annulus::runtime::Runtime;
use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::cancel::{at_rest, until};
use crate::harness::{
    NOTHING, Scratch, check, descriptors, opened_since, own_process, run, share_process,
};

fn make(root: &Path, count: usize) {
    let _shared = share_process();
    for number in 0..count {
        std::fs::write(root.join(format!("{number:05}")), "").expect("it can be made");
    }
}

async fn names(path: &Path) -> io::Result<Vec<OsString>> {
    let mut names: Vec<_> =
        read_dir(path).await?.map_ok(|entry| entry.file_name()).try_collect().await?;
    names.sort();
    Ok(names)
}

#[test]
fn ten_thousand_entries_come_once_each_and_as_std_has_them() {
    let scratch = Scratch::new();
    make(scratch.path(), 10_000);
    run(async {
        let (mut ours, mut std) = (BTreeSet::new(), BTreeSet::new());
        let mut entries = read_dir(scratch.path()).await?;
        while let Some(entry) = entries.next_entry().await? {
            let kind = entry.file_type().await?;
            assert!(kind.is_file(), "{entry:?} is {kind:?}");
            assert!(ours.insert((entry.file_name(), entry.path(), entry.ino())), "{entry:?}");
        }
        assert!(entries.next_entry().await?.is_none(), "the end stays the end");
        for entry in std::fs::read_dir(scratch.path())? {
            let entry = entry?;
            std.insert((entry.file_name(), entry.path(), entry.ino()));
        }
        assert_eq!(ours.len(), 10_000);
        assert!(ours == std);
        Ok(())
    });
}

#[test]
fn each_kind_of_file_is_told_without_looking_at_it() {
    let scratch = Scratch::new();
    scratch.file("file", b"text");
    let root = scratch.path();
    std::fs::create_dir(root.join("dir")).unwrap();
    std::os::unix::fs::symlink("nowhere", root.join("link")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    run(async {
        let _socket = std::os::unix::net::UnixListener::bind(root.join("socket"))?;
        let mut entries: Vec<_> = read_dir(root).await?.try_collect().await?;
        entries.sort_by_key(|entry| entry.file_name());
        let before = annulus::runtime::metrics()?.sqes;
        let mut kinds = Vec::new();
        for entry in &entries {
            kinds.push(format!("{:?}", entry.file_type().await?));
        }
        let told = ["directory", "file", "symbolic link", "named pipe", "socket"];
        assert_eq!(kinds, told.map(|kind| format!("FileType({kind})")));
        assert_eq!(annulus::runtime::metrics()?.sqes, before, "nothing was asked for");
        for entry in &entries {
            let (ours, std) = (entry.metadata().await?, std::fs::symlink_metadata(entry.path())?);
            assert_eq!((ours.ino(), ours.len()), (entry.ino(), std.len()), "{entry:?}");
            assert_eq!(ours.file_type(), entry.file_type().await?);
        }
        let devices: Vec<_> = read_dir("/dev").await?.try_collect().await?;
        let null = devices.iter().find(|entry| entry.name() == "null").expect("there is one");
        assert!(null.file_type().await?.is_char_device());
        Ok(())
    });
}

#[test]
fn what_cannot_be_read_is_told_by_its_path() {
    let scratch = Scratch::new();
    let file = scratch.file("file", b"text");
    run(async {
        let kinds = [("none", ErrorKind::NotFound), ("file", ErrorKind::NotADirectory)];
        for (name, kind) in kinds {
            let path = scratch.path().join(name);
            let error = read_dir(&path).await.expect_err("no directory");
            assert_eq!(error.kind(), kind);
            assert_eq!(PathError::of(&error).map(PathError::path), Some(&*path), "{error}");
            let mut walking = walk(&path);
            let error = walking.next_entry().await.expect("an error").expect_err("no directory");
            assert_eq!(error.kind(), kind);
            assert!(walking.next_entry().await.is_none(), "{error}");
        }
        assert_eq!(std::fs::read(file)?, b"text");
        Ok(())
    });
}

#[test]
fn a_directory_that_changes_gives_what_stays_once_and_ends() {
    let scratch = Scratch::new();
    make(scratch.path(), 4000);
    run(async {
        let mut entries = read_dir(scratch.path()).await?;
        let mut seen = BTreeSet::new();
        let mut changes = 0;
        while let Some(entry) = entries.next_entry().await? {
            let name = entry.file_name().into_string().expect("digits");
            assert!(seen.insert(name.clone()), "{name} came twice");
            if changes < 2000 {
                // The odd ones of the second half go, and new ones come.
                let gone = scratch.path().join(format!("{:05}", 2001 + changes));
                std::fs::remove_file(gone)?;
                std::fs::write(scratch.path().join(format!("new-{changes}")), "")?;
                changes += 2;
            }
        }
        for stays in (0..2000).chain((2000..4000).step_by(2)) {
            assert!(seen.contains(&format!("{stays:05}")), "{stays} was there all the time");
        }
        Ok(())
    });
}

#[test]
fn a_directory_that_is_removed_while_it_is_read_ends() {
    let scratch = Scratch::new();
    let path = scratch.path().join("dir");
    std::fs::create_dir(&path).unwrap();
    make(&path, 3000);
    run(async {
        let mut entries = read_dir(&path).await?;
        entries.next_entry().await?.expect("there are some");
        fs::remove_dir_all(&path).await?;
        let mut rest = 0;
        while entries.next_entry().await?.is_some() {
            rest += 1;
        }
        assert!(rest < 3000, "{rest}");
        assert_eq!(read_dir(&path).await.expect_err("gone").kind(), ErrorKind::NotFound);
        Ok(())
    });
}

#[test]
fn a_stream_that_is_dropped_anywhere_closes_its_directory() {
    let scratch = Scratch::new();
    make(scratch.path(), 3000);
    let _own = own_process();
    let before = descriptors();
    for taken in [0, 1, 1023, 1024, 1025, 2999, 3000] {
        check(Runtime::builder(), async {
            let mut entries = read_dir(scratch.path()).await?;
            for _ in 0..taken {
                entries.next_entry().await?.expect("there are more");
            }
            drop(entries);
            // The thread that reads the next batch closes what nobody wants.
            until("the directory is closed", || {
                let path = scratch.path().to_string_lossy().into_owned();
                !descriptors().contains(&path)
            })
            .await?;
            at_rest().await
        });
    }
    assert_eq!(opened_since(&before), NOTHING);
}

#[test]
fn an_entry_may_be_read_on_a_thread_and_kept() {
    let scratch = Scratch::new();
    scratch.file("file", b"text");
    run(async {
        let entry = read_dir(scratch.path()).await?.next_entry().await?.expect("one");
        let kept = std::thread::spawn(move || entry.clone().path()).join().expect("no panic");
        assert_eq!(kept, scratch.path().join("file"));
        assert_eq!(names(scratch.path()).await?, ["file"]);
        Ok(())
    });
}

/// What a walk came across, by its path below the root, sorted.
async fn walked(walk: fs::Walk, root: &Path) -> io::Result<Vec<(PathBuf, usize)>> {
    let below = |path: PathBuf| path.strip_prefix(root).expect("it is below").to_owned();
    let mut found: Vec<_> =
        walk.map_ok(|entry| (below(entry.path()), entry.depth())).try_collect().await?;
    found.sort();
    Ok(found)
}

#[test]
fn a_walk_comes_across_everything_once_and_directories_before_what_is_in_them() {
    let scratch = Scratch::new();
    let mut expected = Vec::new();
    for one in 0..20 {
        for two in 0..20 {
            let below = PathBuf::from(format!("{one}/{two}"));
            std::fs::create_dir_all(scratch.path().join(&below)).unwrap();
            make(&scratch.path().join(&below), 3);
            expected.extend((0..3).map(|number| (below.join(format!("{number:05}")), 3)));
            expected.push((below, 2));
        }
        expected.push((one.to_string().into(), 1));
    }
    expected.sort();
    run(async {
        for in_flight in [0, 1, 3, 64] {
            let mut walking = walk(scratch.path()).in_flight(in_flight);
            let mut seen = BTreeSet::from([scratch.path().to_owned()]);
            while let Some(entry) = walking.next().await {
                let path = entry?.path();
                assert!(seen.contains(path.parent().expect("it has one")), "{path:?}");
                assert!(seen.insert(path.clone()), "{path:?} came twice");
            }
            let found = walked(walk(scratch.path()).in_flight(in_flight), scratch.path()).await?;
            assert!(found == expected, "{in_flight} in flight");
        }
        for depth_max in 0..4 {
            let found = walked(walk(scratch.path()).depth_max(depth_max), scratch.path()).await?;
            let expected = expected.iter().filter(|(_, depth)| *depth <= depth_max);
            assert!(found.iter().eq(expected), "{depth_max}");
        }
        let without = walk(scratch.path()).enter_if(|entry| entry.file_name() != "7");
        let found = walked(without, scratch.path()).await?;
        // There is one at each level.
        let above = |path: &PathBuf| path.parent().expect("it has one").to_owned();
        let is_left = |(path, _): &&(PathBuf, usize)| above(path).iter().all(|name| name != "7");
        assert!(found.iter().eq(expected.iter().filter(is_left)));
        Ok(())
    });
}

#[test]
fn a_walk_follows_links_only_if_asked_and_never_in_a_circle() {
    let scratch = Scratch::new();
    let root = scratch.path().join("root");
    std::fs::create_dir_all(root.join("dir/deep")).unwrap();
    std::fs::create_dir(scratch.path().join("outside")).unwrap();
    scratch.file("outside/page", b"page");
    let link = |text: &str, name: &str| std::os::unix::fs::symlink(text, root.join(name)).unwrap();
    link("../outside", "way_out");
    link("..", "dir/circle");
    link("nowhere", "dangling");
    run(async {
        let found = walked(walk(&root), &root).await?;
        let names = found.iter().map(|(path, _)| path.to_str().expect("text")).collect::<Vec<_>>();
        assert_eq!(names, ["dangling", "dir", "dir/circle", "dir/deep", "way_out"]);
        let (mut names, mut circles) = (Vec::new(), 0);
        let mut walking = walk(&root).follow_links(true);
        while let Some(entry) = walking.next_entry().await {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let inside = PathError::of(&error).expect("the path is known");
                    assert_eq!(inside.io_error().raw_os_error(), Some(libc::ELOOP), "{error}");
                    assert_eq!(inside.path(), root.join("dir/circle"));
                    circles += 1;
                    continue;
                }
            };
            let path = entry.path().strip_prefix(&root).expect("it is below").to_owned();
            if path == Path::new("way_out") || path == Path::new("dir/circle") {
                assert!(entry.file_type().is_dir() && entry.metadata().await?.is_dir());
            } else if path == Path::new("dangling") {
                assert!(entry.file_type().is_symlink() && entry.metadata().await?.is_symlink());
            }
            names.push(path.to_string_lossy().into_owned());
        }
        names.sort();
        let expected = ["dangling", "dir", "dir/circle", "dir/deep", "way_out", "way_out/page"];
        assert_eq!((&names[..], circles), (&expected.map(str::to_owned)[..], 1));
        Ok(())
    });
}

#[test]
fn a_walk_tells_what_it_may_not_read_and_goes_on() {
    let scratch = Scratch::new();
    std::fs::create_dir_all(scratch.path().join("gone")).unwrap();
    make(scratch.path(), 10);
    run(async {
        // The directory is removed between its being found and its being read.
        let path = scratch.path().join("gone");
        let removed = path.clone();
        let mut walking = walk(scratch.path()).enter_if(move |_| {
            std::fs::remove_dir(&removed).expect("it is empty");
            true
        });
        let (mut entries, mut errors) = (0, 0);
        while let Some(entry) = walking.next_entry().await {
            match entry {
                Ok(_) => entries += 1,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::NotFound);
                    assert_eq!(PathError::of(&error).map(PathError::path), Some(&*path));
                    errors += 1;
                }
            }
        }
        assert_eq!((entries, errors), (11, 1));
        Ok(())
    });
}

#[test]
fn a_walk_that_is_dropped_leaves_no_descriptor() {
    let scratch = Scratch::new();
    for one in 0..50 {
        let below = scratch.path().join(one.to_string());
        std::fs::create_dir(&below).unwrap();
        make(&below, 20);
    }
    let _own = own_process();
    let before = descriptors();
    for taken in [0, 1, 30, 60, 500] {
        check(Runtime::builder(), async {
            let mut walking = walk(scratch.path());
            for _ in 0..taken {
                walking.next_entry().await.expect("there are more")?;
            }
            Ok(())
        });
        assert_eq!(opened_since(&before), NOTHING, "after {taken} entries");
    }
}

#[test]
fn names_of_bytes_come_as_they_are() {
    let scratch = Scratch::new();
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe\x80");
    std::fs::create_dir(scratch.path().join(name)).unwrap();
    run(async {
        std::fs::write(scratch.path().join(name).join(name), "x")?;
        let found = walked(walk(scratch.path()), scratch.path()).await?;
        let expected = [(PathBuf::from(name), 1), (Path::new(name).join(name), 2)];
        assert_eq!(found, expected);
        Ok(())
    });
}
