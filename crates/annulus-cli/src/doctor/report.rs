//! What the doctor found, as plain data.
//!
//! Owns [`Report`], its gathering from a ring with the default wishes, and the verdict. Does not
//! own: any rendering. Invariant: a report is data alone, so that every rendering can be tested
//! without a kernel.

use annulus_ring::diagnose::{self, Evidence, Fact};
use annulus_ring::{Cause, Ring, SetupError, Stage, Version};

use super::{attempt, tables};

/// Everything that was found.
#[derive(Debug)]
pub struct Report {
    /// The kernel's release, as text.
    pub release: Option<String>,
    /// Limits and policy.
    pub facts: Vec<Fact>,
    /// The ring that opened, or why none did.
    pub outcome: Result<Opened, Refusal>,
}

/// A ring that opened with the default wishes.
#[derive(Debug)]
pub struct Opened {
    /// Submission entries.
    pub sq_entries: u32,
    /// Completion entries.
    pub cq_entries: u32,
    /// Names of the setup flags that were granted.
    pub flags: Vec<String>,
    /// What it charges against `RLIMIT_MEMLOCK`.
    pub ring_bytes: u64,
    /// How many of them the limit leaves room for, if it limits.
    pub rings_within_memlock: Option<u64>,
    /// What the runtime cannot do without.
    pub needs: Vec<Row>,
    /// What helps, if a need is not met.
    pub remedy: Vec<String>,
    /// What a ring may have.
    pub features: Vec<Row>,
    /// Every operation that has a name.
    pub operations: Vec<Row>,
    /// The registrations that can be asked about.
    pub registrations: Vec<Row>,
}

/// One line of a table.
#[derive(Debug)]
pub struct Row {
    /// The kernel's name.
    pub name: String,
    /// The first kernel that has it.
    pub since: Option<Version>,
    /// Whether this ring has it; `None` if that cannot be told.
    pub present: Option<bool>,
    /// Why not, or how that is known.
    pub why: Option<String>,
}

/// Why no ring opened.
#[derive(Debug)]
pub struct Refusal {
    /// The cause.
    pub cause: Cause,
    /// The call that failed.
    pub failed: String,
    /// What it answered, if there was somebody left to see the answer.
    pub errno: Option<i32>,
    /// What to do.
    pub remedy: Vec<String>,
    /// All of it, in words.
    pub text: String,
}

/// The conclusion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The runtime can run here.
    Ready,
    /// A ring opens, but lacks something that the runtime needs.
    RingOnly,
    /// No ring opens.
    Refused,
}

impl Verdict {
    /// The name for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::RingOnly => "ring-only",
            Self::Refused => "refused",
        }
    }
}

impl Report {
    /// Examines this system now.
    pub fn gather() -> Self {
        let evidence = Evidence::gather();
        let outcome = if evidence.filtered() != Some(false) && attempt::is_killed() {
            Err(Refusal::killed(&evidence))
        } else {
            match Ring::builder().build() {
                Ok(mut ring) => Ok(Opened::examine(&mut ring, &evidence)),
                Err(error) => Err(Refusal::from(&error)),
            }
        };
        Self { release: evidence.kernel_release.clone(), facts: evidence.facts(), outcome }
    }

    /// The conclusion.
    pub fn verdict(&self) -> Verdict {
        match &self.outcome {
            Err(_) => Verdict::Refused,
            Ok(_) if self.unmet().next().is_some() => Verdict::RingOnly,
            Ok(_) => Verdict::Ready,
        }
    }

    /// What the runtime needs and this ring lacks.
    pub fn unmet(&self) -> impl Iterator<Item = &Row> {
        let needs = self.outcome.as_ref().map_or(&[][..], |opened| &opened.needs);
        needs.iter().filter(|row| row.present == Some(false))
    }
}

impl Opened {
    fn examine(ring: &mut Ring, evidence: &Evidence) -> Self {
        let params = *ring.params();
        let capabilities = ring.capabilities();
        let (needs, features) = (tables::needs(capabilities), tables::features(capabilities));
        Self {
            sq_entries: params.sq_entries,
            cq_entries: params.cq_entries,
            flags: tables::granted_flags(capabilities),
            ring_bytes: diagnose::ring_bytes(&params),
            rings_within_memlock: evidence.rings_within_memlock(&params),
            remedy: tables::remedy(&needs, ring, evidence),
            needs,
            features,
            operations: tables::operations(capabilities),
            registrations: tables::registrations(ring),
        }
    }
}

impl Refusal {
    /// The filter killed whoever asked.
    pub fn killed(evidence: &Evidence) -> Self {
        let (cause, stage) = (Cause::Seccomp, Stage::Setup);
        let mut remedy = vec![
            "systemd: SystemCallErrorNumber=EPERM in the unit makes its filter answer instead of \
             kill"
                .to_owned(),
        ];
        remedy.extend(diagnose::remedy(cause, stage, &Default::default(), evidence));
        let facts: String = evidence.facts().iter().map(|fact| format!("\n  - {fact}")).collect();
        let steps: String = remedy.iter().map(|step| format!("\n  - {step}")).collect();
        let text = format!(
            "no io_uring: a process that made a ring was killed by SIGSYS\ncause: {cause}\n\
             evidence:{facts}\nremedy:{steps}"
        );
        Self { cause, failed: "killed by SIGSYS".to_owned(), errno: None, remedy, text }
    }
}

impl From<&SetupError> for Refusal {
    fn from(error: &SetupError) -> Self {
        Self {
            cause: error.cause(),
            failed: error.stage().to_string(),
            errno: Some(error.errno().0),
            remedy: error.remedy(),
            text: error.to_string(),
        }
    }
}

/// A kernel's version, as people write it.
pub fn version((major, minor): Version) -> String {
    format!("{major}.{minor}")
}
