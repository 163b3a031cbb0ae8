//! inotify against what was done to real directories.

use std::fs;
use std::io;
use std::path::Path;

use annulus::fs::notify::{Event, Events, Inotify, Kind};
use futures_util::{StreamExt as _, TryStreamExt as _, poll};

use crate::cancel::yield_to_kernel;
use crate::harness::{Scratch, run};

async fn next(inotify: &mut Inotify) -> io::Result<Event> {
    Ok(inotify.try_next().await?.expect("it has no end"))
}

/// The next event: what, and to whom.
async fn told(inotify: &mut Inotify) -> io::Result<(Kind, bool, Option<String>)> {
    let event = next(inotify).await?;
    Ok((event.kind, event.is_dir, event.name.map(|name| name.into_string().unwrap())))
}

fn named(name: &str) -> Option<String> {
    Some(name.to_owned())
}

#[test]
fn entries_are_reported_by_name_in_order() {
    let scratch = Scratch::new();
    let at = |name: &str| scratch.path().join(name);
    run(async {
        let mut inotify = Inotify::new()?;
        let some = Events::CREATED | Events::DELETED | Events::MODIFIED | Events::CLOSED_WRITTEN;
        let watch = inotify.add(scratch.path(), some).await?;
        fs::write(at("a"), "text")?;
        fs::create_dir(at("below"))?;
        fs::remove_file(at("a"))?;
        let first = next(&mut inotify).await?;
        assert_eq!((first.watch, first.kind), (Some(watch), Kind::Created));
        assert_eq!(told(&mut inotify).await?, (Kind::Modified, false, named("a")));
        assert_eq!(told(&mut inotify).await?, (Kind::ClosedWritten, false, named("a")));
        assert_eq!(told(&mut inotify).await?, (Kind::Created, true, named("below")));
        assert_eq!(told(&mut inotify).await?, (Kind::Deleted, false, named("a")));
        // Nothing below a directory is watched.
        fs::write(at("below/unseen"), "")?;
        let mut waiting = inotify.next();
        assert!(poll!(&mut waiting).is_pending());
        yield_to_kernel().await?;
        assert!(poll!(&mut waiting).is_pending());
        Ok(())
    });
}

#[test]
fn both_names_of_a_move_have_one_cookie() {
    let scratch = Scratch::new();
    scratch.file("old", b"");
    let at = |name: &str| scratch.path().join(name);
    run(async {
        fs::create_dir(at("below"))?;
        let mut inotify = Inotify::new()?;
        let here = inotify.add(scratch.path(), Events::MOVED).await?;
        let below = inotify.add(at("below"), Events::MOVED).await?;
        fs::rename(at("old"), at("below/new"))?;
        let (from, to) = (next(&mut inotify).await?, next(&mut inotify).await?);
        let (Kind::MovedFrom { cookie: one }, Kind::MovedTo { cookie: two }) = (from.kind, to.kind)
        else {
            panic!("{from:?} {to:?}");
        };
        assert_eq!(one, two);
        assert_ne!(one, 0);
        assert_eq!((from.watch, to.watch), (Some(here), Some(below)));
        assert_eq!(from.name.as_deref(), Some("old".as_ref()));
        assert_eq!(to.name.as_deref(), Some("new".as_ref()));
        Ok(())
    });
}

#[test]
fn a_watch_ends_when_it_is_removed_or_its_file_is() {
    let scratch = Scratch::new();
    let path = scratch.file("watched", b"");
    run(async {
        let mut inotify = Inotify::new()?;
        let watch = inotify.add(&path, Events::ATTRIBUTES | Events::DELETED_SELF).await?;
        assert_eq!(inotify.add(&path, Events::DELETED_SELF).await?, watch, "it is the same");
        fs::remove_file(&path)?;
        assert_eq!(told(&mut inotify).await?, (Kind::DeletedSelf, false, None));
        assert_eq!(told(&mut inotify).await?, (Kind::Ended, false, None));
        let gone = inotify.remove(watch).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::InvalidInput);

        let watch = inotify.add(scratch.path(), Events::CREATED).await?;
        inotify.remove(watch)?;
        let ended = next(&mut inotify).await?;
        assert_eq!((ended.watch, ended.kind), (Some(watch), Kind::Ended));
        fs::write(&path, "")?;
        assert!(poll!(inotify.next()).is_pending(), "nobody watches");
        Ok(())
    });
}

#[test]
fn what_cannot_be_watched_is_an_error() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"");
    run(async {
        let inotify = Inotify::new()?;
        let missing = inotify.add("/nonexistent", Events::ALL).await.unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        let only = Events::ALL | Events::ONLY_DIRECTORY;
        assert_eq!(
            inotify.add(&path, only).await.unwrap_err().kind(),
            io::ErrorKind::NotADirectory
        );
        let nothing = inotify.add(&path, Events::ONLY_DIRECTORY).await.unwrap_err();
        assert!(nothing.raw_os_error().is_some(), "{nothing}");
        Ok(())
    });
}

#[test]
fn a_future_that_is_dropped_loses_no_event() {
    let scratch = Scratch::new();
    run(async {
        let mut inotify = Inotify::new()?;
        inotify.add(scratch.path(), Events::CREATED).await?;
        for number in 0..20 {
            assert!(poll!(inotify.next()).is_pending());
            fs::write(scratch.path().join(number.to_string()), "")?;
            yield_to_kernel().await?;
            // Two items per read, one of them taken by a later future.
            fs::write(scratch.path().join(format!("{number}b")), "")?;
            let one = told(&mut inotify).await?.2;
            drop(inotify.next());
            let two = told(&mut inotify).await?.2;
            assert_eq!([one, two], [named(&number.to_string()), named(&format!("{number}b"))]);
        }
        Ok(())
    });
}

/// How many events are kept.
fn kept() -> usize {
    let text = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events");
    text.expect("there is inotify").trim().parse().expect("it is a number")
}

#[test]
fn what_was_not_kept_is_told_as_such() {
    let scratch = Scratch::new();
    let kept = kept();
    if kept > 100_000 {
        crate::harness::skip("more events are kept than a test likes to make");
        return;
    }
    run(async {
        let mut inotify = Inotify::new()?;
        inotify.add(scratch.path(), Events::MOVED).await?;
        let (one, two) = (scratch.path().join("one"), scratch.path().join("two"));
        fs::write(&one, "")?;
        let moves = |from: &Path, to: &Path| fs::rename(from, to);
        for _ in 0..kept / 4 + 10 {
            moves(&one, &two)?;
            moves(&two, &one)?;
        }
        for _ in 0..kept {
            assert!(!matches!(next(&mut inotify).await?.kind, Kind::Overflow));
        }
        let lost = next(&mut inotify).await?;
        assert_eq!((lost.kind, lost.watch, lost.name), (Kind::Overflow, None, None));
        // It goes on after that.
        moves(&one, &two)?;
        assert!(matches!(next(&mut inotify).await?.kind, Kind::MovedFrom { .. }));
        Ok(())
    });
}
