//! Paths: opening, metadata, names, extended attributes. Mirrors openat2, statx, rename, unlink,
//! mkdir, symlink, hardlink and xattr of liburing.

use std::{
    ffi::{CStr, CString},
    fs::{self, File},
    io::Read as _,
    mem::MaybeUninit,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    ptr,
};

use annulus_ring::{
    Ring, Target,
    abi::{Errno, Opcode},
    op::{
        Fgetxattr, Fsetxattr, Getxattr, Linkat, Mkdirat, Openat, Openat2, Place, Read, Renameat,
        Setxattr, Statx, Symlinkat, Unlinkat,
    },
};

use super::{ring, run, said};

fn owned(fd: RawFd) -> File {
    // SAFETY: the completion gave the descriptor to this test.
    File::from(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A directory, open.
fn dir() -> (tempfile::TempDir, File) {
    let dir = tempfile::tempdir().unwrap();
    let open = File::open(dir.path()).unwrap();
    (dir, open)
}

fn open_how(flags: i32, resolve: u64) -> libc::open_how {
    // SAFETY: three integers, for which zero is a value.
    let mut how = unsafe { MaybeUninit::<libc::open_how>::zeroed().assume_init() };
    how.flags = flags as u64;
    how.resolve = resolve;
    how
}

#[test]
fn a_file_is_created_and_opened() {
    let mut ring = ring();
    let (temp, dir) = dir();
    let open = Openat {
        dir: dir.as_raw_fd(),
        path: c"new".as_ptr(),
        flags: libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY | libc::O_CLOEXEC,
        mode: 0o600,
        place: Place::Fd,
    };
    drop(owned(run(&mut ring, &open).unwrap()));
    assert!(temp.path().join("new").is_file());
    assert_eq!(run(&mut ring, &open), Err(Errno(libc::EEXIST)));
}

#[test]
fn a_file_opens_into_a_slot_and_is_read_there() {
    let mut ring = ring();
    let (temp, dir) = dir();
    fs::write(temp.path().join("file"), b"direct").unwrap();
    ring.register_files_sparse(4).unwrap();
    let open = Openat {
        dir: dir.as_raw_fd(),
        path: c"file".as_ptr(),
        flags: libc::O_RDONLY,
        mode: 0,
        place: Place::Fixed(2),
    };
    assert_eq!(run(&mut ring, &open), Ok(0));
    let any = Openat { place: Place::FixedAny, ..open };
    let slot = run(&mut ring, &any).unwrap() as u32;
    assert_ne!(slot, 2);
    for slot in [2, slot] {
        let mut buffer = [0; 6];
        let read =
            Read { target: Target::Fixed(slot), addr: buffer.as_mut_ptr(), len: 6, offset: 0 };
        assert_eq!(run(&mut ring, &read), Ok(6));
        assert_eq!(&buffer, b"direct");
    }
}

#[test]
fn a_slot_cannot_be_closed_on_exec() {
    let mut ring = ring();
    ring.register_files_sparse(1).unwrap();
    let open = Openat {
        dir: libc::AT_FDCWD,
        path: c"/".as_ptr(),
        flags: libc::O_RDONLY | libc::O_CLOEXEC,
        mode: 0,
        place: Place::Fixed(0),
    };
    assert_eq!(run(&mut ring, &open), Err(Errno(libc::EINVAL)));
}

#[test]
fn a_path_stays_beneath_its_directory_if_told_to() {
    let mut ring = ring();
    let (temp, dir) = dir();
    fs::write(temp.path().join("inside"), b"yes").unwrap();
    let how = open_how(libc::O_RDONLY | libc::O_CLOEXEC, libc::RESOLVE_BENEATH);
    let open =
        Openat2 { dir: dir.as_raw_fd(), path: c"inside".as_ptr(), how: &how, place: Place::Fd };
    let mut text = String::new();
    owned(run(&mut ring, &open).unwrap()).read_to_string(&mut text).unwrap();
    assert_eq!(text, "yes");
    let escape = Openat2 { path: c"../".as_ptr(), ..open };
    assert_eq!(run(&mut ring, &escape), Err(Errno(libc::EXDEV)));
}

#[test]
fn metadata_is_of_a_path_or_of_the_descriptor_itself() {
    let mut ring = ring();
    let (temp, dir) = dir();
    fs::write(temp.path().join("file"), b"12345").unwrap();
    let file = File::open(temp.path().join("file")).unwrap();
    let ways = [(dir.as_raw_fd(), c"file", 0), (file.as_raw_fd(), c"", libc::AT_EMPTY_PATH)];
    for (dir, path, flags) in ways {
        let mut buffer = MaybeUninit::<libc::statx>::zeroed();
        let statx = Statx {
            dir,
            path: path.as_ptr(),
            flags,
            mask: libc::STATX_SIZE,
            buffer: buffer.as_mut_ptr(),
        };
        assert_eq!(run(&mut ring, &statx), Ok(()));
        // SAFETY: integers, for which zero is a value.
        assert_eq!(unsafe { buffer.assume_init() }.stx_size, 5);
    }
}

#[test]
fn names_are_made_changed_and_removed() {
    let mut ring = ring();
    let (temp, dir) = dir();
    let at = dir.as_raw_fd();
    let path = |name: &str| temp.path().join(name);
    let mkdir = Mkdirat { dir: at, path: c"dir".as_ptr(), mode: 0o700 };
    assert_eq!(run(&mut ring, &mkdir), Ok(()));
    fs::write(path("dir/file"), b"content").unwrap();
    let rename = Renameat {
        old_dir: at,
        old_path: c"dir/file".as_ptr(),
        new_dir: at,
        new_path: c"file".as_ptr(),
        flags: libc::RENAME_NOREPLACE,
    };
    assert_eq!(run(&mut ring, &rename), Ok(()));
    let link = Linkat {
        old_dir: at,
        old_path: c"file".as_ptr(),
        new_dir: at,
        new_path: c"hard".as_ptr(),
        flags: 0,
    };
    assert_eq!(run(&mut ring, &link), Ok(()));
    let symlink = Symlinkat { text: c"hard".as_ptr(), dir: at, path: c"soft".as_ptr() };
    assert_eq!(run(&mut ring, &symlink), Ok(()));
    assert_eq!(fs::read_link(path("soft")).unwrap(), Path::new("hard"));
    assert_eq!(fs::read(path("soft")).unwrap(), b"content");
    assert_eq!(run(&mut ring, &rename), Err(Errno(libc::ENOENT)));

    let names = [(c"file", 0), (c"hard", 0), (c"soft", 0), (c"dir", libc::AT_REMOVEDIR)];
    for (name, flags) in names {
        let unlink = Unlinkat { dir: at, path: name.as_ptr(), flags };
        assert_eq!(run(&mut ring, &unlink), Ok(()));
    }
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
}

const NAME: &CStr = c"user.annulus";

/// Reads the attribute of a path, having asked for its length first.
fn attribute(ring: &mut Ring, path: &CStr) -> Vec<u8> {
    let length =
        Getxattr { path: path.as_ptr(), name: NAME.as_ptr(), value: ptr::null_mut(), len: 0 };
    let mut value = vec![0; run(ring, &length).unwrap() as usize];
    let get = Getxattr { value: value.as_mut_ptr(), len: value.len() as u32, ..length };
    assert_eq!(run(ring, &get), Ok(value.len() as u32));
    value
}

#[test]
fn attributes_are_set_and_read_by_path_and_by_descriptor() {
    let mut ring = ring();
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = CString::new(file.path().as_os_str().as_bytes()).unwrap();
    let set = Setxattr {
        path: path.as_ptr(),
        name: NAME.as_ptr(),
        value: b"by path".as_ptr(),
        len: 7,
        flags: libc::XATTR_CREATE,
    };
    match run(&mut ring, &set) {
        Err(Errno(libc::EOPNOTSUPP)) => {
            return said("this file system has no user attributes", Opcode::SETXATTR);
        }
        other => assert_eq!(other, Ok(())),
    }
    assert_eq!(attribute(&mut ring, &path), b"by path");

    let target = Target::Fd(file.as_raw_fd());
    let fset = Fsetxattr {
        target,
        name: NAME.as_ptr(),
        value: b"open".as_ptr(),
        len: 4,
        flags: libc::XATTR_REPLACE,
    };
    assert_eq!(run(&mut ring, &fset), Ok(()));
    let mut value = [0; 16];
    let fget = Fgetxattr { target, name: NAME.as_ptr(), value: value.as_mut_ptr(), len: 16 };
    assert_eq!(run(&mut ring, &fget), Ok(4));
    assert_eq!(&value[..4], b"open");
    assert_eq!(run(&mut ring, &set), Err(Errno(libc::EEXIST)));
}
