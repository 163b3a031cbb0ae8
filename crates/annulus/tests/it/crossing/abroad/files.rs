//! Files, direct files, directories.

use std::fs::Permissions;
use std::io::{ErrorKind, SeekFrom};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::SystemTime;

use annulus::buf::AlignedBuf;
use annulus::fs::{
    Advice, Dir, Direct, File, Merge, OpenOptions, RwOptions, SetXattr, Synced, WriteBack,
};
use annulus::io::AsyncRead;
use annulus::op::chain;
use annulus::runtime::Runtime;

use super::{Said, assert_refused, note};
use crate::cancel::at_rest;
use crate::harness::{Scratch, made, share_process, skip};

const CONTENTS: &[u8] = b"at home";

async fn opened(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).await.unwrap()
}

#[test]
fn the_position_of_a_file_is_moved_on_its_core() {
    let scratch = Scratch::new();
    let path = scratch.file("file", CONTENTS);
    let _shared = share_process();
    let (home, abroad) = (made(Runtime::builder()), made(Runtime::builder()));
    let mut file = home.block_on(opened(&path));
    let said = Said::default();
    abroad.block_on(async {
        note(&said, "read", file.read(vec![0; 4]).await);
        note(&said, "read_exact", file.read_exact(vec![0; 4]).await);
        note(&said, "read_vectored", file.read_vectored((vec![0; 4], vec![0])).await);
        note(&said, "read_to_end", file.read_to_end(Vec::new()).await);
        note(&said, "read_to_string", file.read_to_string(String::new()).await);
        note(&said, "recv", AsyncRead::recv(&mut file).await);
        note(&said, "write", file.write("text").await);
        note(&said, "write_all", file.write_all("text").await);
        note(&said, "write_vectored", file.write_vectored(("a", "b")).await);
        note(&said, "write_all_vectored", file.write_all_vectored(("a", "b")).await);
        note(&said, "seek", file.seek(SeekFrom::End(0)));
        note(&said, "rewind", file.rewind());
        note(&said, "stream_position", file.stream_position());
    });
    assert_refused(said, &home, &abroad);
    home.block_on(async move {
        assert_eq!(file.stream_position().unwrap(), 0);
        assert_eq!(file.read_to_end(Vec::new()).await.unwrap().1, CONTENTS);
        drop(file);
        at_rest().await.unwrap();
    });
}

#[test]
fn a_file_is_read_and_written_on_its_core() {
    let scratch = Scratch::new();
    let (path, own_path) = (scratch.file("file", CONTENTS), scratch.file("own", b"from abroad"));
    let _shared = share_process();
    let (home, abroad) = (made(Runtime::builder()), made(Runtime::builder()));
    let file = home.block_on(opened(&path));
    let said = Said::default();
    abroad.block_on(async {
        note(&said, "write_all_at", file.write_all_at("text", 0).await);
        note(&said, "read_vectored_at", file.read_vectored_at((vec![0; 4], vec![0]), 0).await);
        note(&said, "write_vectored_at", file.write_vectored_at(("a", "b"), 0).await);
        note(&said, "write_all_vectored_at", file.write_all_vectored_at(("a", "b"), 0).await);
        note(&said, "write_synced_at", file.write_synced_at("text", 0, Synced::Data).await);
        let with = file.with(RwOptions::new());
        note(&said, "with read_at", with.read_at(vec![0; 4], 0).await);
        note(&said, "with write_at", with.write_at("text", 0).await);
        note(&said, "with write_all_at", with.write_all_at("text", 0).await);
        note(&said, "with read_vectored_at", with.read_vectored_at((vec![0; 4], vec![0]), 0).await);
        note(&said, "with write_vectored_at", with.write_vectored_at(("a", "b"), 0).await);
        let mut chunks = file.read_stream(0..4, 1, 4).unwrap();
        note(&said, "read_stream", chunks.next().await.expect("an error comes before the end"));
        note(&said, "read_ranges", file.read_ranges(&[0..4, 4..8], Merge::default()).await);
        // With a file that is this core's.
        let own = opened(&own_path).await;
        note(&said, "copy_block from there", file.copy_block(0, &own, 0, vec![0; 4]).await);
        note(&said, "copy_block to there", own.copy_block(0, &file, 0, vec![0; 4]).await);
        let (read, wrote) = chain((own.read_at(vec![0; 4], 0), file.write_at("text", 0))).await;
        assert!(read.is_err(), "no step begins if one cannot");
        note(&said, "a step of a chain", wrote);
    });
    assert_refused(said, &home, &abroad);
    assert_eq!(std::fs::read(&own_path).unwrap(), b"from abroad");
    home.block_on(async move {
        let ((), head) = file.read_exact_at(vec![0; CONTENTS.len()], 0).await.unwrap();
        assert_eq!(head, CONTENTS);
        drop(file);
        at_rest().await.unwrap();
    });
}

#[test]
fn a_file_is_changed_locked_and_given_away_on_its_core() {
    let scratch = Scratch::new();
    let path = scratch.file("file", CONTENTS);
    let _shared = share_process();
    let (home, abroad) = (made(Runtime::builder()), made(Runtime::builder()));
    let (file, closing, leaving) = home.block_on(async {
        let (closing, leaving) = (opened(&path).await, opened(&path).await);
        (opened(&path).await, closing, leaving)
    });
    let said = Said::default();
    abroad.block_on(async {
        note(&said, "metadata", file.metadata());
        note(&said, "len", file.len());
        note(&said, "set_len", file.set_len(0).await);
        note(&said, "allocate", file.allocate(0..8192).await);
        note(&said, "punch_hole", file.punch_hole(0..4).await);
        note(&said, "advise", file.advise(.., Advice::Random).await);
        note(&said, "advise of much", file.advise(0..1u64 << 33, Advice::WillNeed).await);
        note(&said, "sync_range", file.sync_range(.., WriteBack::Start).await);
        note(&said, "seek_data", file.seek_data(0).await);
        note(&said, "seek_hole", file.seek_hole(0).await);
        note(&said, "lock", file.lock().await);
        note(&said, "lock_shared", file.lock_shared().await);
        note(&said, "try_lock", file.try_lock());
        note(&said, "try_lock_shared", file.try_lock_shared());
        note(&said, "unlock", file.unlock());
        note(&said, "xattr", file.xattr("user.a").await);
        note(&said, "set_xattr", file.set_xattr("user.a", "b", SetXattr::Always).await);
        note(&said, "list_xattrs", file.list_xattrs().await);
        note(&said, "remove_xattr", file.remove_xattr("user.a").await);
        note(&said, "set_permissions", file.set_permissions(Permissions::from_mode(0o0)).await);
        note(&said, "set_modified", file.set_modified(SystemTime::UNIX_EPOCH).await);
        note(&said, "try_clone", file.try_clone());
        note(&said, "close", closing.close().await);
        note(&said, "into_std", leaving.into_std());
    });
    assert_refused(said, &home, &abroad);
    let now = std::fs::metadata(&path).unwrap();
    assert_ne!(now.permissions().mode() & 0o777, 0);
    assert!(now.modified().unwrap() > SystemTime::UNIX_EPOCH);
    home.block_on(async move {
        let other = opened(&path).await;
        other.try_lock().expect("nobody has locked it");
        assert_eq!(file.len().unwrap(), CONTENTS.len() as u64);
        drop((file, other));
        at_rest().await.unwrap();
    });
}

#[test]
fn a_direct_file_is_of_its_core() {
    let scratch = Scratch::beside();
    let path = scratch.file("table", &[7; 4096]);
    let _shared = share_process();
    let (home, abroad) = (made(Runtime::builder()), made(Runtime::builder()));
    let table = home.block_on(async {
        let mut options = OpenOptions::new();
        Direct::open_with(options.read(true).write(true), &path).await
    });
    let table = match table {
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
            skip("this file system has no O_DIRECT");
            return;
        }
        table => table.unwrap(),
    };
    let block = table.alignment().block_bytes();
    let page = || AlignedBuf::new(block, block).unwrap();
    let said = Said::default();
    abroad.block_on(async {
        note(&said, "read_at", table.read_at(page(), 0).await);
        note(&said, "write_at", table.write_at(page(), 0).await);
        note(&said, "write_all_at", table.write_all_at(page(), 0).await);
        note(&said, "write_synced_at", table.write_synced_at(page(), 0, Synced::All).await);
        let with = table.with(RwOptions::new());
        note(&said, "with read_at", with.read_at(page(), 0).await);
        note(&said, "with write_at", with.write_at(page(), 0).await);
        note(&said, "polled", table.polled());
        let mut chunks = table.read_stream(0..block as u64, 1, block).unwrap();
        note(&said, "read_stream", chunks.next().await.expect("an error comes before the end"));
        note(&said, "read_ranges", table.read_ranges(&[0..4, 4..8], Merge::default()).await);
        note(&said, "allocate", table.allocate(0, 8192).await);
        note(&said, "sync_all", table.sync_all().await);
        note(&said, "sync_data", table.sync_data().await);
        note(&said, "len", table.len());
    });
    assert_refused(said, &home, &abroad);
    home.block_on(async move {
        assert_eq!(table.len().unwrap(), 4096);
        drop(table);
        at_rest().await.unwrap();
    });
    assert_eq!(std::fs::read(&path).unwrap(), [7; 4096]);
}

#[test]
fn a_directory_is_of_its_core() {
    let scratch = Scratch::new();
    scratch.file("a", CONTENTS);
    let _shared = share_process();
    std::fs::create_dir(scratch.path().join("below")).unwrap();
    let (home, abroad) = (made(Runtime::builder()), made(Runtime::builder()));
    let dir = home.block_on(Dir::open(scratch.path())).unwrap();
    let said = Said::default();
    abroad.block_on(async {
        note(&said, "open_file", dir.open_file("a").await);
        note(&said, "open_beneath", dir.open_beneath("a", OpenOptions::new().read(true)).await);
        note(&said, "open_dir", dir.open_dir("below").await);
        note(&said, "create_dir", dir.create_dir("new").await);
        note(&said, "create_dir below", dir.create_dir("below/new").await);
        note(&said, "remove_file", dir.remove_file("a").await);
        note(&said, "remove_dir", dir.remove_dir("below").await);
        note(&said, "remove_dir_all", dir.remove_dir_all("below").await);
        note(&said, "rename", dir.rename("a", &dir, "b").await);
        note(&said, "rename_noreplace", dir.rename_noreplace("a", &dir, "b").await);
        note(&said, "rename_exchange", dir.rename_exchange("a", &dir, "below").await);
        note(&said, "hard_link", dir.hard_link("a", &dir, "b").await);
        note(&said, "symlink", dir.symlink("a", "b").await);
        note(&said, "read_link", dir.read_link("a").await);
        note(&said, "metadata", dir.metadata("a").await);
        note(&said, "symlink_metadata", dir.symlink_metadata("a").await);
        note(&said, "read_dir", dir.read_dir(".").await);
        note(&said, "sync", dir.sync().await);
        // With a directory that is this core's.
        let own = Dir::open(scratch.path()).await.unwrap();
        note(&said, "rename from there", dir.rename("a", &own, "b").await);
        note(&said, "rename to there", own.rename("a", &dir, "b").await);
        note(&said, "hard_link to there", own.hard_link("a", &dir, "b").await);
    });
    assert_refused(said, &home, &abroad);
    let entries = std::fs::read_dir(scratch.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a", "below"]);
    home.block_on(async move {
        assert_eq!(dir.metadata("a").await.unwrap().len(), CONTENTS.len() as u64);
        drop(dir);
        at_rest().await.unwrap();
    });
}
