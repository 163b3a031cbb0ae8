//! Examples that write files.

use std::ffi::OsStr;

use crate::example::Example;

#[test]
fn linked_copy_copies_files_of_any_size() {
    let directory = tempfile::tempdir().unwrap();
    let (source, copy) = (directory.path().join("source"), directory.path().join("copy"));
    for (size, blocks) in [(0, 0), (1, 1), (65_536, 1), (300_001, 5), (5_000_000, 77)] {
        let bytes: Vec<u8> = (0..size as u32).map(|n| (n / 256 * 31 + n % 251) as u8).collect();
        std::fs::write(&source, &bytes).unwrap();
        let (output, status) =
            Example::output("linked_copy", &[source.as_os_str(), copy.as_os_str()]);
        assert!(status.success(), "{status}");
        let expected = format!("copied {size} bytes in {blocks} blocks, 4 in flight\n");
        assert_eq!(String::from_utf8(output).unwrap(), expected);
        assert!(std::fs::read(&copy).unwrap() == bytes, "{size} bytes");
    }
    for args in [&[][..], &[source.as_os_str()]] {
        let (_, status) = Example::output("linked_copy", args);
        assert_eq!(status.code(), Some(1));
    }
}

#[test]
fn logger_writes_every_line_once_and_many_with_each_write() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    std::fs::write(&path, "what was there\n").unwrap();
    let (output, status) = Example::output("logger", &[path.as_os_str()]);
    assert!(status.success(), "{status}");
    let output = String::from_utf8(output).unwrap();
    let number = |word: &str| -> usize {
        let before = output.split(word).next().unwrap_or_default().trim_end();
        before.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!((number(" lines of"), number(" tasks")), (10_000, 100), "{output}");
    assert!(number(" writes") < 10_000, "{output}");
    let log = std::fs::read_to_string(&path).unwrap();
    assert_eq!(log.lines().next(), Some("what was there"));
    let mut next = [0; 100];
    for line in log.lines().skip(1) {
        let words: Vec<&str> = line.split(' ').collect();
        let ["task", task, "line", number] = words[..] else { panic!("{line:?} is torn") };
        let task: usize = task.parse().unwrap();
        assert_eq!(number.parse(), Ok(next[task]), "in order, each once");
        next[task] += 1;
    }
    assert_eq!(next, [100; 100]);
    let (output, status) = Example::output("logger", &[] as &[&OsStr]);
    assert!(status.success() && output.starts_with(b"10000 lines"));
}
