//! The directory over the real kernel: what is kept open, and what is noticed of it.

use std::fs;
use std::future::Future;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::time::Duration;

use annulus::runtime::{Builder, metrics};
use annulus::time::advance;

use super::*;

const VALID: Duration = Duration::from_secs(100);
/// Far beyond what anything here takes.
const WATCHDOG: Duration = Duration::from_secs(60);

struct Root {
    directory: tempfile::TempDir,
}

impl Root {
    fn new() -> Self {
        let this = Self { directory: tempfile::tempdir().unwrap() };
        fs::create_dir(this.directory.path().join("root")).unwrap();
        this
    }

    /// A path beneath the root, or beside it after `..`.
    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join("root").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).unwrap();
    }

    /// Runs a test where the clock stands still.
    fn run<F: Future<Output = ()>>(&self, bound: usize, test: impl FnOnce(Beneath) -> F) {
        let runtime = Builder::new().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let kept = OpenFiles::new(bound, VALID);
            test(Beneath::open(&self.at(""), kept).await.unwrap()).await;
        });
    }
}

async fn open(site: &Beneath, name: &str) -> io::Result<Rc<Opened>> {
    let (file, facts) = site.open(Path::new(name)).await?;
    assert_eq!(facts, file.facts);
    Ok(file)
}

/// What a request for a file gets: as many bytes as it is told.
async fn text(site: &Beneath, name: &str) -> String {
    let (file, facts) = site.open(Path::new(name)).await.unwrap();
    let (read, bytes) = site.append(&file, 0..facts.len, Vec::new()).await;
    read.unwrap();
    String::from_utf8(bytes).unwrap()
}

fn errno<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

/// Waits for closes that the ring has under way, or that a thread of the kernel has taken on.
async fn descriptors(expected: u32) {
    // The runtime's clock stands still.
    let begun = std::time::Instant::now();
    while metrics().unwrap().descriptors != expected && begun.elapsed() < WATCHDOG {
        annulus::task::yield_now().await;
    }
    assert_eq!(metrics().unwrap().descriptors, expected);
}

#[test]
fn a_file_is_opened_once_for_many_requests() {
    let root = Root::new();
    root.write("a", "alpha");
    root.run(8, |site| async move {
        let first = open(&site, "a").await.unwrap();
        for _ in 0..3 {
            assert!(Rc::ptr_eq(&first, &open(&site, "a").await.unwrap()));
            assert_eq!(text(&site, "a").await, "alpha");
        }
        let now = SystemTime::now();
        let said = site.described(&first, (Path::new("a"), &first.facts), now);
        let again = site.described(&first, (Path::new("a"), &first.facts), now);
        assert!(Rc::ptr_eq(&said, &again), "it is described once");
    });
}

#[test]
fn a_file_that_changes_is_opened_anew_at_once() {
    let root = Root::new();
    root.run(8, async |site: Beneath| {
        root.write("a", "first");
        assert_eq!(text(&site, "a").await, "first");
        // Longer, shorter, and as long but from another time.
        for said in ["longer than that", "short", "other"] {
            root.write("a", said);
            let other = fs::File::options().write(true).open(root.at("a")).unwrap();
            other
                .set_modified(
                    SystemTime::UNIX_EPOCH
                        + Duration::from_secs(said.len() as u64 + u64::from(said == "other")),
                )
                .unwrap();
            assert_eq!(text(&site, "a").await, said);
        }
        // Another file of its name.
        root.write("b", "replaced");
        fs::rename(root.at("b"), root.at("a")).unwrap();
        assert_eq!(text(&site, "a").await, "replaced");
        fs::remove_file(root.at("a")).unwrap();
        assert_eq!(errno(open(&site, "a").await), Some(libc::ENOENT));
        root.write("a", "back");
        assert_eq!(text(&site, "a").await, "back");
    });
}

#[test]
fn a_file_that_is_replaced_while_it_is_sent_stays_what_it_was_for_that_answer() {
    let root = Root::new();
    root.run(8, async |site: Beneath| {
        root.write("a", "the first");
        let (file, facts) = site.open(Path::new("a")).await.unwrap();
        root.write("b", "the second, longer");
        fs::rename(root.at("b"), root.at("a")).unwrap();
        assert_eq!(text(&site, "a").await, "the second, longer");
        let (read, bytes) = site.append(&file, 4..facts.len, b"kept ".to_vec()).await;
        read.unwrap();
        assert_eq!(bytes, b"kept first");
    });
}

#[test]
fn a_file_that_shrinks_after_it_was_described_is_an_error_and_never_short() {
    let root = Root::new();
    root.run(8, async |site: Beneath| {
        root.write("a", "alpha");
        let (file, facts) = site.open(Path::new("a")).await.unwrap();
        fs::File::options().write(true).open(root.at("a")).unwrap().set_len(3).unwrap();
        let (read, bytes) = site.append(&file, 0..facts.len, b"before".to_vec()).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(bytes, b"before");
        assert_eq!(text(&site, "a").await, "alp");
    });
}

#[test]
fn a_path_that_leads_outside_now_is_noticed_when_its_time_is_over() {
    let root = Root::new();
    root.run(8, async |site: Beneath| {
        for (place, said) in [("one", "one"), ("two", "two"), ("../out", "outside")] {
            fs::create_dir(root.at(place)).unwrap();
            root.write(&format!("{place}/a"), said);
        }
        let lead = |to: &str| {
            let _ = fs::remove_file(root.at("now"));
            symlink(to, root.at("now")).unwrap();
        };
        lead("one");
        assert_eq!(text(&site, "now/a").await, "one");
        lead("two");
        // A file cannot know that: it is what it was.
        assert_eq!(text(&site, "now/a").await, "one");
        advance(VALID).await;
        assert_eq!(text(&site, "now/a").await, "two");
        lead("../out");
        assert_eq!(text(&site, "now/a").await, "two", "still beneath the root");
        advance(VALID).await;
        assert_eq!(errno(open(&site, "now/a").await), Some(libc::EXDEV));
        // Nor is a link that is a file's own name followed outside, however often it is asked for.
        symlink("../out/a", root.at("link")).unwrap();
        for _ in 0..2 {
            assert_eq!(errno(open(&site, "link").await), Some(libc::EXDEV));
        }
    });
}

#[test]
fn a_file_that_may_not_be_read_any_more_is_asked_for_anew() {
    let root = Root::new();
    root.run(8, async |site: Beneath| {
        root.write("a", "alpha");
        let first = open(&site, "a").await.unwrap();
        let other = SystemTime::UNIX_EPOCH + Duration::from_secs(5);
        // The time makes it another state even where times of changes are coarse.
        fs::File::options().write(true).open(root.at("a")).unwrap().set_modified(other).unwrap();
        fs::set_permissions(root.at("a"), fs::Permissions::from_mode(0o000)).unwrap();
        match open(&site, "a").await {
            // Whoever may read everything gets the same file, opened again.
            Ok(again) => assert!(!Rc::ptr_eq(&first, &again)),
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EACCES)),
        }
    });
}

#[test]
fn no_more_files_stay_open_than_are_to() {
    let root = Root::new();
    root.run(4, async |site: Beneath| {
        for number in 0..20 {
            root.write(&number.to_string(), &format!("text {number}"));
        }
        let used = open(&site, "0").await.unwrap();
        for _ in 0..2 {
            for number in 0..20 {
                assert_eq!(text(&site, &number.to_string()).await, format!("text {number}"));
            }
        }
        // Those that are kept, the one in use, and the root.
        descriptors(4 + 1 + 1).await;
        let (read, bytes) = site.append(&used, 0..6, Vec::new()).await;
        read.unwrap();
        assert_eq!(bytes, b"text 0");
        drop(used);
        descriptors(4 + 1).await;
    });
}

#[test]
fn files_that_nobody_asks_for_are_closed() {
    let root = Root::new();
    root.run(8, async |site: Beneath| {
        root.write("a", "alpha");
        root.write("b", "beta");
        text(&site, "a").await;
        advance(VALID / 2).await;
        text(&site, "b").await;
        descriptors(3).await;
        for _ in 0..4 {
            advance(VALID / 2).await;
            annulus::task::yield_now().await;
        }
        descriptors(1).await;
        // And it begins anew.
        assert_eq!(text(&site, "a").await, "alpha");
        descriptors(2).await;
        drop(site);
        descriptors(0).await;
    });
}

#[test]
fn nothing_but_files_stays_open_and_nothing_where_that_is_not_wanted() {
    let root = Root::new();
    fs::create_dir(root.at("sub")).unwrap();
    root.write("a", "alpha");
    for bound in [0, 8] {
        root.run(bound, |site| async move {
            assert_eq!(open(&site, "sub").await.unwrap().facts.kind, Kind::Directory);
            assert_eq!(errno(open(&site, "none").await), Some(libc::ENOENT));
            assert_eq!(text(&site, "a").await, "alpha");
            descriptors(if bound == 0 { 1 } else { 2 }).await;
        });
    }
}
