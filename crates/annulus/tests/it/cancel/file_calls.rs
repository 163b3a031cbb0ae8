//! Every further future of a file, ended at every point: at its position, its space, its
//! attributes, its locks; and what makes temporary files and puts files in the place of others.

use std::fs::Permissions;
use std::io::{self, ErrorKind, SeekFrom};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

use annulus::fs::{
    Advice, AtomicFile, File, FileTimes, OpenOptions, SetXattr, TempDir, TempFile, WriteBack,
};

use super::{Cut, Points, until, yield_to_kernel};

/// A file for a future that may be forgotten.
async fn scratch(cut: &Cut, name: &str) -> io::Result<&'static mut File> {
    let path = cut.file(name, &[7; 10_000]);
    let file = OpenOptions::new().read(true).write(true).open(path).await?;
    Ok(Box::leak(Box::new(file)))
}

/// Takes back what was leaked for a future that is gone, or is never polled again.
///
/// # Safety
/// * `leaked` was leaked from a box, and nothing uses it any more.
unsafe fn unleak<T>(leaked: *mut T) -> Box<T> {
    // SAFETY: the caller's promise.
    unsafe { Box::from_raw(leaked) }
}

#[test]
fn reads_at_the_position_ended_anywhere_leave_it_between_two_of_them() {
    Points::of(&[
        "fs::file::at_cursor::read",
        "fs::file::at_cursor::read_exact",
        "fs::file::at_cursor::read_to_end",
        "fs::file::at_cursor::read_to_string",
    ])
    .run(|cut| async move {
        let path = cut.file("digits", &b"0123456789".repeat(300));
        let leaked: *mut File = Box::leak(Box::new(File::open(path).await?));
        // SAFETY: leaked just now, and not used otherwise before the future is gone.
        let file = unsafe { &mut *leaked };
        let reading = async move {
            let (n, first) = file.read(vec![0; 500]).await?;
            file.seek(SeekFrom::Start(500))?;
            let ((), second) = file.read_exact(vec![0; 500]).await?;
            let (_, third) = file.read_to_end(Vec::new()).await?;
            file.rewind()?;
            let (_, whole) = file.read_to_string(String::new()).await?;
            io::Result::Ok((first[..n].to_vec(), second, third, whole))
        };
        if let Some((first, second, third, whole)) = cut.end(reading).await.transpose()? {
            let all = b"0123456789".repeat(300);
            assert!(all.starts_with(&first) && second == all[500..1000] && third == all[1000..]);
            assert_eq!(whole.as_bytes(), all);
        }
        // SAFETY: leaked above; the future that borrowed it is gone, or is never polled again.
        let mut file = unsafe { unleak(leaked) };
        let position = file.stream_position()?;
        let (rest, buf) = file.read_to_end(Vec::new()).await?;
        assert_eq!(position as usize + rest, 3000, "{cut:?}");
        assert_eq!(buf, b"0123456789".repeat(300)[position as usize..]);
        Ok(())
    });
}

#[test]
fn writes_at_the_position_ended_anywhere_are_not_in_two_places() {
    Points::of(&["fs::file::at_cursor::write", "fs::file::at_cursor::write_all"]).run(
        |cut| async move {
            let leaked: *mut File = scratch(&cut, "written").await?;
            // SAFETY: leaked just now, and not used otherwise before the future is gone.
            let file = unsafe { &mut *leaked };
            let writing = async move {
                let (n, _) = file.write(vec![9; 10]).await?;
                file.write_all(vec![9; 3000 - n]).await
            };
            cut.end(writing).await.transpose()?;
            // SAFETY: leaked above; the future that borrowed it is gone, or is never polled again.
            let mut file = unsafe { unleak(leaked) };
            let position = file.stream_position()?;
            assert!(position <= 3000, "{cut:?}: {position}");
            let ((), buf) = file.read_exact_at(vec![0; 10_000], 0).await?;
            assert!(buf[..position as usize].iter().all(|byte| *byte == 9));
            assert!(buf[3000..].iter().all(|byte| *byte == 7), "nothing else was touched");
            Ok(())
        },
    );
}

#[test]
fn pieces_at_the_position_ended_anywhere_leave_the_file_usable() {
    Points::of(&[
        "fs::file::at_cursor::read_vectored",
        "fs::file::at_cursor::write_vectored",
        "fs::file::at_cursor::write_all_vectored",
        "fs::file::write_all_vectored_at",
    ])
    .real_only("READV and WRITEV")
    .run(|cut| async move {
        let leaked: *mut File = scratch(&cut, "pieces").await?;
        // SAFETY: leaked just now, and not used otherwise before the future is gone.
        let file = unsafe { &mut *leaked };
        let pieces = async move {
            let (n, _) = file.write_vectored((vec![8; 100], "tail")).await?;
            file.rewind()?;
            let (m, _) = file.read_vectored((vec![0; 50], vec![0; 54])).await?;
            file.rewind()?;
            // Three requests.
            file.write_all_vectored(vec!["x"; 3000]).await?;
            file.write_all_vectored_at(vec!["x"; 3000], 0).await?;
            io::Result::Ok((n, m))
        };
        if let Some(moved) = cut.end(pieces).await.transpose()? {
            assert_eq!(moved, (104, 104));
        }
        // SAFETY: leaked above; the future that borrowed it is gone, or is never polled again.
        let mut file = unsafe { unleak(leaked) };
        assert!(file.stream_position()? <= 3000, "{cut:?}");
        let ((), buf) = file.read_exact_at(vec![0; 200], 3000).await?;
        assert_eq!(buf, [7; 200], "{cut:?}");
        Ok(())
    });
}

#[test]
fn changes_of_space_ended_anywhere_are_done_or_not() {
    Points::of(&[
        "fs::file::space::set_len",
        "fs::file::space::allocate",
        "fs::file::space::reserve",
        "fs::file::space::punch_hole",
        "fs::file::space::zero_range",
        "fs::file::space::collapse_range",
        "fs::file::space::insert_range",
        "fs::file::space::unshare_range",
        "fs::file::space::advise",
        "fs::file::space::sync_range",
        "fs::file::space::seek_data",
        "fs::file::space::seek_hole",
    ])
    .real_only("FALLOCATE and its like")
    .run(|cut| async move {
        let leaked: *mut File = scratch(&cut, "space").await?;
        // SAFETY: leaked just now, and only ever shared before it is taken back.
        let file = unsafe { &*leaked };
        let changing = async move {
            file.set_len(20_000).await?;
            for done in [
                file.allocate(0..30_000).await,
                file.reserve(30_000..40_000).await,
                file.punch_hole(4096..8192).await,
                file.zero_range(8192..12_288).await,
                file.insert_range(4096..8192).await,
                file.collapse_range(4096..8192).await,
                file.unshare_range(0..4096).await,
                file.advise(.., Advice::Sequential).await,
                file.sync_range(.., WriteBack::Start).await,
                file.seek_data(0).await.map(drop),
                file.seek_hole(0).await.map(drop),
            ] {
                match done {
                    Err(error) if error.kind() == ErrorKind::Unsupported => {}
                    done => done?,
                }
            }
            io::Result::Ok(())
        };
        cut.end(changing).await.transpose()?;
        // SAFETY: leaked above; the future that borrowed it is gone, or is never polled again.
        let file = unsafe { unleak(leaked) };
        let ((), head) = file.read_exact_at(vec![0; 4096], 0).await?;
        assert_eq!(head, [7; 4096], "{cut:?}");
        Ok(())
    });
}

#[test]
fn changes_of_attributes_ended_anywhere_are_done_or_not() {
    Points::of(&[
        "fs::file::attributes::set_permissions",
        "fs::file::attributes::set_times",
        "fs::file::attributes::set_modified",
        "fs::file::xattrs::xattr",
        "fs::file::xattrs::set_xattr",
        "fs::file::xattrs::list_xattrs",
        "fs::file::xattrs::remove_xattr",
    ])
    .real_only("threads, and attributes")
    .run(|cut| async move {
        let leaked: *mut File = scratch(&cut, "attributes").await?;
        // SAFETY: leaked just now, and only ever shared before it is taken back.
        let file = unsafe { &*leaked };
        let changing = async move {
            file.set_permissions(Permissions::from_mode(0o640)).await?;
            file.set_times(FileTimes::new().set_accessed(UNIX_EPOCH)).await?;
            file.set_modified(UNIX_EPOCH).await?;
            for done in [
                file.set_xattr("user.test", "value", SetXattr::Always).await,
                file.xattr("user.test").await.map(drop),
                file.list_xattrs().await.map(drop),
                file.remove_xattr("user.test").await,
            ] {
                let unsupported = |errno| [libc::EOPNOTSUPP, libc::ENODATA].contains(&errno);
                match done {
                    Err(error) if error.raw_os_error().is_some_and(unsupported) => {}
                    done => done?,
                }
            }
            io::Result::Ok(())
        };
        if cut.end(changing).await.transpose()?.is_some() {
            assert_eq!(file.metadata()?.modified(), UNIX_EPOCH);
        }
        // SAFETY: leaked above; the future that borrowed it is gone, or is never polled again.
        drop(unsafe { unleak(leaked) });
        Ok(())
    });
}

#[test]
fn waits_for_a_lock_ended_anywhere_leave_it_to_others() {
    Points::of(&["fs::file::locks::lock", "fs::file::locks::lock_shared"]).real_only("locks").run(
        |cut| async move {
            let path = cut.file("lock", b"");
            let holder = File::open(&path).await?;
            let leaked: *mut File = Box::leak(Box::new(File::open(&path).await?));
            // SAFETY: leaked just now, and only ever shared before it is taken back.
            let waiter = unsafe { &*leaked };
            holder.try_lock()?;
            // Another task gives it up, in two steps, each when it was waited for.
            let giving = annulus::spawn(async move {
                yield_to_kernel().await?;
                holder.try_lock_shared()?;
                yield_to_kernel().await?;
                holder.unlock()
            });
            let waiting = async move {
                waiter.lock_shared().await?;
                waiter.lock().await
            };
            let got = cut.end(waiting).await.transpose()?.is_some();
            giving.await.expect("no panic")?;
            let other = File::open(&path).await?;
            assert!(!got || other.try_lock().is_err());
            // SAFETY: leaked above; the future that borrowed it is gone, or is never polled again.
            drop(unsafe { unleak(leaked) });
            if !cut.forgets() {
                until("nobody has the lock any more", || other.try_lock().is_ok()).await?;
            }
            Ok(())
        },
    );
}

#[test]
fn files_read_and_written_by_name_and_ended_anywhere_leave_no_descriptor() {
    Points::of(&[
        "fs::contents::read",
        "fs::contents::read_to_string",
        "fs::contents::write",
        "fs::file::create_new",
    ])
    .run(|cut| async move {
        let path = cut.file("named", b"contents");
        let by_name = async move {
            annulus::fs::write(&path, "other contents").await?;
            assert_eq!(annulus::fs::read(&path).await?, b"other contents");
            let taken = File::create_new(&path).await.expect_err("it is there");
            assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
            annulus::fs::read_to_string(&path).await
        };
        if let Some(text) = cut.end(by_name).await.transpose()? {
            assert_eq!(text, "other contents");
        }
        Ok(())
    });
}

/// What is in a directory besides `known`.
fn others(directory: &Path, known: &[&str]) -> usize {
    let entries = std::fs::read_dir(directory).expect("it can be listed");
    let names = entries.map(|entry| entry.expect("it can be listed").file_name());
    names.filter(|name| !known.iter().any(|known| name == known)).count()
}

#[test]
fn a_replacement_ended_anywhere_leaves_the_old_file_or_the_new_one_and_nothing_else() {
    Points::of(&[
        "fs::contents::replace",
        "fs::atomic_file::create",
        "fs::atomic_file::create_with",
        "fs::atomic_file::commit",
    ])
    .real_only("LINKAT and RENAMEAT")
    .run(|cut| async move {
        let path = cut.file("replaced", b"old");
        let replacing = {
            let path = path.clone();
            async move {
                annulus::fs::replace(&path, "new").await?;
                let file = AtomicFile::create_with(&path, Permissions::from_mode(0o600)).await?;
                file.write_all_at("newer", 0).await?;
                file.commit().await?;
                let file = AtomicFile::create(&path).await?;
                file.write_all_at("newest", 0).await?;
                file.commit().await
            }
        };
        let ended = cut.end(replacing).await.transpose()?.is_some();
        let found = std::fs::read(&path)?;
        let known = [&b"old"[..], b"new", b"newer", b"newest"];
        assert!(known.contains(&&found[..]), "{cut:?}: {found:?}");
        assert!(!ended || found == b"newest");
        if !cut.forgets() {
            let directory = path.parent().expect("it is in a directory").to_owned();
            until("no temporary name is left", || others(&directory, &["replaced"]) == 0).await?;
        }
        Ok(())
    });
}

#[test]
fn temporary_files_ended_anywhere_go_away() {
    Points::of(&[
        "fs::open_options::tmpfile",
        "fs::temp_file::new",
        "fs::temp_file::new_in",
        "fs::temp_file::persist",
        "fs::temp_file::persist_over",
        "fs::temp_file::close",
    ])
    .real_only("O_TMPFILE")
    .run(|cut| async move {
        let path = cut.file("known", b"there");
        let directory = path.parent().expect("it is in a directory").to_owned();
        let making = {
            let directory = directory.clone();
            async move {
                let options = OpenOptions::new().write(true).clone();
                match options.tmpfile(&directory).await {
                    Err(error) if error.kind() == ErrorKind::Unsupported => {}
                    made => drop(made?),
                }
                TempFile::new().await?.close().await?;
                let file = TempFile::new_in(&directory).await?;
                file.persist(directory.join("kept")).await?;
                let file = TempFile::new_in(&directory).await?;
                file.persist_over(directory.join("kept")).await.map_err(io::Error::from)
            }
        };
        let kept = cut.end(making).await.transpose()?;
        assert!(kept.is_none() || directory.join("kept").exists());
        drop(kept);
        if !cut.forgets() {
            let none_left = || others(&directory, &["known", "kept"]) == 0;
            until("no temporary name is left", none_left).await?;
        }
        Ok(())
    });
}

#[test]
fn temporary_names_ended_anywhere_go_away() {
    Points::of(&[
        "fs::temp_file::named_in",
        "fs::temp_dir::new",
        "fs::temp_dir::new_in",
        "fs::temp_dir::close",
    ])
    .real_only("threads")
    .run(|cut| async move {
        let path = cut.file("known", b"there");
        let directory = path.parent().expect("it is in a directory").to_owned();
        let making = {
            let directory = directory.clone();
            async move {
                TempDir::new().await?.close().await?;
                let tree = TempDir::new_in(&directory).await?;
                let file = TempFile::named_in(tree.path()).await?;
                file.close().await?;
                drop(TempFile::named_in(tree.path()).await?);
                tree.close().await
            }
        };
        cut.end(making).await.transpose()?;
        if !cut.forgets() {
            until("no temporary name is left", || others(&directory, &["known"]) == 0).await?;
        }
        Ok(())
    });
}
