//! Kinds, numbers and texts of errors with paths.

use std::error::Error as _;
use std::io::{Error, ErrorKind};
use std::path::Path;

use super::{PathError, at, between};

#[test]
fn kind_number_and_path_are_all_there() {
    let error = at("remove", Path::new("/a/b"), Error::from_raw_os_error(libc::ENOTEMPTY));
    assert_eq!(error.kind(), ErrorKind::DirectoryNotEmpty);
    let text = error.to_string();
    assert!(text.starts_with("cannot remove `/a/b`: "), "{text}");
    let inside = PathError::of(&error).unwrap();
    assert_eq!((inside.path(), inside.other_path()), (Path::new("/a/b"), None));
    assert_eq!(inside.io_error().raw_os_error(), Some(libc::ENOTEMPTY));
    let source = inside.source().unwrap().downcast_ref::<Error>().unwrap();
    assert_eq!(source.raw_os_error(), Some(libc::ENOTEMPTY));
}

#[test]
fn two_paths_are_both_named() {
    let error = Error::from_raw_os_error(libc::EXDEV);
    let error = between("rename", Path::new("/a"), Path::new("/b"), error);
    assert_eq!(error.kind(), ErrorKind::CrossesDevices);
    assert!(error.to_string().starts_with("cannot rename `/a` to `/b`: "), "{error}");
    assert_eq!(PathError::of(&error).unwrap().other_path(), Some(Path::new("/b")));
}

#[test]
fn what_is_not_about_the_path_stays_as_it_is() {
    let cancelled = at("remove", Path::new("/a"), Error::from_raw_os_error(libc::ECANCELED));
    assert_eq!(cancelled.raw_os_error(), Some(libc::ECANCELED));
    let elsewhere = at("remove", Path::new("/a"), Error::other("no runtime"));
    assert!(PathError::of(&elsewhere).is_none());
    let once = at("remove", Path::new("/a"), Error::from_raw_os_error(libc::EINVAL));
    let twice = at("copy", Path::new("/b"), once);
    assert_eq!(PathError::of(&twice).unwrap().path(), Path::new("/a"));
}
