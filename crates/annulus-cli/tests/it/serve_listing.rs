//! `annulus serve --list`: a directory that is larger than what a server should hold for it.

use std::fs;

use crate::program::ready;
use crate::site::{Site, ask};

const NAMES: usize = 100_000;
/// As long as names may be, nearly: all of them are 24 MB.
const NAME_BYTES: usize = 240;
/// Of the server: the first entries, and the page twice as it goes to the client.
const GROWTH_KB: u64 = 20 * 1024;

/// What the memory of a process was at most, in KiB.
fn peak_kb(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[test]
fn a_directory_of_a_hundred_thousand_names_is_shown_in_bounded_memory() {
    if !ready() {
        return;
    }
    let site = Site::start(&["--cores", "1", "--list"]);
    fs::create_dir(site.files.path("site/few")).unwrap();
    let many = site.files.path("site/many");
    fs::create_dir(&many).unwrap();
    for n in 0..NAMES {
        fs::File::create(many.join(format!("{n:0NAME_BYTES$}"))).unwrap();
    }
    let listed = |target: &str| {
        let (head, body) = ask(site.address, target).unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        String::from_utf8(body).unwrap()
    };
    // What a first listing takes in any case.
    assert!(!listed("/few/").contains("more"));
    let before = peak_kb(site.program.pid());
    for _ in 0..3 {
        let page = listed("/many/");
        let shown = page.matches("<tr>").count() - 1;
        let expected = format!("</table>\n<p>… and {} more\n", NAMES - shown);
        assert!(page.ends_with(&expected), "{}", &page[page.len() - 100..]);
        // The first by name, without a gap.
        let last = format!("{:0NAME_BYTES$}", shown - 1);
        assert!(shown > 1000 && page.contains(&last), "{shown} are shown");
    }
    let grown = peak_kb(site.program.pid()) - before;
    assert!(grown < GROWTH_KB, "it has grown by {grown} KiB");
}
