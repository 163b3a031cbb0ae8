//! Where a test runs: on the real kernel, or on the simulated one with a seed.
//!
//! Owns: [`Ground`], which gives a body its files wherever it runs, and the ways to run one
//! ([`on_both`], [`on_seeds`], [`on_first_choices`]); each ends with the leak check, on the
//! simulated kernel that of the kernel, too.
//!
//! A failure prints its seed; `ANNULUS_SIM_SEED=n` runs that seed alone, and `ANNULUS_SIM_TIMES=n`
//! runs n times as many seeds.

use std::cell::{OnceCell, RefCell};
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use annulus::runtime::{Builder, Metrics, Runtime};
use annulus_sim::{Faults, Profile, Report, World};

use super::{check, share_process};

thread_local! {
    /// The world of the next runtime: a factory of kernels crosses threads, a world does not.
    static WORLD: RefCell<Option<(World, Profile)>> = const { RefCell::new(None) };
}

/// The versions of the simulated kernel, from seed to seed.
pub const PROFILES: [Profile; 3] = [Profile::LINUX_6_18, Profile::LINUX_6_12, Profile::LINUX_6_1];

/// The ground under a test: which kernel, and a directory of it.
#[derive(Clone)]
pub struct Ground {
    world: Option<World>,
    seed: u64,
    directory: Rc<OnceCell<tempfile::TempDir>>,
}

impl Ground {
    /// The real kernel.
    pub fn real() -> Self {
        Self { world: None, seed: 0, directory: Rc::default() }
    }

    /// A simulated one. Seed 0 is as tame as a kernel can be, even seeds have all faults, odd ones
    /// a random half of them.
    pub fn simulated(seed: u64) -> Self {
        let faults = match seed {
            0 => Faults::none(),
            _ if seed % 2 == 0 => Faults::all(),
            _ => Faults::swarm(seed),
        };
        Self::in_world(&World::new(seed).with_faults(faults), seed)
    }

    fn in_world(world: &World, seed: u64) -> Self {
        Self { world: Some(world.clone()), seed, directory: Rc::default() }
    }

    pub fn world(&self) -> Option<&World> {
        self.world.as_ref()
    }

    pub fn is_simulated(&self) -> bool {
        self.world.is_some()
    }

    /// Something that differs from run to run.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A file with these contents.
    pub fn file(&self, name: &str, contents: &[u8]) -> PathBuf {
        let path = self.path(name);
        match &self.world {
            Some(world) => world.write_file(&path, contents).expect("there is a /tmp"),
            None => std::fs::write(&path, contents).expect("the directory can be written"),
        }
        path
    }

    /// Where a file of this name is or would be.
    pub fn path(&self, name: &str) -> PathBuf {
        match &self.world {
            Some(_) => PathBuf::from("/tmp").join(name),
            None => {
                let make = || tempfile::tempdir().expect("a temporary directory");
                self.directory.get_or_init(make).path().join(name)
            }
        }
    }

    /// What a file contains.
    pub fn contents(&self, name: &str) -> Vec<u8> {
        let path = self.path(name);
        match &self.world {
            Some(world) => world.read_file(path).expect("the file is there"),
            None => std::fs::read(path).expect("the file is there"),
        }
    }

    /// Puts the kernel of this ground behind a runtime.
    pub fn under(&self, builder: Builder) -> Builder {
        let Some(world) = &self.world else { return builder };
        under_world(world, PROFILES[self.seed as usize % PROFILES.len()], builder)
    }

    /// The descriptors of this process, where a test of this ground can open any; for a test that
    /// has the process for itself.
    pub fn descriptors(&self) -> Vec<String> {
        if self.is_simulated() { Vec::new() } else { super::descriptors() }
    }

    /// What the runtime's own leak check cannot see.
    pub fn assert_nothing_left(&self) {
        if let Some(world) = &self.world {
            assert_eq!((world.in_flight(), world.open_descriptors()), (0, 0), "of the kernel");
        }
    }
}

/// Puts the kernel of a world behind a runtime that this thread makes.
pub fn under_world(world: &World, profile: Profile, builder: Builder) -> Builder {
    WORLD.set(Some((world.clone(), profile)));
    builder.kernel(|| {
        let (world, profile) = WORLD.take().expect("a world was chosen on this thread");
        world.any_kernel(profile)
    })
}

/// A runtime so small that everything runs out in it, and whose reads are all requests.
pub fn tiny() -> Builder {
    Runtime::builder()
        .entries(16)
        .cq_entries(32)
        .fixed_files(8)
        .buffer_bytes(256)
        .buffer_count(16)
        .buffers_published(2)
        .reads_cached(false)
}

/// Runs a body on a ground and checks that nothing of it is left.
pub fn run_on_ground<F>(ground: &Ground, builder: Builder, body: F) -> Metrics
where
    F: Future<Output = io::Result<()>>,
{
    let _shared = share_process();
    let last = check(ground.under(builder), body);
    ground.assert_nothing_left();
    last
}

/// Runs a body on a small runtime of the real kernel, and then on the simulated one once for each
/// seed. Gives what the simulated kernels did.
pub fn on_both<F, B>(count: u64, body: B) -> Report
where
    F: Future<Output = io::Result<()>>,
    B: Fn(Ground) -> F,
{
    on_both_with(tiny, count, body)
}

/// As [`on_both`], on runtimes of the caller's making.
pub fn on_both_with<F, B>(builder: impl Fn() -> Builder, count: u64, body: B) -> Report
where
    F: Future<Output = io::Result<()>>,
    B: Fn(Ground) -> F,
{
    let _shared = share_process();
    let real = Ground::real();
    run_on_ground(&real, builder(), body(real.clone()));
    on_seeds(count, |_| {}, builder, body)
}

/// Runs a body on the simulated kernel once for each seed, with faults as `tune` wants them.
pub fn on_seeds<F, B>(
    count: u64,
    tune: impl Fn(&World),
    builder: impl Fn() -> Builder,
    body: B,
) -> Report
where
    F: Future<Output = io::Result<()>>,
    B: Fn(Ground) -> F,
{
    let mut total = Report::default();
    for seed in seeds(count) {
        let ground = Ground::simulated(seed);
        if let Some(world) = ground.world() {
            tune(world);
        }
        run_on_ground(&ground, builder(), body(ground.clone()));
        total.add(&ground.world().map(World::report).unwrap_or_default());
    }
    total
}

/// Runs a body once on each version of the simulated kernel, with these faults, and with the first
/// of all choices wherever there is one: a transfer that is always short is one of one byte.
pub fn on_first_choices<F, B>(faults: Faults, builder: impl Fn() -> Builder, body: B) -> Report
where
    F: Future<Output = io::Result<()>>,
    B: Fn(Ground) -> F,
{
    let mut total = Report::default();
    for version in 0..PROFILES.len() as u64 {
        let world = World::replaying([]).with_faults(faults);
        let ground = Ground::in_world(&world, version);
        run_on_ground(&ground, builder(), body(ground.clone()));
        total.add(&world.report());
    }
    total
}

/// The seeds that a test runs: so many, or what the environment says.
pub fn seeds(count: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    let times = number("ANNULUS_SIM_TIMES").unwrap_or(1);
    number("ANNULUS_SIM_SEED").map_or(0..count * times, |seed| seed..seed + 1)
}

/// Whether all seeds run, so that every fault may be expected to have happened.
pub fn is_whole_run() -> bool {
    std::env::var_os("ANNULUS_SIM_SEED").is_none()
}

/// Runs a body in a world, and checks that nothing of it is left: no task, no request, no
/// descriptor, no lease.
pub fn run_in<F>(world: &World, profile: Profile, body: F) -> Report
where
    F: Future<Output = io::Result<()>>,
{
    let _shared = share_process();
    check(under_world(world, profile, tiny()), body);
    Ground::in_world(world, 0).assert_nothing_left();
    world.report()
}
