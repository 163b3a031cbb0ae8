//! A world: one machine, one clock, one seed.
//!
//! Owns: the public view of the machine. Does not own: any ring (each [`Sim`] does).

use std::cell::RefCell;
use std::os::fd::RawFd;
use std::path::Path;
use std::rc::Rc;

use annulus_abi::Errno;
use annulus_ring::AnyKernel;

use crate::choice::{Choice, Choices};
use crate::fault::{Faults, Report};
use crate::files::Kind;
use crate::machine::Machine;
use crate::names::{Names, Node};
use crate::{Profile, Sim};

/// One simulated machine. Its kernels share descriptors, files, network and clock.
///
/// A clone is another handle on the same world. A world stays on its thread.
#[derive(Clone, Debug)]
pub struct World {
    machine: Rc<RefCell<Machine>>,
}

impl World {
    /// A world in which every decision follows from `seed`, with all faults at their usual rates.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::of(Machine::new(Choices::seeded(seed), Some(seed)))
    }

    /// A world that decides as a [log](Self::choices) says, and tamely when that is at its end: for
    /// cutting a failing run down. Set the same [faults](Self::set_faults) as in the run that wrote
    /// the log.
    #[must_use]
    pub fn replaying(choices: impl IntoIterator<Item = u32>) -> Self {
        Self::of(Machine::new(Choices::replaying(choices.into_iter().collect()), None))
    }

    fn of(machine: Machine) -> Self {
        Self { machine: Rc::new(RefCell::new(machine)) }
    }

    /// Chooses which faults happen and how often; from now on, at any time.
    pub fn set_faults(&self, faults: Faults) {
        self.machine.borrow_mut().faults = faults;
    }

    /// The same, for a chain of calls.
    #[must_use]
    pub fn with_faults(self, faults: Faults) -> Self {
        self.set_faults(faults);
        self
    }

    /// Which faults happen now.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.machine.borrow().faults
    }

    /// A kernel for one more ring.
    #[must_use]
    pub fn kernel(&self, profile: Profile) -> Sim {
        Sim::new(self.machine.clone(), profile)
    }

    /// The same, boxed as a ring's builder takes it.
    #[must_use]
    pub fn any_kernel(&self, profile: Profile) -> AnyKernel {
        AnyKernel::Dyn(Box::new(self.kernel(profile)))
    }

    /// What happened so far.
    #[must_use]
    pub fn report(&self) -> Report {
        self.machine.borrow().report
    }

    /// A hash over everything that happened: calls, completions, decisions. Equal for equal runs.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.machine.borrow().choices.hash()
    }

    /// Every decision so far.
    #[must_use]
    pub fn choices(&self) -> Vec<Choice> {
        self.machine.borrow().choices.log().to_vec()
    }

    /// The virtual clock, which looking at it from here does not move.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.machine.borrow().now_ns
    }

    /// Open descriptors, those of rings not counted.
    #[must_use]
    pub fn open_descriptors(&self) -> usize {
        self.machine.borrow().files.open_count()
    }

    /// Requests in flight on all rings.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        let machine = self.machine.borrow();
        machine.rings.iter().flatten().map(|ring| ring.requests.len()).sum()
    }

    /// pipe(2): a reading end and a writing end.
    ///
    /// # Errors
    /// EMFILE.
    pub fn pipe(&self) -> Result<[RawFd; 2], Errno> {
        let mut machine = self.machine.borrow_mut();
        let stream = machine.new_stream();
        let reader = machine.files.open(Kind::PipeRead(stream))?;
        Ok([reader, machine.files.open(Kind::PipeWrite(stream))?])
    }

    /// Writes a file from outside, as if it had always been there.
    ///
    /// # Errors
    /// ENOENT or ENOTDIR without its directory, EISDIR.
    pub fn write_file(&self, path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), Errno> {
        let mut machine = self.machine.borrow_mut();
        let path = absolute(path.as_ref())?;
        let inode = match machine.names.find(&path) {
            Ok(Node::File(inode)) => inode,
            Ok(Node::Dir) => return Err(Errno(libc::EISDIR)),
            Err(_) => {
                let inode = machine.new_id();
                machine.names.create(&path, inode)?;
                inode
            }
        };
        *machine.names.contents(inode) = bytes.to_vec();
        Ok(())
    }

    /// Reads a file from outside.
    ///
    /// # Errors
    /// ENOENT, EISDIR.
    pub fn read_file(&self, path: impl AsRef<Path>) -> Result<Vec<u8>, Errno> {
        let mut machine = self.machine.borrow_mut();
        match machine.names.find(&absolute(path.as_ref())?)? {
            Node::File(inode) => Ok(machine.names.contents(inode).clone()),
            Node::Dir => Err(Errno(libc::EISDIR)),
        }
    }

    /// mkdir(2), from outside.
    ///
    /// # Errors
    /// EEXIST, ENOENT.
    pub fn make_dir(&self, path: impl AsRef<Path>) -> Result<(), Errno> {
        let path = absolute(path.as_ref())?;
        self.machine.borrow_mut().names.make_dir(&path)
    }
}

fn absolute(path: &Path) -> Result<Vec<u8>, Errno> {
    Names::resolve(b"/", path.as_os_str().as_encoded_bytes(), false)
}
