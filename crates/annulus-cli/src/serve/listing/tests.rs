//! Tests of directory listings.

use std::fs;
use std::pin::pin;
use std::task::Wake;
use std::thread::Thread;

use super::*;

fn entry(name: &str, kind: EntryKind) -> Entry {
    Entry { name: name.as_bytes().to_vec(), kind }
}

fn listing(entries: Vec<Entry>) -> Listing {
    Listing { entries, more: 0 }
}

fn of(directory: &std::path::Path) -> io::Result<Listing> {
    read(&fs::File::open(directory)?.into())
}

#[test]
fn directories_come_first_and_names_are_sorted() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("b.txt"), "1").unwrap();
    fs::create_dir(root.path().join("zoo")).unwrap();
    std::os::unix::fs::symlink("zoo", root.path().join("a-link")).unwrap();
    fs::create_dir(root.path().join("attic")).unwrap();
    let html = page("/a/", &of(root.path()).unwrap());
    let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text} in {html}"));
    let order = [
        at("<a href=\"../\">"),
        at("<a href=\"attic/\">attic/</a>"),
        at("<a href=\"zoo/\">zoo/</a>"),
        at("<a href=\"a-link\">a-link</a><td>link"),
        at("<a href=\"b.txt\">b.txt</a><td>1 B"),
    ];
    assert!(order.is_sorted(), "{order:?}");
}

#[test]
fn the_root_has_no_parent() {
    assert!(!page("/", &Listing::default()).contains("../"));
}

#[test]
fn names_are_harmless_as_text_and_as_links() {
    let html = page(
        "/<script>alert(1)</script>/",
        &listing(vec![
            entry("\"><img src=x onerror=alert(1)>", EntryKind::File(0)),
            entry("javascript:alert(1)", EntryKind::File(0)),
            entry("a&b's?#%.txt", EntryKind::File(0)),
            entry("fig\u{202e}gpj.exe", EntryKind::File(0)),
            Entry { name: b"raw\xff\n".to_vec(), kind: EntryKind::File(0) },
        ]),
    );
    assert!(!html.contains("<script>") && !html.contains("<img"));
    assert!(html.contains("<h1>/&lt;script&gt;alert(1)&lt;/script&gt;/</h1>"));
    assert!(html.contains("href=\"javascript%3Aalert(1)\""));
    assert!(html.contains("href=\"a%26b%27s%3F%23%25.txt\">a&amp;b&#39;s?#%.txt<"));
    assert!(html.contains(">fig\u{fffd}gpj.exe<"));
    assert!(html.contains("href=\"raw%FF%0A\">raw\u{fffd}\u{fffd}<"));
}

#[test]
fn a_page_has_an_end_that_says_how_many_are_missing() {
    let many = |bytes: usize| -> Vec<_> {
        (0..SHOWN).map(|n| entry(&format!("{n:0bytes$}"), EntryKind::Link)).collect()
    };
    let html = page("/", &Listing { entries: many(6), more: 3 });
    assert_eq!(html.matches("<tr>").count(), SHOWN);
    assert!(html.ends_with("</table>\n<p>… and 3 more\n"));
    assert!(!page("/", &listing(many(6))).contains("more"));
    // Names that are long make it shorter, not larger.
    let html = page("/", &Listing { entries: many(255), more: 3 });
    let shown = html.matches("<tr>").count();
    assert!(shown < SHOWN && html.len() < PAGE_BYTES + 4096, "{shown} in {}", html.len());
    assert!(html.ends_with(&format!("… and {} more\n", SHOWN - shown + 3)));
}

#[test]
fn of_many_names_the_first_are_kept_and_the_others_counted() {
    let root = tempfile::tempdir().unwrap();
    // In no order, and more than are shown.
    for n in 0..SHOWN + 50 {
        let name = format!("{:06}", n * 7919 % (SHOWN + 50));
        std::os::unix::fs::symlink("x", root.path().join(name)).unwrap();
    }
    fs::create_dir(root.path().join("zoo")).unwrap();
    let Listing { entries, more } = of(root.path()).unwrap();
    assert_eq!((entries.len(), more), (SHOWN, 51));
    assert_eq!(entries[0], entry("zoo", EntryKind::Directory));
    for (n, found) in entries[1..].iter().enumerate() {
        assert_eq!(*found, entry(&format!("{n:06}"), EntryKind::Link));
    }
}

#[test]
fn sizes_are_written_for_people() {
    for (bytes, expected) in [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1024 * 1024 - 1, "1.0 MiB"),
        (5 << 30, "5.0 GiB"),
        (u64::MAX, "16.0 EiB"),
    ] {
        assert_eq!(Size(bytes).to_string(), expected);
    }
}

fn sample() -> (tempfile::TempDir, Listing) {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("sub")).unwrap();
    fs::write(root.path().join("file"), "12345").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", root.path().join("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.path().join("socket")).unwrap();
    let expected = vec![
        entry("sub", EntryKind::Directory),
        entry("file", EntryKind::File(5)),
        entry("link", EntryKind::Link),
    ];
    (root, listing(expected))
}

#[test]
fn a_directory_is_read_without_following_anything() {
    let (root, expected) = sample();
    assert_eq!(of(root.path()).unwrap(), expected);
}

#[test]
fn what_is_no_directory_cannot_be_read() {
    let (root, _) = sample();
    assert!(of(&root.path().join("file")).is_err());
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn a_directory_is_read_aside_and_its_reader_wakes_who_asked() {
    let (root, expected) = sample();
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut reading = pin!(read_aside(fs::File::open(root.path()).unwrap().into()));
    let listing = loop {
        match reading.as_mut().poll(&mut context) {
            Poll::Ready(result) => break result.unwrap(),
            Poll::Pending => std::thread::park(),
        }
    };
    assert_eq!(listing, expected);
}
