//! What is removed, and what is never.

use std::os::unix::net::{UnixListener, UnixStream};

use super::*;

fn names(directory: &Path) -> Vec<std::ffi::OsString> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

/// Ends a listener, and waits until its file is a leftover: a process that another test starts at
/// this moment has all descriptors until it has become another program.
fn abandon(listener: UnixListener, path: &Path) -> File {
    drop(listener);
    loop {
        if let Some(found) = leftover(path).unwrap() {
            return found;
        }
        std::thread::yield_now();
    }
}

#[test]
fn only_a_socket_that_nobody_has_is_a_leftover() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("name");
    remove_leftover(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    remove_leftover(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    fs::remove_file(&path).unwrap();
    let listener = UnixListener::bind(&path).unwrap();
    remove_leftover(&path).unwrap();
    UnixStream::connect(&path).expect("it listens");
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    abandon(listener, &path);
    // What a name means elsewhere is not removed by it.
    remove_leftover(&link).unwrap();
    assert_eq!(names(directory.path()).len(), 2);
    remove_leftover(&path).unwrap();
    assert_eq!(names(directory.path()), ["link"]);
}

/// Two servers find the same leftover; one has removed it and listens there when the other is about
/// to.
#[test]
fn who_has_come_between_a_look_and_the_removal_keeps_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("name");
    let found = abandon(UnixListener::bind(&path).unwrap(), &path);
    let id = FileId::of(&found.metadata().unwrap());
    remove_leftover(&path).unwrap();
    take_away(&path, id).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    take_away(&path, id).unwrap();
    UnixStream::connect(&path).expect("the other one listens there");
    assert_eq!(names(directory.path()), ["name"]);
}
