//! Every order in which a conversation and a stop may come, and who removes the file.

use std::path::PathBuf;

use super::*;

/// That a successor was told.
fn told() -> Result<(), Cut> {
    Ok(())
}

/// How it ends, if it does.
fn settled(estate: &mut Estate, is_ready: bool) -> Option<HandOver> {
    estate.settle(if is_ready { Ok(()) } else { Err(Cut::Late) }).ok()
}

/// A file that is removed with the estate, and the estate.
fn estate() -> (tempfile::TempDir, PathBuf, Estate) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    std::fs::write(&path, "").unwrap();
    let files = vec![SocketFile::of(&path).unwrap()];
    (directory, path, Estate::Held(Kept { sockets: Vec::new(), files }))
}

#[test]
fn who_is_stopped_alone_removes_the_file_and_offers_nothing() {
    let (_directory, path, mut estate) = estate();
    let left = estate.let_go();
    assert!(path.exists() && left.is_some(), "it goes when nothing is locked");
    drop(left);
    assert!(!path.exists());
    assert!(estate.copies().is_err() && estate.offer(told).is_err());
    assert_eq!(settled(&mut estate, false), Some(HandOver::Stopped));
    assert_eq!(estate.over(), Some(HandOver::Stopped));
}

#[test]
fn who_is_stopped_while_a_successor_has_everything_leaves_it_the_file() {
    for is_ready in [false, true] {
        let (_directory, path, mut estate) = estate();
        estate.offer(told).unwrap();
        assert!(estate.copies().is_err(), "one at a time");
        drop(estate.let_go());
        assert!(path.exists());
        assert_eq!(estate.over(), Some(HandOver::Left), "unless it is ready");
        let how = if is_ready { HandOver::Taken } else { HandOver::Left };
        assert_eq!(settled(&mut estate, is_ready), Some(how));
        drop((estate.let_go(), estate));
        assert!(path.exists());
    }
}

#[test]
fn a_successor_that_fails_changes_nothing_and_one_that_is_ready_has_the_file() {
    let (_directory, path, mut estate) = estate();
    // Before it has everything, as it is told so, and after.
    assert_eq!(settled(&mut estate, false), None);
    assert!(matches!(estate.offer(|| Err(Cut::Gone)), Err(Cut::Gone)));
    assert!(estate.copies().is_ok());
    estate.offer(told).unwrap();
    assert_eq!(settled(&mut estate, false), None);
    assert!(estate.copies().is_ok_and(|sockets| sockets.is_empty()));
    estate.offer(told).unwrap();
    assert!(estate.over().is_none());
    assert_eq!(settled(&mut estate, true), Some(HandOver::Taken));
    assert_eq!(estate.over(), Some(HandOver::Taken));
    assert!(estate.let_go().is_none());
    assert!(path.exists());
}

#[test]
fn a_file_that_comes_late_goes_if_nobody_serves_and_stays_if_a_successor_does() {
    let inherit = |path: &PathBuf, estate: &mut Estate| {
        // The one that it has is not there any more.
        std::fs::remove_file(path).unwrap();
        std::fs::write(path, "").unwrap();
        drop(estate.inherit(SocketFile::of(path).unwrap()));
    };
    let (_directory, path, mut held) = estate();
    inherit(&path, &mut held);
    assert!(path.exists());
    drop(held.let_go());
    assert!(!path.exists(), "it has become this server's");
    let (_directory, path, mut closed) = estate();
    std::mem::forget(closed.let_go());
    inherit(&path, &mut closed);
    assert!(!path.exists());
    let (_directory, path, mut given) = estate();
    assert_eq!(settled(&mut given, true), Some(HandOver::Taken));
    inherit(&path, &mut given);
    assert!(path.exists());
}
