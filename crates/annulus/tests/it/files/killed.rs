//! A process that is killed while it replaces a file leaves the old one or the new one, whole.
//!
//! The test binary starts itself once, as a nursery; that one forks a writer after the other, lets
//! each go on for a random while and kills it. `ANNULUS_TEST_KILLS=NUMBER` sets how many.
//!
//! A kill is no power failure: what the kernel has, it keeps. What is proven is the order of the
//! steps, and that no step shows a part.

use std::env;
use std::io::Read as _;
use std::os::fd::FromRawFd as _;
use std::path::Path;
use std::process::Command;

use annulus::fs::{AtomicFile, replace};
use annulus::runtime::Runtime;

use crate::harness::forking::fork;
use crate::harness::{share_process, wait_for};
use crate::hostile::Quiet as _;

/// Set in the nursery: the directory to work in.
const NURSERY: &str = "ANNULUS_TEST_NURSERY";
/// How many writers are killed.
const KILLS: &str = "ANNULUS_TEST_KILLS";
/// Where nothing else is said.
const USUAL: u32 = 1000;
/// Acknowledged versions after which a writer is killed at the latest.
const VERSIONS_MAX: u64 = 6;

/// The contents of a version: its number, over and over, so many times that lengths differ.
fn contents(version: u64) -> Vec<u8> {
    let words = 1 + (version.wrapping_mul(7919) % 3000) as usize;
    version.to_le_bytes().repeat(words)
}

/// The version that a file has, if it is one and whole.
fn version_of(bytes: &[u8]) -> Option<u64> {
    let version = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
    (bytes == contents(version)).then_some(version)
}

/// Replaces the file by one version after the other, and says so after each.
async fn write_versions(path: &Path, from: u64, done: &mut impl std::io::Write) {
    for version in from.. {
        let bytes = contents(version);
        if version % 2 == 0 {
            replace(path, bytes).await.expect("it can be replaced");
        } else {
            let mut file = AtomicFile::create(path).await.expect("it can be made");
            let (first, second) = bytes.split_at(bytes.len() / 2);
            file.write_all(first.to_vec()).await.expect("it can be written");
            file.write_all(second.to_vec()).await.expect("it can be written");
            file.commit().await.expect("it can be replaced");
        }
        done.write_all(&[1]).expect("somebody counts");
    }
}

/// A random number, from one that it changes.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// Starts a writer, kills it at a random moment, and gives how many versions it said were done.
fn kill_one(path: &Path, from: u64, state: &mut u64) -> u64 {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
    // SAFETY: made just now, for nobody else.
    let [mut reader, mut writer] = ends.map(|end| unsafe { std::fs::File::from_raw_fd(end) });
    // SAFETY: the nursery runs nothing beside this test; the child ends by being killed.
    let child = unsafe { fork() };
    if child == 0 {
        drop(reader);
        let written = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let runtime = Runtime::builder().entries(16).build().expect("io_uring is there");
            runtime.block_on(write_versions(path, from, &mut writer));
        }));
        // SAFETY: ends this process at once.
        unsafe { libc::_exit(i32::from(written.is_err())) };
    }
    drop(writer);
    let wanted = random(state) % (VERSIONS_MAX + 1);
    let mut done = 0;
    while done < wanted {
        reader.read_exact(&mut [0; 1]).expect("the writer does not end by itself");
        done += 1;
    }
    // Into the middle of whatever comes next: up to about the time that a version takes.
    for _ in 0..random(state) % 40_000 {
        std::hint::spin_loop();
    }
    // SAFETY: a child of ours that was not waited for.
    assert_eq!(unsafe { libc::kill(child, libc::SIGKILL) }, 0);
    let status = wait_for(child);
    assert!(libc::WIFSIGNALED(status), "the writer ended by itself: {status}");
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).expect("a pipe can be read");
    done + rest.len() as u64
}

/// What the nursery does.
fn nursery(directory: &Path, kills: u32) {
    let path = directory.join("file");
    std::fs::write(&path, contents(0)).expect("it can be written");
    let (mut at, mut state) = (0, u64::from(std::process::id()));
    let (mut between, mut leftovers) = (0, 0);
    for kill in 0..kills {
        let done = kill_one(&path, at + 1, &mut state);
        let bytes = std::fs::read(&path).expect("the file is always there");
        let Some(version) = version_of(&bytes) else {
            panic!("kill {kill}: {} bytes are no version, after {at} and {done} more", bytes.len());
        };
        // What was said to be done is there; one more may be, which nobody was told of.
        assert!((at + done..=at + done + 1).contains(&version), "{version}, {at}, {done}");
        between += u32::from(version > at + done);
        at = version;
        for entry in std::fs::read_dir(directory).expect("it can be listed") {
            let entry = entry.expect("it can be listed");
            if entry.file_name() != "file" {
                let name = entry.file_name().into_string().expect("ours are text");
                assert!(name.starts_with(".tmp-"), "{name}");
                std::fs::remove_file(entry.path()).expect("it is ours");
                leftovers += 1;
            }
        }
    }
    println!(
        "{kills} kills, {at} versions; {between} between rename and answer, {leftovers} between \
         link and rename"
    );
}

#[test]
fn a_writer_that_is_killed_leaves_the_old_file_or_the_new_one() {
    let kills = env::var(KILLS).map_or(USUAL, |kills| kills.parse().expect("a number"));
    if let Some(directory) = env::var_os(NURSERY) {
        return nursery(directory.as_ref(), kills);
    }
    let _shared = share_process();
    let directory = tempfile::tempdir().unwrap();
    let name = "files::killed::a_writer_that_is_killed_leaves_the_old_file_or_the_new_one";
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(NURSERY, directory.path())
        .quiet()
        .output()
        .expect("the test binary starts");
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("1 passed"), "{told}\n{errors}");
    assert!(told.contains(&format!("{kills} kills")), "{told}\n{errors}");
    println!("{told}");
}
