//! Which CPUs this process may use, how many cores that makes, and being bound to one.
//!
//! Owns: the choice of CPUs. Does not own: what the machine is like (`topology`), nor starting
//! anything (`launch`). Mirrors sched_setaffinity(2).

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::quota::cpu_quota;
use super::topology::Topology;

/// Which CPUs get a core.
///
/// Whatever is chosen lies within the affinity mask of the process.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Cores {
    /// [`available_cores`] of them, physical cores before their siblings.
    #[default]
    All,
    /// One for each physical core, at most [`available_cores`].
    Physical,
    /// So many. More than there are CPUs share them.
    Count(usize),
    /// One for each of these CPUs.
    Ids(Vec<usize>),
}

impl Cores {
    /// The CPUs, one for each core to start.
    pub(crate) fn choose(&self, machine: &Machine) -> io::Result<Vec<usize>> {
        let allowed = machine.topology.in_order();
        let chosen = match self {
            Self::All => allowed[..machine.cores().min(allowed.len())].to_vec(),
            Self::Physical => {
                let physical = machine.topology.physical();
                physical.iter().map(|cpu| cpu.id).take(machine.cores()).collect()
            }
            Self::Count(count) => allowed.iter().copied().cycle().take(*count).collect(),
            Self::Ids(ids) => {
                if let Some(id) = ids.iter().find(|id| !allowed.contains(id)) {
                    let text = format!(
                        "CPU {id} is offline or outside the affinity mask of this process, which \
                         allows {allowed:?}: choose among those, or widen the mask (taskset, \
                         cpuset.cpus)"
                    );
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
                }
                ids.clone()
            }
        };
        if chosen.is_empty() {
            let text = "a launch needs at least one core, and none was chosen";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(chosen)
    }
}

/// What there is to choose from.
pub(crate) struct Machine {
    /// The CPUs of the affinity mask.
    pub(crate) topology: Topology,
    /// CPUs' worth of time.
    pub(crate) quota: Option<f64>,
}

impl Machine {
    pub(crate) fn of_process() -> io::Result<Self> {
        let mask = sched_getaffinity(None)?;
        let allowed = |id| id < CpuSet::MAX_CPU && mask.is_set(id);
        // Without sysfs the mask is all that is known.
        let topology = Topology::read().map(|topology| topology.only(allowed));
        let topology = topology.ok().filter(|topology| !topology.cpus().is_empty());
        let flat = || Topology::flat((0..CpuSet::MAX_CPU).filter(|id| allowed(*id)));
        Ok(Self { topology: topology.unwrap_or_else(flat), quota: cpu_quota() })
    }

    /// Only its CPUs of these memory nodes.
    pub(crate) fn only_nodes(&self, nodes: &[usize]) -> Self {
        let on =
            |id| self.topology.cpus().iter().any(|cpu| cpu.id == id && nodes.contains(&cpu.node));
        Self { topology: self.topology.only(on), quota: self.quota }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.topology.cpus().is_empty()
    }

    /// A part of a CPU does not make a core: it would be stopped in the middle of its turns.
    fn cores(&self) -> usize {
        let cpus = self.topology.cpus().len();
        self.quota.map_or(cpus, |quota| cpus.min(quota as usize)).max(1)
    }
}

/// How many cores this process can keep busy: the CPUs of its affinity mask, and no more than its
/// control groups give it time for. At least one.
///
/// ```
/// assert!(annulus::runtime::available_cores() >= 1);
/// ```
pub fn available_cores() -> usize {
    Machine::of_process().map_or(1, |machine| machine.cores())
}

/// Binds the calling thread to one CPU.
pub(crate) fn pin(cpu: usize) -> io::Result<()> {
    let mut mask = CpuSet::new();
    mask.set(cpu);
    Ok(sched_setaffinity(None, &mask)?)
}

#[cfg(test)]
mod tests;
