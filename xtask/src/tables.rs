//! What is allowed where: every list that the rules consult, in one place.
//!
//! Owns: the layers, the exceptions, the ratchets. Does not own: a rule. Invariant: an entry of a
//! ratchet that is no longer needed is a finding, so those lists only shrink.

/// What a crate may depend on.
pub struct Layer {
    /// Name of the crate.
    pub name: &'static str,
    /// Crates of this workspace that it may use.
    pub uses: &'static [&'static str],
    /// Crates of this workspace that its tests may use besides.
    pub tests_use: &'static [&'static str],
    /// The only other crates it may use; anything if none.
    pub others: Option<&'static [&'static str]>,
}

const fn layer(name: &'static str, uses: &'static [&'static str]) -> Layer {
    Layer { name, uses, tests_use: &[], others: None }
}

impl Layer {
    const fn only(mut self, others: &'static [&'static str]) -> Self {
        self.others = Some(others);
        self
    }

    const fn tests_use(mut self, crates: &'static [&'static str]) -> Self {
        self.tests_use = crates;
        self
    }
}

/// The house: arrows only point down. A crate below `crates/` that is not here is a finding.
pub const LAYERS: &[Layer] = &[
    layer("annulus-abi", &[]).only(&["libc"]),
    layer("annulus-task", &[]).only(&["loom", "shuttle"]),
    layer("annulus-sync", &[]).only(&["loom", "shuttle"]),
    layer("annulus-ring", &["annulus-abi"]).only(&["libc", "loom"]),
    layer("annulus-sim", &["annulus-abi", "annulus-ring"]),
    layer("annulus-soft", &["annulus-abi", "annulus-ring"]),
    layer("annulus-macros", &[]).tests_use(&["annulus"]),
    layer("annulus", RUNTIME_USES).tests_use(&["annulus-sim"]),
    layer("annulus-tls", &["annulus", "annulus-compat", "annulus-task"]),
    layer("annulus-http", &["annulus", "annulus-compat", "annulus-tls"])
        .tests_use(&["annulus-http"]),
    layer("annulus-compat", &["annulus"]).tests_use(&["annulus-compat"]),
    layer("annulus-quic", &["annulus"]),
    layer("annulus-bench", &["annulus-ring", "annulus"]),
    layer("annulus-cli", EVERYTHING),
    layer("annulus-examples", EVERYTHING),
    layer("xtask", &["annulus-abi"]).only(&[]),
];

const RUNTIME_USES: &[&str] = &[
    "annulus-abi",
    "annulus-ring",
    "annulus-task",
    "annulus-sync",
    "annulus-soft",
    "annulus-macros",
];

const EVERYTHING: &[&str] = &[
    "annulus-bench",
    "annulus-abi",
    "annulus-task",
    "annulus-sync",
    "annulus-ring",
    "annulus-sim",
    "annulus-soft",
    "annulus-macros",
    "annulus",
    "annulus-tls",
    "annulus-http",
    "annulus-compat",
    "annulus-quic",
];

/// A word that must not stand in the code below a path.
pub struct Absence {
    /// Where: the beginning of a path.
    pub below: &'static str,
    /// Where not: beginnings of paths below it.
    pub except: &'static [&'static str],
    /// The words.
    pub words: &'static [&'static str],
    /// The promise that the words would break.
    pub promise: &'static str,
}

/// The absences that must stay true.
pub const ABSENCES: &[Absence] = &[
    Absence {
        below: "crates/annulus-abi/src/",
        except: &[],
        words: &["mmap", "munmap", "File", "OwnedFd", "TcpStream", "UdpSocket"],
        promise: "`abi` performs no I/O beyond the three system calls",
    },
    Absence {
        below: "crates/annulus-task/",
        except: &[],
        words: &["RawFd", "OwnedFd", "BorrowedFd", "AsRawFd", "AsFd", "libc"],
        promise: "`task` never sees a descriptor",
    },
    Absence {
        below: "crates/annulus-sync/",
        except: &[],
        words: &["RawFd", "OwnedFd", "BorrowedFd", "AsRawFd", "AsFd", "libc"],
        promise: "`sync` knows no I/O",
    },
    Absence {
        below: "crates/annulus-ring/src/",
        except: &[],
        words: &["Future", "IntoFuture", "Waker", "RawWaker", "await"],
        promise: "`ring` never sees a future or a waker",
    },
    Absence {
        below: "crates/annulus/src/",
        except: &["crates/annulus/src/core.rs", "crates/annulus/src/core/"],
        words: &["Sqe"],
        promise: "nothing above `core` fills an SQE by hand",
    },
];

/// Where unsafe code may stand: beginnings of paths. Every other module denies it, every other
/// crate forbids it.
pub const UNSAFE_PLACES: &[&str] = &[
    "crates/annulus-abi/",
    "crates/annulus-ring/",
    "crates/annulus-task/",
    "crates/annulus/src/core.rs",
    "crates/annulus/src/core/",
    "crates/annulus/src/buf.rs",
    "crates/annulus/src/buf/",
    // Tests set limits and filters on themselves, with libc.
    "crates/annulus/tests/",
    "crates/annulus-cli/tests/",
    // The hand-written loops that the runtime is measured against, system calls, a pinned vector.
    "crates/annulus-bench/src/limit.rs",
    "crates/annulus-bench/src/limit/",
    "crates/annulus-bench/src/ours/nop.rs",
    "crates/annulus-bench/src/sys.rs",
    "crates/annulus-bench/src/timers.rs",
    "crates/annulus-sim/src/memory.rs",
    "crates/annulus-sim/src/memory/",
    // It takes a socket by its descriptor only.
    "bench/peers/glommio/src/echo.rs",
    "bench/peers/glommio/src/udp.rs",
    // Its reads past the page cache take a pointer.
    "bench/peers/ringline/src/direct.rs",
    // The ring of the tests owns the memory that their entries describe.
    "crates/annulus-sim/tests/it/bench.rs",
    "crates/annulus-soft/src/syscall.rs",
    "crates/annulus-soft/src/syscall/",
];

/// Crates with unsafe code in some of their modules: their roots need no `forbid(unsafe_code)`.
pub const UNSAFE_CRATES: &[&str] =
    &["annulus-abi", "annulus-ring", "annulus-task", "annulus-sim", "annulus-soft"];

/// Crates whose root denies unsafe code, so that each module that has some says so.
pub const DENYING_CRATES: &[&str] = &["annulus", "annulus-bench"];

/// The crate that examples may push entries with; such an example needs `unsafe`, no other does.
pub const RING_IN_EXAMPLES: &str = "annulus_ring";

/// Most lines of a file.
pub const FILE_LINES: usize = 600;
/// Most lines of a function.
pub const FUNCTION_LINES: usize = 70;
/// Most lines of an example.
pub const EXAMPLE_LINES: usize = 80;
/// Most columns of a line.
pub const COLUMNS: usize = 100;

/// Files past [`FILE_LINES`], each with its length: a ratchet, so a length may only fall.
pub const LONG_FILES: &[(&str, usize)] = &[];
/// Functions past [`FUNCTION_LINES`], as `path::name`.
pub const LONG_FUNCTIONS: &[(&str, usize)] = &[];
/// Examples past [`EXAMPLE_LINES`].
pub const LONG_EXAMPLES: &[(&str, usize)] = &[];

/// Names that begin like those and say enough: those of std and of tokio's `AsyncFd`, and where the
/// word is a noun.
pub const KEPT_NAMES: &[&str] =
    &["get_inner", "get_inner_mut", "get_mut", "get_ref", "handle_gone", "process_group"];

/// Modules that say nothing about what is in them.
pub const EMPTY_MODULE_NAMES: &[&str] =
    &["util", "utils", "misc", "common", "helper", "helpers", "v2", "stuff", "shared_code"];
/// Beginnings of function names that say nothing.
pub const EMPTY_PREFIXES: &[&str] = &["get_", "do_", "handle_", "process_"];
/// Macros that leave a hole.
pub const HOLES: &[&str] = &["todo", "unimplemented", "dbg"];

/// Marks of work that was left. Put together here, so that this file holds none.
pub const LEFT_WORK: &[&str] =
    &[concat!("FIX", "ME"), concat!("TO", "DO"), concat!("X", "XX"), concat!("HA", "CK")];

/// Words of the place where a text was written; a public tree has no use for them.
pub const PRIVATE_WORDS: &[&str] = &[
    concat!("far", "m-"),
    concat!(".lib", "rary"),
    concat!("sub", "agent"),
    concat!("helper ", "session"),
    concat!("developers", ".md"),
    concat!("../", "shared"),
    concat!("/wo", "rk/"),
    concat!("closing ", "note"),
];

/// Where public functions that give a future have their sections: beginnings of paths.
pub const FUTURES_BELOW: &[&str] = &[
    "crates/annulus/src/",
    "crates/annulus-sync/src/",
    "crates/annulus-task/src/",
    "crates/annulus-compat/src/",
    "crates/annulus-tls/src/",
    "crates/annulus-http/src/",
];
/// Where such a function says what the kernel does for it.
pub const KERNEL_BELOW: &[&str] = &["crates/annulus/src/"];
/// Where not: what works without the kernel.
pub const KERNEL_NOT_BELOW: &[&str] =
    &["crates/annulus/src/task.rs", "crates/annulus/src/task/", "crates/annulus/src/time/"];

/// Integration binaries: one per crate, and those of the models.
pub const TEST_BINARIES: &[&str] = &["it", "loom", "shuttle"];

/// Ops without a conformance test against the real kernel yet.
pub const NOT_YET_CONFORMANT: &[&str] = &[];
