//! Hierarchies made of files.

use std::fs;
use std::path::Path;

use super::quota;

fn v2(root: &Path, mounted: &str) -> String {
    format!("29 23 0:26 {mounted} {} rw,nosuid - cgroup2 cgroup2 rw\n", root.display())
}

fn group(root: &Path, path: &str, files: &[(&str, &str)]) {
    let group = root.join(path);
    fs::create_dir_all(&group).unwrap();
    for (name, text) in files {
        fs::write(group.join(name), text).unwrap();
    }
}

#[test]
fn the_smallest_limit_on_the_way_up_counts() {
    let root = tempfile::tempdir().unwrap();
    group(root.path(), "a", &[("cpu.max", "150000 100000\n")]);
    group(root.path(), "a/b", &[("cpu.max", "max 100000\n")]);
    group(root.path(), "a/b/c", &[("cpu.max", "400000 100000\n")]);
    let mounts = v2(root.path(), "/");
    assert_eq!(quota("0::/a/b/c\n", &mounts), Some(1.5));
    assert_eq!(quota("0::/\n", &mounts), None);
}

#[test]
fn a_container_sees_its_group_as_the_root() {
    let root = tempfile::tempdir().unwrap();
    group(root.path(), "", &[("cpu.max", "50000 100000\n")]);
    let mounts = v2(root.path(), "/docker/abc");
    assert_eq!(quota("0::/docker/abc\n", &mounts), Some(0.5));
    assert_eq!(quota("0::/../elsewhere\n", &mounts), Some(0.5));
}

#[test]
fn the_first_version_has_two_files() {
    let root = tempfile::tempdir().unwrap();
    let files = [("cpu.cfs_quota_us", "200000\n"), ("cpu.cfs_period_us", "100000\n")];
    group(root.path(), "job", &files);
    let unlimited = [("cpu.cfs_quota_us", "-1\n"), ("cpu.cfs_period_us", "100000\n")];
    group(root.path(), "", &unlimited);
    let mounts = format!(
        "30 23 0:27 / /elsewhere rw - cgroup cgroup rw,memory\n\
         31 23 0:28 / {} rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n",
        root.path().display()
    );
    let groups = "4:memory:/job\n3:cpu,cpuacct:/job\n";
    assert_eq!(quota(groups, &mounts), Some(2.0));
    assert_eq!(quota("3:cpu,cpuacct:/\n", &mounts), None);
}

#[test]
fn nonsense_is_no_limit() {
    let root = tempfile::tempdir().unwrap();
    group(root.path(), "", &[("cpu.max", "many 0\n")]);
    assert_eq!(quota("0::/\n", &v2(root.path(), "/")), None);
    assert_eq!(quota("", ""), None);
    assert_eq!(quota("0::/\nnonsense", "nonsense"), None);
}
