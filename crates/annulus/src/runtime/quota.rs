//! How much CPU time the process may use at most, as its control groups say.
//!
//! Owns: finding and reading the limits. A group's limit holds for all below it, so the smallest on
//! the way up counts. Mirrors cgroups(7): `cpu.max` of version 2, `cpu.cfs_quota_us` and
//! `cpu.cfs_period_us` of version 1.

use std::path::{Path, PathBuf};

/// CPUs' worth of time, or `None` if there is no limit or none can be read.
pub(crate) fn cpu_quota() -> Option<f64> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    quota(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"))
}

/// As [`cpu_quota`], given what procfs says.
fn quota(groups: &str, mounts: &str) -> Option<f64> {
    let limits = groups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let unified = controllers.is_empty();
        if !unified && !controllers.split(',').any(|name| name == "cpu") {
            return None;
        }
        let mounts = mounts.lines().filter_map(Mount::parse);
        let mut fitting = mounts.filter(|mount| mount.has_cpu(unified));
        let mount = fitting.next()?;
        let limit = if unified { limit_v2 } else { limit_v1 };
        smallest(&mount, path, limit)
    });
    limits.reduce(f64::min)
}

/// A mount of a control group hierarchy.
struct Mount {
    /// The group that is mounted.
    root: PathBuf,
    point: PathBuf,
    kind: String,
    options: String,
}

impl Mount {
    /// A line of proc_pid_mountinfo(5).
    fn parse(line: &str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let mut right = right.split(' ');
        Some(Self {
            root: left.next()?.into(),
            point: left.next()?.into(),
            kind: right.next()?.to_owned(),
            options: right.nth(1).unwrap_or_default().to_owned(),
        })
    }

    fn has_cpu(&self, unified: bool) -> bool {
        match unified {
            true => self.kind == "cgroup2",
            false => self.kind == "cgroup" && self.options.split(',').any(|name| name == "cpu"),
        }
    }
}

/// The smallest limit from the process's group up to the one that is mounted.
fn smallest(mount: &Mount, group: &str, limit: fn(&Path) -> Option<f64>) -> Option<f64> {
    // A container sees its own group as the root, or as a path that is not below what is mounted.
    let below = Path::new(group).strip_prefix(&mount.root).unwrap_or(Path::new(""));
    let own = mount.point.join(below.strip_prefix("/").unwrap_or(below));
    let up = own.ancestors().take_while(|group| group.starts_with(&mount.point));
    up.filter_map(limit).reduce(f64::min)
}

/// `cpu.max`: quota and period, or `max` and period.
fn limit_v2(group: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(group.join("cpu.max")).ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    share(quota, period)
}

fn limit_v1(group: &Path) -> Option<f64> {
    let read = |name: &str| std::fs::read_to_string(group.join(name)).ok();
    share(read("cpu.cfs_quota_us")?.trim(), read("cpu.cfs_period_us")?.trim())
}

/// Quota by period; none for `max` and `-1`.
fn share(quota: &str, period: &str) -> Option<f64> {
    let (quota, period): (u64, u64) = (quota.parse().ok()?, period.parse().ok()?);
    (period > 0).then(|| quota as f64 / period as f64)
}

#[cfg(test)]
mod tests;
