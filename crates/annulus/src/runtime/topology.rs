//! Which CPUs there are and which of them share a physical core, as sysfs tells.
//!
//! Owns: reading and parsing. Does not own: which CPUs this process may use (`cores`). A pure
//! function of a directory, so that tests describe machines that they do not run on. Mirrors
//! `Documentation/admin-guide/cputopology.rst` of the kernel.

use std::io;
use std::path::Path;

/// One logical CPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cpu {
    /// Its number, as in sched_setaffinity(2).
    pub id: usize,
    /// The physical core, a number within the package.
    pub core: usize,
    /// The package (socket).
    pub package: usize,
    /// The memory node.
    pub node: usize,
}

/// The CPUs of a machine that are online.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Topology {
    cpus: Vec<Cpu>,
}

impl Topology {
    /// The machine's, from `/sys/devices/system/cpu`.
    ///
    /// # Errors
    /// Those of reading sysfs, where it is not mounted.
    pub fn read() -> io::Result<Self> {
        Self::read_from(Path::new("/sys/devices/system/cpu"))
    }

    /// As [`read`](Self::read), from a directory of the same shape. What a CPU does not tell about
    /// itself is taken as: a core of its own, package 0, node 0.
    ///
    /// # Errors
    /// Those of reading `online`; `InvalidData` if it is not a list of numbers.
    pub fn read_from(directory: &Path) -> io::Result<Self> {
        let online = std::fs::read_to_string(directory.join("online"))?;
        let ids = parse_list(&online).ok_or_else(|| {
            let text = format!("{}/online is no list: {online:?}", directory.display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        })?;
        let cpus = ids.into_iter().map(|id| {
            let cpu = directory.join(format!("cpu{id}"));
            let number = |name: &str| -> Option<usize> {
                std::fs::read_to_string(cpu.join("topology").join(name)).ok()?.trim().parse().ok()
            };
            Cpu {
                id,
                core: number("core_id").unwrap_or(id),
                // -1 where the firmware does not say.
                package: number("physical_package_id").unwrap_or(0),
                node: node_of(&cpu).unwrap_or(0),
            }
        });
        Ok(Self { cpus: cpus.collect() })
    }

    /// A machine of `count` CPUs about which nothing else is known.
    pub(crate) fn flat(ids: impl IntoIterator<Item = usize>) -> Self {
        let cpus = ids.into_iter().map(|id| Cpu { id, core: id, package: 0, node: 0 });
        Self { cpus: cpus.collect() }
    }

    /// All CPUs that are online, in the order of their numbers.
    pub fn cpus(&self) -> &[Cpu] {
        &self.cpus
    }

    /// The first CPU of each physical core.
    pub fn physical(&self) -> Vec<Cpu> {
        let is_first = |(index, cpu): &(usize, &Cpu)| {
            !self.cpus[..*index].iter().any(|other| same_core(cpu, other))
        };
        self.cpus.iter().enumerate().filter(is_first).map(|(_, cpu)| *cpu).collect()
    }

    /// Only those CPUs that `keep` wants.
    pub(crate) fn only(&self, keep: impl Fn(usize) -> bool) -> Self {
        Self { cpus: self.cpus.iter().filter(|cpu| keep(cpu.id)).copied().collect() }
    }

    /// All CPUs, in the order in which work should be put on them: a physical core each first, then
    /// their siblings.
    pub(crate) fn in_order(&self) -> Vec<usize> {
        let first = self.physical();
        let rest = self.cpus.iter().filter(|cpu| !first.contains(cpu));
        first.iter().chain(rest).map(|cpu| cpu.id).collect()
    }
}

fn same_core(one: &Cpu, other: &Cpu) -> bool {
    (one.package, one.core) == (other.package, other.core)
}

/// The memory node of a CPU: its directory has a link `nodeN`.
fn node_of(cpu: &Path) -> Option<usize> {
    let mut entries = std::fs::read_dir(cpu).ok()?.flatten();
    entries.find_map(|entry| entry.file_name().to_str()?.strip_prefix("node")?.parse().ok())
}

/// The kernel's lists of CPUs: `0-3,8,10-11`. An empty list is one.
pub(crate) fn parse_list(text: &str) -> Option<Vec<usize>> {
    let mut numbers = Vec::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if last < first || last - first > 1 << 20 {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests;
