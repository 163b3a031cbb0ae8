//! Metadata, permissions, times and extended attributes of an open file, as `std` sees them.

use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::{Duration, UNIX_EPOCH};

use annulus::fs::{File, FileTimes, SetXattr};

use crate::harness::{Scratch, run, skip};

#[test]
fn metadata_has_every_number_that_std_has() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &[1; 10_000]);
    std::fs::hard_link(&path, scratch.path().join("other")).unwrap();
    run(async {
        std::fs::File::open(&path)?.sync_all()?;
        for path in [path.as_path(), scratch.path(), "/dev/null".as_ref()] {
            let std = std::fs::metadata(path)?;
            for ours in [File::open(path).await?.metadata()?, annulus::fs::metadata(path).await?] {
                assert_eq!(ours.permissions(), std.permissions());
                let numbers = (ours.nlink(), ours.uid(), ours.gid(), ours.dev(), ours.rdev());
                assert_eq!(numbers, (std.nlink(), std.uid(), std.gid(), std.dev(), std.rdev()));
                assert_eq!((ours.blksize(), ours.blocks()), (std.blksize(), std.blocks()));
                assert_eq!((ours.mtime(), ours.mtime_nsec()), (std.mtime(), std.mtime_nsec()));
                assert_eq!((ours.ctime(), ours.ctime_nsec()), (std.ctime(), std.ctime_nsec()));
                assert_eq!((ours.atime(), ours.atime_nsec()), (std.atime(), std.atime_nsec()));
                let changed = ours.changed().duration_since(UNIX_EPOCH).unwrap();
                assert_eq!(changed.as_secs(), std.ctime() as u64);
                assert_eq!(ours.attributes() & !ours.known_attributes(), 0);
            }
        }
        let file = File::open(&path).await?.metadata()?;
        assert_eq!(file.nlink(), 2);
        let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
        let mount = file.mount_id().expect("since 5.8").to_string();
        let is_listed = mounts.lines().any(|line| line.split(' ').next() == Some(&mount));
        assert!(is_listed, "mount {mount} is not in {mounts}");
        match (file.dio_mem_align(), file.dio_offset_align()) {
            (Some(memory), Some(offset)) => {
                assert!(memory.is_power_of_two() && offset.is_power_of_two());
            }
            (None, None) => skip("the file system of temporary files does not tell of O_DIRECT"),
            one => panic!("one alone is told: {one:?}"),
        }
        Ok(())
    });
}

#[test]
fn permissions_and_times_are_set() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"text");
    run(async {
        let file = File::open(&path).await?;
        file.set_permissions(Permissions::from_mode(0o4751)).await?;
        assert_eq!(std::fs::metadata(&path)?.mode() & 0o7777, 0o4751);
        assert_eq!(file.metadata()?.permissions().mode() & 0o7777, 0o4751);
        let (early, late) = (Duration::new(1_000_000_000, 123), Duration::from_secs(2_000_000_000));
        let times = FileTimes::new().set_accessed(UNIX_EPOCH + early);
        file.set_times(times.set_modified(UNIX_EPOCH + late)).await?;
        let metadata = file.metadata()?;
        assert_eq!(metadata.accessed(), UNIX_EPOCH + early);
        assert_eq!(metadata.modified(), UNIX_EPOCH + late);
        file.set_modified(UNIX_EPOCH - early).await?;
        let metadata = file.metadata()?;
        assert_eq!(metadata.modified(), UNIX_EPOCH - early, "before 1970");
        assert_eq!(metadata.accessed(), UNIX_EPOCH + early, "as it was");
        Ok(())
    });
}

#[test]
fn extended_attributes_are_set_read_listed_and_removed() {
    let directory = Scratch::beside();
    let path = directory.path().join("file");
    run(async {
        let file = File::create_new(&path).await?;
        if let Err(error) = file.set_xattr("user.kind", "test", SetXattr::Always).await {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            skip("this file system has no extended attributes");
            return Ok(());
        }
        assert_eq!(file.xattr("user.kind").await?.as_deref(), Some(&b"test"[..]));
        assert_eq!(file.xattr("user.none").await?, None);
        let long = vec![7; 2000];
        file.set_xattr("user.long", long.clone(), SetXattr::Create).await?;
        assert_eq!(file.xattr("user.long").await?, Some(long));
        file.set_xattr("user.empty", "", SetXattr::Always).await?;
        assert_eq!(file.xattr("user.empty").await?, Some(Vec::new()));
        let again = file.set_xattr("user.kind", "x", SetXattr::Create).await;
        assert_eq!(again.expect_err("it is there").kind(), ErrorKind::AlreadyExists);
        let none = file.set_xattr("user.none", "x", SetXattr::Replace).await;
        assert_eq!(none.expect_err("it is not there").raw_os_error(), Some(libc::ENODATA));
        file.set_xattr("user.kind", "other", SetXattr::Replace).await?;
        let mut names = file.list_xattrs().await?;
        names.sort();
        assert_eq!(names, ["user.empty", "user.kind", "user.long"]);
        for name in names {
            file.remove_xattr(name).await?;
        }
        assert!(file.list_xattrs().await?.is_empty());
        let gone = file.remove_xattr("user.kind").await.expect_err("it is gone");
        assert_eq!(gone.raw_os_error(), Some(libc::ENODATA));
        let zero = file.xattr("user.\0").await.expect_err("no name");
        assert_eq!(zero.kind(), ErrorKind::InvalidInput);
        let large = file.set_xattr("user.large", vec![0; 65_537], SetXattr::Always).await;
        assert_eq!(large.expect_err("too large").raw_os_error(), Some(libc::E2BIG));
        Ok(())
    });
}
