//! More of names, attributes and space. Mirrors rename, unlink, mkdir, symlink, hardlink, statx,
//! xattr, fallocate, truncate and openat2 of liburing.

use std::{
    ffi::CStr,
    fs::{self, File},
    io::{Read as _, Seek as _, Write as _},
    mem::MaybeUninit,
    os::{
        fd::{AsRawFd as _, RawFd},
        unix::fs::MetadataExt as _,
    },
};

use annulus_ring::{
    Ring,
    abi::{Errno, Opcode},
    op::{
        Fallocate, Fgetxattr, Fsetxattr, Ftruncate, Linkat, Mkdirat, Openat, Place, Renameat,
        Statx, Symlinkat, Unlinkat,
    },
};

use super::{
    made::{fd, file, owned},
    ring, run, said, supported,
};

/// A directory with a file `one` that says so.
fn dir() -> (tempfile::TempDir, File) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("one"), b"one").unwrap();
    let open = File::open(dir.path()).unwrap();
    (dir, open)
}

fn rename(dir: &File, from: &CStr, to: &CStr, flags: u32) -> Renameat {
    Renameat {
        old_dir: dir.as_raw_fd(),
        old_path: from.as_ptr(),
        new_dir: dir.as_raw_fd(),
        new_path: to.as_ptr(),
        flags,
    }
}

fn unlink(dir: &File, path: &CStr, flags: i32) -> Unlinkat {
    Unlinkat { dir: dir.as_raw_fd(), path: path.as_ptr(), flags }
}

fn mkdir(dir: &File, path: &CStr) -> Mkdirat {
    Mkdirat { dir: dir.as_raw_fd(), path: path.as_ptr(), mode: 0o700 }
}

fn open(dir: &File, path: &CStr, flags: i32) -> Openat {
    let flags = flags | libc::O_CLOEXEC;
    Openat { dir: dir.as_raw_fd(), path: path.as_ptr(), flags, mode: 0o600, place: Place::Fd }
}

fn statx(ring: &mut Ring, dir: RawFd, path: &CStr, flags: i32) -> Result<libc::statx, Errno> {
    let mut buffer = MaybeUninit::<libc::statx>::zeroed();
    let mask = libc::STATX_BASIC_STATS;
    let op = Statx { dir, path: path.as_ptr(), flags, mask, buffer: buffer.as_mut_ptr() };
    run(ring, &op)?;
    // SAFETY: integers, for which zero is a value, and the kernel has written them.
    Ok(unsafe { buffer.assume_init() })
}

#[test]
fn a_name_that_is_taken_is_replaced_unless_that_is_forbidden() {
    let mut ring = ring();
    let (temp, dir) = dir();
    fs::write(temp.path().join("two"), b"two").unwrap();
    let keep = rename(&dir, c"one", c"two", libc::RENAME_NOREPLACE);
    assert_eq!(run(&mut ring, &keep), Err(Errno(libc::EEXIST)));
    assert_eq!(run(&mut ring, &rename(&dir, c"one", c"two", 0)), Ok(()));
    assert_eq!(fs::read(temp.path().join("two")).unwrap(), b"one");
    let gone = run(&mut ring, &rename(&dir, c"one", c"two", 0));
    assert_eq!(gone, Err(Errno(libc::ENOENT)));
}

#[test]
fn two_names_are_exchanged() {
    let mut ring = ring();
    let (temp, dir) = dir();
    fs::write(temp.path().join("two"), b"two").unwrap();
    let exchange = rename(&dir, c"one", c"two", libc::RENAME_EXCHANGE);
    match run(&mut ring, &exchange) {
        Err(Errno(libc::EINVAL)) => return said("no exchange here", Opcode::RENAMEAT),
        exchanged => assert_eq!(exchanged, Ok(())),
    }
    assert_eq!(fs::read(temp.path().join("one")).unwrap(), b"two");
    assert_eq!(fs::read(temp.path().join("two")).unwrap(), b"one");
}

#[test]
fn files_and_directories_are_removed_each_in_its_way() {
    let mut ring = ring();
    let (temp, dir) = dir();
    assert_eq!(run(&mut ring, &mkdir(&dir, c"sub")), Ok(()));
    assert_eq!(run(&mut ring, &unlink(&dir, c"sub", 0)), Err(Errno(libc::EISDIR)));
    let rmdir = |path| unlink(&dir, path, libc::AT_REMOVEDIR);
    assert_eq!(run(&mut ring, &rmdir(c"one")), Err(Errno(libc::ENOTDIR)));
    fs::write(temp.path().join("sub/file"), b"").unwrap();
    assert_eq!(run(&mut ring, &rmdir(c"sub")), Err(Errno(libc::ENOTEMPTY)));
    assert_eq!(run(&mut ring, &unlink(&dir, c"sub/file", 0)), Ok(()));
    assert_eq!(run(&mut ring, &rmdir(c"sub")), Ok(()));
    assert_eq!(run(&mut ring, &unlink(&dir, c"one", 0)), Ok(()));
    assert_eq!(run(&mut ring, &unlink(&dir, c"one", 0)), Err(Errno(libc::ENOENT)));
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
}

#[test]
fn a_file_without_a_name_lives_as_long_as_it_is_open() {
    let mut ring = ring();
    let (_temp, dir) = dir();
    let mut open = File::from(owned(run(&mut ring, &open(&dir, c"one", libc::O_RDONLY)).unwrap()));
    assert_eq!(run(&mut ring, &unlink(&dir, c"one", 0)), Ok(()));
    let mut text = String::new();
    open.read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), open.metadata().unwrap().nlink()), ("one", 0));
}

#[test]
fn a_directory_is_made_once_and_where_its_parent_is() {
    let mut ring = ring();
    let (temp, dir) = dir();
    assert_eq!(run(&mut ring, &mkdir(&dir, c"sub")), Ok(()));
    assert!(temp.path().join("sub").is_dir());
    assert_eq!(run(&mut ring, &mkdir(&dir, c"sub")), Err(Errno(libc::EEXIST)));
    assert_eq!(run(&mut ring, &mkdir(&dir, c"no/sub")), Err(Errno(libc::ENOENT)));
    assert_eq!(run(&mut ring, &mkdir(&dir, c"one/sub")), Err(Errno(libc::ENOTDIR)));
}

#[test]
fn a_symbolic_link_says_what_it_was_told_and_a_hard_one_is_the_file() {
    let mut ring = ring();
    let (temp, dir) = dir();
    let soft = Symlinkat { text: c"one".as_ptr(), dir: dir.as_raw_fd(), path: c"soft".as_ptr() };
    assert_eq!(run(&mut ring, &soft), Ok(()));
    assert_eq!(fs::read_link(temp.path().join("soft")).unwrap().as_os_str(), "one");
    assert_eq!(run(&mut ring, &soft), Err(Errno(libc::EEXIST)));
    let hard = |follow| Linkat {
        old_dir: dir.as_raw_fd(),
        old_path: c"soft".as_ptr(),
        new_dir: dir.as_raw_fd(),
        new_path: if follow == 0 { c"of-link".as_ptr() } else { c"of-file".as_ptr() },
        flags: follow,
    };
    assert_eq!(run(&mut ring, &hard(libc::AT_SYMLINK_FOLLOW)), Ok(()));
    assert_eq!(run(&mut ring, &hard(0)), Ok(()));
    assert_eq!(fs::metadata(temp.path().join("one")).unwrap().nlink(), 2);
    assert!(fs::symlink_metadata(temp.path().join("of-link")).unwrap().is_symlink());
}

#[test]
fn metadata_is_of_the_link_or_of_what_it_names() {
    let mut ring = ring();
    let (temp, dir) = dir();
    std::os::unix::fs::symlink("one", temp.path().join("soft")).unwrap();
    let at = dir.as_raw_fd();
    let followed = statx(&mut ring, at, c"soft", 0).unwrap();
    let link = statx(&mut ring, at, c"soft", libc::AT_SYMLINK_NOFOLLOW).unwrap();
    let kind = |stat: &libc::statx| u32::from(stat.stx_mode) & libc::S_IFMT;
    assert_eq!((kind(&followed), followed.stx_size), (libc::S_IFREG, 3));
    assert_eq!(kind(&link), libc::S_IFLNK);
    assert_eq!(statx(&mut ring, at, c"none", 0).map(drop), Err(Errno(libc::ENOENT)));
    assert_eq!(statx(&mut ring, at, c"one/x", 0).map(drop), Err(Errno(libc::ENOTDIR)));
    assert_eq!(statx(&mut ring, at, c"", 0).map(drop), Err(Errno(libc::ENOENT)));
}

#[test]
fn a_file_is_created_once_or_found_as_asked() {
    let mut ring = ring();
    let (temp, dir) = dir();
    let create = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR;
    assert_eq!(run(&mut ring, &open(&dir, c"one", create)), Err(Errno(libc::EEXIST)));
    assert_eq!(run(&mut ring, &open(&dir, c"two", libc::O_RDWR)), Err(Errno(libc::ENOENT)));
    drop(owned(run(&mut ring, &open(&dir, c"two", create)).unwrap()));
    let truncate = open(&dir, c"one", libc::O_TRUNC | libc::O_RDWR);
    drop(owned(run(&mut ring, &truncate).unwrap()));
    assert_eq!(fs::metadata(temp.path().join("one")).unwrap().len(), 0);
    let not_dir = open(&dir, c"one", libc::O_DIRECTORY);
    assert_eq!(run(&mut ring, &not_dir), Err(Errno(libc::ENOTDIR)));
}

#[test]
fn a_file_is_cut_off_and_extended_with_zeroes() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::FTRUNCATE]) {
        return;
    }
    let mut file = file(b"0123456789");
    for len in [4, 8] {
        assert_eq!(run(&mut ring, &Ftruncate { target: fd(&file), len }), Ok(()));
    }
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, b"0123\0\0\0\0");
    let pipe = super::pipe().1;
    let never = Ftruncate { target: fd(&pipe), len: 0 };
    assert_eq!(run(&mut ring, &never), Err(Errno(libc::EINVAL)));
    let endless = Ftruncate { target: fd(&file), len: u64::MAX };
    assert_eq!(run(&mut ring, &endless), Err(Errno(libc::EINVAL)));
}

#[test]
fn space_is_allocated_without_a_change_of_the_length_and_holes_are_zero() {
    let mut ring = ring();
    let mut file = file(&[7; 8192]);
    let op = |mode, offset, len| Fallocate { target: fd(&file), mode, offset, len };
    let keep = op(libc::FALLOC_FL_KEEP_SIZE, 8192, 4096);
    let hole = op(libc::FALLOC_FL_KEEP_SIZE | libc::FALLOC_FL_PUNCH_HOLE, 0, 4096);
    let nothing = op(0, 0, 0);
    match run(&mut ring, &keep) {
        Err(Errno(libc::EOPNOTSUPP)) => return said("no fallocate here", Opcode::FALLOCATE),
        allocated => assert_eq!(allocated, Ok(())),
    }
    assert_eq!(run(&mut ring, &hole), Ok(()));
    assert_eq!(run(&mut ring, &nothing), Err(Errno(libc::EINVAL)));
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len(), 8192);
    assert!(bytes[..4096].iter().all(|byte| *byte == 0));
    assert!(bytes[4096..].iter().all(|byte| *byte == 7));
}

#[test]
fn an_attribute_is_set_once_if_it_shall_be_new_and_measured_without_room() {
    let mut ring = ring();
    let mut file = file(b"");
    file.flush().unwrap();
    let set = |flags| Fsetxattr {
        target: fd(&file),
        name: c"user.colour".as_ptr(),
        value: b"blue".as_ptr(),
        len: 4,
        flags,
    };
    match run(&mut ring, &set(libc::XATTR_CREATE)) {
        Err(Errno(libc::EOPNOTSUPP)) => return said("no attributes here", Opcode::FSETXATTR),
        set => assert_eq!(set, Ok(())),
    }
    assert_eq!(run(&mut ring, &set(libc::XATTR_CREATE)), Err(Errno(libc::EEXIST)));
    assert_eq!(run(&mut ring, &set(libc::XATTR_REPLACE)), Ok(()));
    let mut value = [0; 4];
    let name = c"user.colour".as_ptr();
    let get = Fgetxattr { target: fd(&file), name, value: value.as_mut_ptr(), len: 4 };
    assert_eq!(run(&mut ring, &Fgetxattr { len: 0, ..get }), Ok(4), "its length alone");
    assert_eq!(run(&mut ring, &Fgetxattr { len: 2, ..get }), Err(Errno(libc::ERANGE)));
    assert_eq!(run(&mut ring, &get), Ok(4));
    assert_eq!(&value, b"blue");
    let other = Fgetxattr { name: c"user.none".as_ptr(), ..get };
    assert_eq!(run(&mut ring, &other), Err(Errno(libc::ENODATA)));
}
