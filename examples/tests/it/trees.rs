//! The examples that go through whole trees.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::example::Example;

/// A tree with texts, something binary, links and a long file.
fn tree() -> io::Result<TempDir> {
    let whole = tempfile::tempdir()?;
    let at = |name: &str| whole.path().join(name);
    for one in 0..5 {
        std::fs::create_dir_all(at(&format!("{one}/below/deep")))?;
        for two in 0..20 {
            std::fs::write(
                at(&format!("{one}/below/{two}")),
                format!("first\nfile {two} of {one}\nlast"),
            )?;
        }
    }
    let long: String = (0..200_000).map(|line| format!("line {line}\n")).collect();
    std::fs::write(at("long"), long)?;
    std::fs::write(at("binary"), b"file 7 of 3\0\n")?;
    std::fs::write(at("empty"), "")?;
    std::fs::write(at("script"), "file 7 of 3, file 7 of 3")?;
    std::fs::set_permissions(at("script"), std::fs::Permissions::from_mode(0o750))?;
    symlink("script", at("link"))?;
    symlink("nowhere", at("dangling"))?;
    Ok(whole)
}

fn search(args: &[&OsStr]) -> (Vec<String>, bool) {
    let (output, status) = Example::output("search", args);
    let output = String::from_utf8(output).expect("it prints text");
    let mut lines: Vec<_> = output.lines().map(str::to_owned).collect();
    lines.sort();
    (lines, status.success())
}

#[test]
fn search_prints_each_line_that_has_the_text_once_with_its_path() -> io::Result<()> {
    let whole = tree()?;
    let root = whole.path();
    let (lines, found) = search(&["file 7 of 3".as_ref(), root.as_os_str()]);
    let expected = [
        format!("{}:file 7 of 3", root.join("3/below/7").display()),
        format!("{}:file 7 of 3, file 7 of 3", root.join("script").display()),
    ];
    assert_eq!((&lines[..], found), (&expected[..], true));
    let counting = ["--count", "-j", "3", "file"].map(OsStr::new);
    let (lines, _) = search(&[&counting[..], &[root.as_os_str()]].concat());
    assert_eq!(lines.len(), 5 * 20 + 1 + 1);
    assert!(lines.contains(&"101 lines in 101 files of 104".to_owned()), "{lines:?}");
    Ok(())
}

#[test]
fn search_finds_what_lies_at_the_edges_of_what_is_read_at_once() -> io::Result<()> {
    let whole = tempfile::tempdir()?;
    let path = whole.path().join("file");
    let mebibyte = 1 << 20;
    for (at, len) in [(0, 10), (mebibyte - 3, 3 * mebibyte), (2 * mebibyte, 2 * mebibyte + 6)] {
        for line_end in [b'\n', b' '] {
            let mut text = vec![b'x'; len];
            text.iter_mut().step_by(1000).for_each(|byte| *byte = line_end);
            text[at..at + 6].copy_from_slice(b"needle");
            std::fs::write(&path, &text)?;
            let (lines, found) = search(&["needle".as_ref(), whole.path().as_os_str()]);
            assert!(found && lines.len() == 1, "at {at} of {len}: {} lines", lines.len());
        }
    }
    Ok(())
}

#[test]
fn search_fails_when_there_is_nothing_and_says_what_it_takes() -> io::Result<()> {
    let whole = tree()?;
    let (lines, found) = search(&["no such text".as_ref(), whole.path().as_os_str()]);
    assert!(lines.is_empty() && !found, "{lines:?}");
    for args in [&[][..], &["-j", "none", "x"], &["a", "b", "c"], &["-j"]] {
        let args: Vec<_> = args.iter().map(OsStr::new).collect();
        assert!(!search(&args).1, "{args:?}");
    }
    Ok(())
}

/// Everything below a directory: contents or texts of links, and permissions.
fn snapshot(root: &Path) -> io::Result<BTreeMap<PathBuf, (u32, Vec<u8>)>> {
    let (mut found, mut left) = (BTreeMap::new(), vec![PathBuf::new()]);
    while let Some(below) = left.pop() {
        for entry in std::fs::read_dir(root.join(&below))? {
            let (path, name) = {
                let entry = entry?;
                (entry.path(), below.join(entry.file_name()))
            };
            let known = std::fs::symlink_metadata(&path)?;
            let contents = match () {
                () if known.is_symlink() => {
                    std::fs::read_link(&path)?.into_os_string().into_encoded_bytes()
                }
                () if known.is_dir() => {
                    left.push(name.clone());
                    Vec::new()
                }
                () => std::fs::read(&path)?,
            };
            found.insert(name, (known.permissions().mode(), contents));
        }
    }
    Ok(found)
}

#[test]
fn copy_makes_the_same_tree_with_the_same_permissions() -> io::Result<()> {
    let whole = tree()?;
    let closed = whole.path().join("4/below");
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o555))?;
    let to = tempfile::tempdir()?;
    let to = to.path().join("copied");
    let (output, status) = Example::output("copy", &[whole.path().as_os_str(), to.as_os_str()]);
    let output = String::from_utf8(output).expect("it prints text");
    assert!(status.success(), "{output}");
    assert!(output.starts_with("104 files, 15 directories, 2 links, "), "{output}");
    assert!(snapshot(whole.path())? == snapshot(&to)?, "the trees differ");
    for root in [whole.path(), &to] {
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(root.join("4/below"), open)?;
    }
    Ok(())
}

#[test]
fn copy_makes_the_same_of_a_part_of_what_the_system_has() -> io::Result<()> {
    let candidates =
        ["/usr/share/perl5", "/usr/share/zoneinfo", "/usr/share/misc", "/usr/lib/sysctl.d"];
    let entries = |path: &str| snapshot(path.as_ref()).map_or(0, |found| found.len());
    let is_small = |path: &&&str| (1..5000).contains(&entries(path));
    let Some(from) = candidates.iter().find(is_small) else {
        use std::io::Write as _;
        return io::stderr().write_all(b"skipped: nothing of the system to copy\n");
    };
    let to = tempfile::tempdir()?;
    let to = to.path().join("copied");
    let (output, status) = Example::output("copy", &[from.as_ref(), to.as_os_str()]);
    assert!(status.success(), "{}", String::from_utf8_lossy(&output));
    assert!(snapshot(from.as_ref())? == snapshot(&to)?, "the trees differ");
    Ok(())
}

#[test]
fn copy_copies_a_file_and_tells_what_is_missing() -> io::Result<()> {
    let whole = tree()?;
    let (from, to) = (whole.path().join("long"), whole.path().join("long copy"));
    let (output, status) = Example::output("copy", &[from.as_os_str(), to.as_os_str()]);
    let expected = format!("{} bytes\n", std::fs::metadata(&from)?.len());
    assert_eq!((String::from_utf8_lossy(&output).into_owned(), status.success()), (expected, true));
    assert!(std::fs::read(&from)? == std::fs::read(&to)?);
    let none = whole.path().join("none");
    for args in [&[none.as_os_str(), to.as_os_str()][..], &[none.as_os_str()], &[]] {
        let (output, status) = Example::output("copy", args);
        assert!(output.is_empty() && !status.success(), "{args:?}");
    }
    Ok(())
}
