//! Every future of names, directories and trees, ended at every point: nothing is half done, no
//! descriptor stays open.

use std::io;
use std::path::{Path, PathBuf};

use annulus::fs::{self, Dir, SetXattr};
use futures_util::StreamExt as _;

use super::{Cut, Points};

/// An empty directory of this run.
fn scratch(cut: &Cut) -> PathBuf {
    let file = cut.file("seed", b"seed");
    let path = file.with_file_name("dir");
    std::fs::create_dir(&path).expect("it can be made");
    path
}

#[test]
fn names_ended_anywhere_are_done_or_not() {
    Points::of(&[
        "fs::names::rename",
        "fs::names::rename_noreplace",
        "fs::names::rename_exchange",
        "fs::names::remove_file",
        "fs::names::remove_dir",
        "fs::names::hard_link",
        "fs::names::symlink",
        "fs::dir_builder::create_dir",
    ])
    .real_only("UNLINKAT and its like")
    .run(|cut| async move {
        let dir = scratch(&cut);
        let work = dir.clone();
        let named = async move {
            let at = |name: &str| work.join(name);
            fs::create_dir(at("new")).await?;
            fs::rename(work.with_file_name("seed"), at("one")).await?;
            fs::hard_link(at("one"), at("two")).await?;
            fs::symlink("one", at("link")).await?;
            fs::rename_noreplace(at("two"), at("three")).await?;
            fs::rename_exchange(at("link"), at("three")).await?;
            fs::remove_file(at("three")).await?;
            fs::remove_dir(at("new")).await
        };
        let ended = cut.end(named).await.transpose()?.is_some();
        // The names of the one file: it is never lost, whatever was done last.
        let names = ["one", "two", "three", "link", "../seed"];
        let is_file = |name: &&str| {
            std::fs::symlink_metadata(dir.join(name)).is_ok_and(|there| there.is_file())
        };
        let look = || names.iter().filter(|name| is_file(name)).count();
        // The call that was ended may still be under way, and then a name that moves is met twice
        // or not at all. It is one call, and it moves once: the second look finds the file.
        let files = Some(look()).filter(|files| (1..=2).contains(files)).unwrap_or_else(look);
        assert!((1..=2).contains(&files), "{cut:?}: {files}");
        assert!(!ended || files == 2, "{cut:?}: {files}");
        Ok(())
    });
}

#[test]
fn calls_ended_anywhere_leave_nothing() {
    Points::of(&[
        "fs::names::read_link",
        "fs::names::canonicalize",
        "fs::names::exists",
        "fs::names::try_exists",
        "fs::attributes::set_permissions",
        "fs::attributes::set_times",
        "fs::attributes::chown",
        "fs::attributes::lchown",
        "fs::attributes::space",
    ])
    .real_only("threads")
    .run(|cut| async move {
        let dir = scratch(&cut);
        std::os::unix::fs::symlink("../seed", dir.join("link"))?;
        let calls = async move {
            let link = dir.join("link");
            assert_eq!(fs::read_link(&link).await?, Path::new("../seed"));
            let real = fs::canonicalize(&link).await?;
            assert!(fs::exists(&real).await? && fs::try_exists(&link).await?);
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o640);
            fs::set_permissions(&real, mode).await?;
            fs::set_times(&real, None, Some(std::time::UNIX_EPOCH)).await?;
            fs::chown(&real, None, None).await?;
            fs::lchown(&link, None, None).await?;
            fs::space(&real).await
        };
        let space = cut.end(calls).await.transpose()?;
        assert!(space.is_none_or(|space| space.total_bytes > 0));
        Ok(())
    });
}

#[test]
fn attributes_ended_anywhere_are_whole_or_absent() {
    Points::of(&[
        "fs::path_xattr::xattr",
        "fs::path_xattr::set_xattr",
        "fs::path_xattr::list_xattrs",
        "fs::path_xattr::remove_xattr",
    ])
    .real_only("GETXATTR and its like")
    .run(|cut| async move {
        let path = cut.file("seed", b"seed");
        match fs::set_xattr(&path, "user.there", "x", SetXattr::Always).await {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(()),
            set => set?,
        }
        let work = path.clone();
        let attributes = async move {
            fs::set_xattr(&work, "user.long", vec![5; 600], SetXattr::Always).await?;
            assert_eq!(fs::xattr(&work, "user.long").await?, Some(vec![5; 600]));
            assert!(fs::list_xattrs(&work).await?.len() >= 2);
            fs::remove_xattr(&work, "user.there").await
        };
        let ended = cut.end(attributes).await.transpose()?.is_some();
        let long = fs::xattr(&path, "user.long").await?;
        assert!(long.as_ref().is_none_or(|long| *long == vec![5; 600]), "{cut:?}");
        assert!(!ended || long.is_some() && fs::xattr(&path, "user.there").await?.is_none());
        Ok(())
    });
}

#[test]
fn directories_made_ended_anywhere_are_made_from_above() {
    Points::of(&["fs::dir_builder::create_dir_all", "fs::dir_builder::create"])
        .real_only("MKDIRAT")
        .run(|cut| async move {
            let dir = scratch(&cut);
            let work = dir.clone();
            let making = async move {
                fs::create_dir_all(work.join("a/b/c")).await?;
                fs::DirBuilder::new().recursive(true).create(work.join("d/e")).await
            };
            let ended = cut.end(making).await.transpose()?.is_some();
            assert!(!ended || dir.join("a/b/c").is_dir() && dir.join("d/e").is_dir());
            assert!(!dir.join("d").exists() || dir.join("a/b/c").is_dir(), "{cut:?}");
            Ok(())
        });
}

#[test]
fn listings_ended_anywhere_close_their_directories() {
    Points::of(&[
        "fs::read_dir::read_dir",
        "fs::read_dir::next_entry",
        "fs::read_dir::ReadDir",
        "fs::read_dir::file_type",
        "fs::read_dir::metadata",
    ])
    .real_only("threads")
    .run(|cut| async move {
        let dir = scratch(&cut);
        for name in 0..1030 {
            std::fs::write(dir.join(name.to_string()), "")?;
        }
        let listing = async move {
            let mut entries = fs::read_dir(&dir).await?;
            let first = entries.next_entry().await?.expect("there are some");
            assert!(first.file_type().await?.is_file() && first.metadata().await?.is_file());
            let mut count = 1;
            while let Some(entry) = entries.next().await {
                entry?;
                count += 1;
            }
            io::Result::Ok(count)
        };
        let count = cut.end(listing).await.transpose()?;
        assert!(count.is_none_or(|count| count == 1030), "{cut:?}");
        Ok(())
    });
}

#[test]
fn walks_ended_anywhere_close_their_directories() {
    Points::of(&["fs::walk::next_entry", "fs::walk::Walk", "fs::walk::metadata"])
        .real_only("threads")
        .run(|cut| async move {
            let dir = scratch(&cut);
            for name in 0..3 {
                std::fs::create_dir_all(dir.join(format!("{name}/below")))?;
            }
            let walking = async move {
                let mut walk = fs::walk(&dir).in_flight(2);
                let first = walk.next_entry().await.expect("there are some")?;
                assert!(first.metadata().await?.is_dir());
                io::Result::Ok(1 + walk.count().await)
            };
            let count = cut.end(walking).await.transpose()?;
            assert!(count.is_none_or(|count| count == 6), "{cut:?}");
            Ok(())
        });
}

#[test]
fn removals_ended_anywhere_have_removed_only_what_they_were_to() {
    Points::of(&["fs::remove_tree::remove_dir_all"]).real_only("threads").run(|cut| async move {
        let dir = scratch(&cut);
        for name in 0..3 {
            std::fs::create_dir_all(dir.join(format!("{name}/below")))?;
            std::fs::write(dir.join(format!("{name}/file")), "x")?;
        }
        std::os::unix::fs::symlink("../../seed", dir.join("0/link"))?;
        let removing = fs::remove_dir_all(dir.clone());
        let ended = cut.end(removing).await.transpose()?.is_some();
        assert!(!ended || !dir.exists(), "{cut:?}");
        assert!(dir.with_file_name("seed").exists());
        Ok(())
    });
}

#[test]
fn copies_that_tell_ended_anywhere_are_whole_or_not_awaited() {
    Points::of(&["fs::copy::copy_with"]).real_only("threads").run(|cut| async move {
        let from = cut.file("original", &[3; 5000]);
        let to = from.with_file_name("copy");
        let copying = fs::copy_with(from, to.clone(), |bytes| assert!(bytes <= 5000));
        if let Some(bytes) = cut.end(copying).await.transpose()? {
            assert_eq!((bytes, std::fs::read(to)?), (5000, vec![3; 5000]));
        }
        Ok(())
    });
}

/// A directory with a file and a directory in it.
async fn root(cut: &Cut) -> io::Result<(PathBuf, Dir)> {
    let path = scratch(cut);
    std::fs::write(path.join("file"), "text")?;
    std::fs::create_dir(path.join("sub"))?;
    let dir = Dir::open(&path).await?;
    Ok((path, dir))
}

#[test]
fn names_below_a_directory_ended_anywhere_are_moved_or_not() {
    Points::of(&[
        "fs::dir_names::open_dir",
        "fs::dir_names::rename",
        "fs::dir_names::rename_noreplace",
        "fs::dir_names::rename_exchange",
        "fs::dir_names::hard_link",
    ])
    .real_only("RENAMEAT and LINKAT")
    .run(|cut| async move {
        let (path, dir) = root(&cut).await?;
        let moves = async move {
            let sub = dir.open_dir("sub").await?;
            dir.rename("file", &sub, "file").await?;
            sub.hard_link("file", &dir, "sub/twin").await?;
            sub.rename_noreplace("twin", &dir, "twin").await?;
            dir.rename_exchange("twin", &sub, "file").await
        };
        let ended = cut.end(moves).await.transpose()?.is_some();
        let at = ["file", "sub/file", "twin", "sub/twin"].map(|name| path.join(name).is_file());
        assert!(at.contains(&true), "{cut:?}: the file is never lost");
        assert!(!ended || at == [false, true, true, false], "{at:?}");
        Ok(())
    });
}

#[test]
fn names_below_a_directory_ended_anywhere_are_made_and_removed_or_not() {
    Points::of(&[
        "fs::dir_names::create_dir",
        "fs::dir_names::symlink",
        "fs::dir_names::remove_file",
        "fs::dir_names::remove_dir",
        "fs::dir_names::remove_dir_all",
    ])
    .real_only("UNLINKAT and MKDIRAT")
    .run(|cut| async move {
        let (path, dir) = root(&cut).await?;
        let making = async move {
            dir.create_dir("sub/deep").await?;
            dir.symlink("file", "sub/link").await?;
            dir.remove_file("sub/link").await?;
            dir.remove_dir("sub/deep").await?;
            dir.remove_dir_all("sub").await
        };
        let ended = cut.end(making).await.transpose()?.is_some();
        assert!(path.join("file").is_file());
        assert!(!ended || !path.join("sub").exists());
        Ok(())
    });
}

#[test]
fn looks_below_a_directory_ended_anywhere_leave_nothing() {
    Points::of(&[
        "fs::dir_names::read_link",
        "fs::dir_names::metadata",
        "fs::dir_names::symlink_metadata",
        "fs::dir_names::read_dir",
        "fs::dir_names::sync",
    ])
    .real_only("threads")
    .run(|cut| async move {
        let (path, dir) = root(&cut).await?;
        std::os::unix::fs::symlink("../file", path.join("sub/link"))?;
        let looks = async move {
            assert_eq!(dir.read_link("sub/link").await?, Path::new("../file"));
            assert!(dir.metadata("sub/link").await?.is_file());
            assert!(dir.symlink_metadata("sub/link").await?.is_symlink());
            assert!(dir.read_dir("sub").await?.next_entry().await?.is_some());
            dir.sync().await
        };
        cut.end(looks).await.transpose()?;
        Ok(())
    });
}
