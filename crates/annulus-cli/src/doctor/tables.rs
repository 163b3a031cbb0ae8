//! The rows of the report, from what a ring has and lacks.
//!
//! Owns: which rows there are, and what the runtime cannot do without. Does not own: finding out,
//! which is the ring's negotiation. Invariant: a row says yes only for what the kernel showed.

use annulus_ring::abi::{Features, Opcode, SetupFlags};
use annulus_ring::diagnose::{self, Evidence};
use annulus_ring::{Capabilities, Missing, Ring, Stage, Version, What, Why, since};

use super::report::{Row, version};

/// The operations without which no program on the runtime gets far.
const NEEDED_OPS: [Opcode; 10] = [
    Opcode::POLL_ADD,
    Opcode::TIMEOUT,
    Opcode::ACCEPT,
    Opcode::ASYNC_CANCEL,
    Opcode::CONNECT,
    Opcode::FILES_UPDATE,
    Opcode::READ,
    Opcode::WRITE,
    Opcode::SEND,
    Opcode::RECV,
];

impl Row {
    fn new(name: impl Into<String>, since: Version, present: bool) -> Self {
        Self { name: name.into(), since: Some(since), present: Some(present), why: None }
    }

    /// Says why not; what nobody asked for is neither there nor missing.
    fn because(mut self, missing: Option<Missing>) -> Self {
        if let Some(missing) = missing {
            self.present = (missing.why != Why::NotAsked).then_some(false);
            self.why = Some(missing.why.to_string());
        }
        self
    }

    fn note(mut self, note: &str) -> Self {
        self.why.get_or_insert_with(|| note.to_owned());
        self
    }
}

/// The names of the setup flags that were granted.
pub fn granted_flags(capabilities: &Capabilities) -> Vec<String> {
    let granted = |(_, flag): &&(&str, SetupFlags)| capabilities.setup().contains(*flag);
    SetupFlags::NAMES.iter().filter(granted).map(|(name, _)| (*name).to_owned()).collect()
}

/// What the runtime cannot do without.
pub fn needs(capabilities: &Capabilities) -> Vec<Row> {
    let why = |what: What| missing(capabilities, what);
    let (defer, nodrop) = (SetupFlags::DEFER_TASKRUN, Features::NODROP);
    let mut rows = vec![
        Row::new("DEFER_TASKRUN", (6, 1), capabilities.defers_task_work())
            .because(why(What::Setup(defer))),
        Row::new("NODROP", (5, 5), capabilities.has(nodrop)).because(why(What::Feature(nodrop))),
        Row::new("EXT_ARG", (5, 11), capabilities.ext_arg())
            .because(why(What::Feature(Features::EXT_ARG))),
        Row::new("provided-buffer rings", (5, 19), capabilities.buf_rings())
            .because(why(What::BufRings)),
        // Flags of an operation have no probe: an operation of the same release stands for them.
        Row::new("multishot accept", (5, 19), capabilities.supports(Opcode::SOCKET))
            .note("as SOCKET shows, of the same kernel"),
        Row::new("multishot receive", (6, 0), capabilities.supports(Opcode::SEND_ZC))
            .note("as SEND_ZC shows, of the same kernel"),
    ];
    rows.extend(NEEDED_OPS.map(|op| operation(capabilities, op)));
    rows
}

/// What helps against the needs that are not met.
pub fn remedy(needs: &[Row], ring: &Ring, evidence: &Evidence) -> Vec<String> {
    let unmet = || needs.iter().filter(|row| row.present == Some(false));
    let refused = ring.capabilities().missing().find_map(|missing| match missing.why {
        Why::Refused(errno) if unmet().any(|row| row.name == missing.what.to_string()) => {
            Some(errno)
        }
        _ => None,
    });
    if let Some(errno) = refused {
        let cause = diagnose::cause(Stage::Register, errno, ring.params(), evidence);
        return diagnose::remedy(cause, Stage::Register, ring.params(), evidence);
    }
    let newest = unmet().filter_map(|row| row.since).max();
    newest.map(|since| format!("use Linux {} or later", version(since))).into_iter().collect()
}

/// The setup flags of the ladder, the feature bits, and what only a trial shows.
pub fn features(capabilities: &Capabilities) -> Vec<Row> {
    let flags = since::SETUP_FLAGS.iter().filter_map(|&(flag, since)| {
        let granted = capabilities.setup().contains(flag);
        let missing = missing(capabilities, What::Setup(flag));
        let row = Row::new(since::setup_flag_name(flag), since, granted);
        // Flags outside of the ladder (IOPOLL, SQE128 …) are choices, not capabilities.
        (granted || missing.is_some()).then(|| row.because(missing))
    });
    let bits = since::FEATURES.iter().map(|&(feature, since)| {
        Row::new(since::feature_name(feature), since, capabilities.has(feature))
            .because(missing(capabilities, What::Feature(feature)))
    });
    let trials = [
        (What::RegisteredRing, (5, 18), capabilities.registered_ring()),
        (What::BufRings, (5, 19), capabilities.buf_rings()),
        (What::IncBuffers, (6, 12), capabilities.inc_buffers()),
    ]
    .map(|(what, since, present)| {
        Row::new(what.to_string(), since, present).because(missing(capabilities, what))
    });
    flags.chain(bits).chain(trials).collect()
}

/// Every operation that has a name.
pub fn operations(capabilities: &Capabilities) -> Vec<Row> {
    (0..Opcode::COUNT).map(|op| operation(capabilities, Opcode(op))).collect()
}

/// The registrations that can be asked about.
pub fn registrations(ring: &mut Ring) -> Vec<Row> {
    let row = |registration: &diagnose::Registration| Row {
        name: registration.name.to_owned(),
        since: Some(registration.since),
        present: registration.known,
        why: (registration.known == Some(false)).then(|| Why::TooOld.to_string()),
    };
    diagnose::registrations(ring).iter().map(row).collect()
}

fn operation(capabilities: &Capabilities, op: Opcode) -> Row {
    let since = op.since().unwrap_or_default();
    Row::new(op.name(), since, capabilities.supports(op))
        .because(missing(capabilities, What::Op(op)))
}

fn missing(capabilities: &Capabilities, what: What) -> Option<Missing> {
    capabilities.missing().find(|missing| missing.what == what)
}
