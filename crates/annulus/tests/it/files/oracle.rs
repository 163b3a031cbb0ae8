//! Random operations on random trees, side by side with `std::fs` in a second directory: what each
//! says is the same, and so is what is there in the end.

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use annulus::fs;
use annulus::runtime::Runtime;
use annulus_ring::Mask;
use annulus_ring::abi::Opcode;
use futures_util::TryStreamExt as _;
use proptest::prelude::*;

use crate::harness::{Scratch, run_on};

/// A path of few names, so that operations meet.
#[derive(Clone, Debug)]
struct Short(PathBuf);

fn short() -> impl Strategy<Value = Short> {
    let name = prop_oneof![4 => Just("a"), 4 => Just("b"), 2 => Just("c"), 1 => Just("..")];
    // The first name is no `..`, or both sides would meet above.
    let first = prop_oneof![Just("a"), Just("b"), Just("c")];
    (first, proptest::collection::vec(name, 0..3)).prop_filter_map(
        "it would lead above the root",
        |(first, rest)| {
            let mut depth = 0_i32;
            let path: PathBuf = std::iter::once(first).chain(rest).collect();
            let stays = path.iter().all(|name| {
                depth += if name == ".." { -1 } else { 1 };
                depth > 0
            });
            stays.then_some(Short(path))
        },
    )
}

#[derive(Clone, Debug)]
enum Step {
    Write(Short, u16),
    CreateDir(Short),
    CreateDirAll(Short),
    RemoveFile(Short),
    RemoveDir(Short),
    RemoveDirAll(Short),
    Rename(Short, Short),
    HardLink(Short, Short),
    Symlink(&'static str, Short),
    ReadLink(Short),
    Copy(Short, Short),
    Metadata(Short),
    SymlinkMetadata(Short),
    Exists(Short),
    SetPermissions(Short, bool),
    ReadDir(Short),
}

fn step() -> impl Strategy<Value = Step> {
    let text =
        prop_oneof![Just("a"), Just("b"), Just("../b"), Just("a/b"), Just("nowhere"), Just(".")];
    prop_oneof![
        3 => (short(), any::<u16>()).prop_map(|(path, len)| Step::Write(path, len)),
        3 => short().prop_map(Step::CreateDir),
        3 => short().prop_map(Step::CreateDirAll),
        2 => short().prop_map(Step::RemoveFile),
        1 => short().prop_map(Step::RemoveDir),
        // Not through what it removes: what is left then depends on which goes first.
        1 => short()
            .prop_filter("it leads back up", |Short(path)| !path.ends_with(".."))
            .prop_map(Step::RemoveDirAll),
        3 => (short(), short()).prop_map(|(from, to)| Step::Rename(from, to)),
        2 => (short(), short()).prop_map(|(from, to)| Step::HardLink(from, to)),
        2 => (text, short()).prop_map(|(text, path)| Step::Symlink(text, path)),
        1 => short().prop_map(Step::ReadLink),
        3 => (short(), short()).prop_map(|(from, to)| Step::Copy(from, to)),
        1 => short().prop_map(Step::Metadata),
        1 => short().prop_map(Step::SymlinkMetadata),
        1 => short().prop_map(Step::Exists),
        1 => (short(), any::<bool>()).prop_map(|(path, all)| Step::SetPermissions(path, all)),
        2 => short().prop_map(Step::ReadDir),
    ]
}

/// What a step says, in words that do not depend on where it was done.
type Said = Result<String, io::ErrorKind>;

fn said<T>(result: io::Result<T>, tell: impl FnOnce(T) -> String) -> Said {
    result.map(tell).map_err(|error| error.kind())
}

fn quiet<T>(_: T) -> String {
    String::new()
}

fn mode(writable: bool) -> std::fs::Permissions {
    std::fs::Permissions::from_mode(if writable { 0o755 } else { 0o711 })
}

fn by_std(root: &Path, step: &Step) -> Said {
    let at = |short: &Short| root.join(&short.0);
    match step {
        Step::Write(path, len) => said(std::fs::write(at(path), vec![7; usize::from(*len)]), quiet),
        Step::CreateDir(path) => said(std::fs::create_dir(at(path)), quiet),
        Step::CreateDirAll(path) => said(std::fs::create_dir_all(at(path)), quiet),
        Step::RemoveFile(path) => said(std::fs::remove_file(at(path)), quiet),
        Step::RemoveDir(path) => said(std::fs::remove_dir(at(path)), quiet),
        Step::RemoveDirAll(path) => said(std::fs::remove_dir_all(at(path)), quiet),
        Step::Rename(from, to) => said(std::fs::rename(at(from), at(to)), quiet),
        Step::HardLink(from, to) => said(std::fs::hard_link(at(from), at(to)), quiet),
        Step::Symlink(text, path) => said(std::os::unix::fs::symlink(text, at(path)), quiet),
        Step::ReadLink(path) => said(std::fs::read_link(at(path)), |text| format!("{text:?}")),
        Step::Copy(from, to) => said(std::fs::copy(at(from), at(to)), |bytes| bytes.to_string()),
        Step::Metadata(path) => said(std::fs::metadata(at(path)), told),
        Step::SymlinkMetadata(path) => said(std::fs::symlink_metadata(at(path)), told),
        Step::Exists(path) => said(std::fs::exists(at(path)), |exists| exists.to_string()),
        Step::SetPermissions(path, writable) => {
            said(std::fs::set_permissions(at(path), mode(*writable)), quiet)
        }
        Step::ReadDir(path) => said(std::fs::read_dir(at(path)), |entries| {
            let entries = entries.map(|entry| {
                let entry = entry.expect("it can be read");
                (entry.file_name(), entry.file_type().expect("it is known").is_dir())
            });
            let mut entries: Vec<_> = entries.collect();
            entries.sort();
            format!("{entries:?}")
        }),
    }
}

fn told(metadata: std::fs::Metadata) -> String {
    let len = if metadata.is_dir() { 0 } else { metadata.len() };
    format!("{:o} {len}", metadata.mode())
}

fn told_by_ours(metadata: fs::Metadata) -> String {
    let len = if metadata.is_dir() { 0 } else { metadata.len() };
    format!("{:o} {len}", metadata.mode())
}

async fn by_annulus(root: &Path, step: &Step) -> Said {
    let at = |short: &Short| root.join(&short.0);
    match step {
        Step::Write(path, len) => said(std::fs::write(at(path), vec![7; usize::from(*len)]), quiet),
        Step::CreateDir(path) => said(fs::create_dir(at(path)).await, quiet),
        Step::CreateDirAll(path) => said(fs::create_dir_all(at(path)).await, quiet),
        Step::RemoveFile(path) => said(fs::remove_file(at(path)).await, quiet),
        Step::RemoveDir(path) => said(fs::remove_dir(at(path)).await, quiet),
        Step::RemoveDirAll(path) => said(fs::remove_dir_all(at(path)).await, quiet),
        Step::Rename(from, to) => said(fs::rename(at(from), at(to)).await, quiet),
        Step::HardLink(from, to) => said(fs::hard_link(at(from), at(to)).await, quiet),
        Step::Symlink(text, path) => said(fs::symlink(text, at(path)).await, quiet),
        Step::ReadLink(path) => said(fs::read_link(at(path)).await, |text| format!("{text:?}")),
        Step::Copy(from, to) => said(fs::copy(at(from), at(to)).await, |bytes| bytes.to_string()),
        Step::Metadata(path) => said(fs::metadata(at(path)).await, told_by_ours),
        Step::SymlinkMetadata(path) => said(fs::symlink_metadata(at(path)).await, told_by_ours),
        Step::Exists(path) => said(fs::exists(at(path)).await, |exists| exists.to_string()),
        Step::SetPermissions(path, writable) => {
            said(fs::set_permissions(at(path), mode(*writable)).await, quiet)
        }
        Step::ReadDir(path) => {
            let listed = async {
                let mut entries = Vec::new();
                let mut reading = fs::read_dir(at(path)).await?;
                while let Some(entry) = reading.next_entry().await? {
                    entries.push((entry.file_name(), entry.file_type().await?.is_dir()));
                }
                entries.sort();
                Ok(format!("{entries:?}"))
            };
            said(listed.await, |text| text)
        }
    }
}

/// Everything below a directory: names, kinds, modes, texts of links, contents.
fn snapshot(root: &Path, below: &Path, found: &mut Vec<String>) {
    let mut entries: Vec<_> = std::fs::read_dir(root.join(below))
        .expect("it is there")
        .map(|entry| entry.expect("it can be read").file_name())
        .collect();
    entries.sort();
    for name in entries {
        let path = below.join(name);
        let full = root.join(&path);
        let metadata = std::fs::symlink_metadata(&full).expect("it is there");
        let what = match () {
            () if metadata.is_dir() => String::new(),
            () if metadata.is_symlink() => format!("{:?}", std::fs::read_link(&full)),
            () => format!("{} bytes", std::fs::read(&full).map_or(0, |bytes| bytes.len())),
        };
        found.push(format!("{path:?} {:o} {} {what}", metadata.mode(), metadata.nlink()));
        if metadata.is_dir() {
            snapshot(root, &path, found);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn random_operations_say_and_leave_what_those_of_std_do(
        steps in proptest::collection::vec(step(), 1..50),
        by_call in any::<bool>(),
    ) {
        let scratch = Scratch::new();
        let (ours, std) = (scratch.path().join("ours"), scratch.path().join("std"));
        std::fs::create_dir(&ours).unwrap();
        std::fs::create_dir(&std).unwrap();
        let ops = [Opcode::UNLINKAT, Opcode::RENAMEAT, Opcode::MKDIRAT, Opcode::STATX];
        let masked = ops.into_iter().fold(Mask::none(), Mask::op);
        let mask = if by_call { masked } else { Mask::none() };
        run_on(Runtime::builder().mask(mask), async {
            for step in &steps {
                assert_eq!(by_annulus(&ours, step).await, by_std(&std, step), "{step:?}");
            }
            let (mut left, mut expected) = (Vec::new(), Vec::new());
            snapshot(&ours, Path::new(""), &mut left);
            snapshot(&std, Path::new(""), &mut expected);
            assert_eq!(left, expected);
            let mut walked: Vec<_> =
                fs::walk(&ours).map_ok(|entry| entry.path()).try_collect().await?;
            walked.sort();
            walked.dedup();
            assert_eq!(walked.len(), expected.len(), "a walk comes across the same");
            Ok(())
        });
    }
}
