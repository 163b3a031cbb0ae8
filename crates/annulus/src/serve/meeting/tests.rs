//! Who finds the name, and when.

use std::sync::atomic::AtomicBool;

use rustix::net::connect;

use super::*;

fn call(path: &Path) -> Result<OwnedFd, Errno> {
    let socket = socket_of_packets().unwrap();
    connect(&socket, &SocketAddrUnix::new(path).unwrap()).map(|()| socket)
}

fn names(directory: &Path) -> Vec<std::ffi::OsString> {
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

/// Between bind(2) and listen(2) of a socket that has the name already, a successor is refused, and
/// takes that for nobody.
#[test]
fn who_finds_the_name_is_never_refused() {
    let directory = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..400).map(|n| directory.path().join(n.to_string())).collect();
    let (begun, done) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for path in &paths {
                // ORDERING: SeqCst; flags of a test.
                while !done.load(Ordering::SeqCst) {
                    begun.store(true, Ordering::SeqCst);
                    match call(path) {
                        Ok(_) => break,
                        Err(error) => assert_eq!(error, Errno::NOENT),
                    }
                }
            }
        });
        while !begun.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        // All stay: closing one of them may refuse somebody who has just found its name.
        let meetings: Vec<_> = paths.iter().map(|path| Meeting::at(path).unwrap()).collect();
        assert_eq!(names(directory.path()).len(), meetings.len(), "nothing is left beside them");
        done.store(true, Ordering::SeqCst);
    });
    assert!(names(directory.path()).is_empty(), "each name goes with its meeting");
}

#[test]
fn a_name_that_is_taken_is_an_error_and_a_leftover_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("name");
    std::fs::write(&path, "precious").unwrap();
    let refused = |path: &Path| Meeting::at(path).err().unwrap().kind();
    assert_eq!(refused(&path), io::ErrorKind::AddrInUse);
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    std::fs::remove_file(&path).unwrap();
    let first = Meeting::at(&path).unwrap();
    assert_eq!(refused(&path), io::ErrorKind::AddrInUse);
    assert!(call(&path).is_ok(), "the first one waits there");
    drop(first);
    // One that is closed, and not removed.
    bind_to(&socket_of_packets().unwrap(), &path).unwrap();
    assert_eq!(call(&path).err(), Some(Errno::CONNREFUSED));
    let again = Meeting::at(&path).unwrap();
    assert!(call(&path).is_ok());
    assert_eq!(names(directory.path()), ["name"]);
    drop(again);
    assert!(names(directory.path()).is_empty());
}

#[test]
fn a_name_as_long_as_an_address_may_have_it_is_waited_at() {
    let directory = tempfile::tempdir().unwrap();
    // Beside it there is no room for a longer one.
    let deep = directory.path().join("d".repeat(104 - directory.path().as_os_str().len()));
    std::fs::create_dir(&deep).unwrap();
    let path = deep.join("n");
    assert!(SocketAddrUnix::new(beside(&path)).is_err());
    let meeting = Meeting::at(&path).unwrap();
    assert!(call(&path).is_ok() && meeting.has_next());
    drop(meeting);
    assert!(names(&deep).is_empty());
    let longer = deep.join("n".repeat(20));
    assert_eq!(Meeting::at(&longer).err().unwrap().raw_os_error(), Some(libc::ENAMETOOLONG));
}

#[test]
fn who_came_before_the_name_went_is_still_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("name");
    let mut meeting = Meeting::at(&path).unwrap();
    assert!(!meeting.has_next());
    let _caller = call(&path).unwrap();
    assert!(meeting.remove_name() && !meeting.remove_name());
    assert_eq!(call(&path).err(), Some(Errno::NOENT));
    assert!(meeting.has_next());
    let (over, _open) = std::os::unix::net::UnixStream::pair().unwrap();
    assert!(meeting.wait(&over.into()).unwrap().is_some());
    assert!(!meeting.has_next());
}

#[test]
fn who_came_before_it_was_closed_is_given_and_nobody_comes_after() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("name");
    let other = directory.path().join("other");
    let mut meeting = Meeting::at(&path).unwrap();
    // As who has found the name before it went.
    std::fs::hard_link(&path, &other).unwrap();
    let _callers = [call(&path).unwrap(), call(&other).unwrap()];
    assert_eq!(meeting.close().len(), 2);
    assert_eq!(call(&path).err(), Some(Errno::NOENT));
    assert_eq!(call(&other).err(), Some(Errno::CONNREFUSED));
    assert!(meeting.close().is_empty());
}
