//! The commands that came together, and their answers, in order.
//!
//! A command on keys of this core is done at once, and its answer written. One on others' keys goes
//! into the parcel of their shard, and leaves a gap where its answer belongs:
//!
//! ```text
//!   commands:  GET a     GET b       MGET c d            DEL e f
//!   answers:   $1 1      ─gap        *2 $1 3 ─gap        ─gap (sum of both)
//!                          '── shard 1 ────────'───────────'
//! ```
//!
//! Answers of others come in portions, and leave as soon as they are in order: however much a batch
//! asks for, no more is in memory than a portion of each shard, and one answer.
//!
//! Owns: the split of a command over shards, and putting answers together. Invariants: answers are
//! in the order of their commands; each shard sees the commands of a connection in their order. A
//! command on one shard is atomic. One on several is so on each of them, not on all together:
//! another connection may see half of an `MSET`.

use std::collections::VecDeque;
use std::io;

use super::command::{Scope, Spec, Verb};
use super::keys::{self, Work};
use super::number;
use super::parser::{Args, Span};
use super::reply::{self, Protocol};
use super::shards::{Errands, Parcel, Place};
use super::store::Now;

/// Answers are sent when so many bytes have collected, even if more commands are there.
const ANSWERS_BYTES: usize = 64 * 1024;
/// Bytes, and commands, that are given away to other shards at once.
const AWAY_BYTES: usize = 256 * 1024;
const AWAY_COMMANDS: usize = 1024;

/// What belongs into a gap.
enum Kind {
    /// The answer as it is.
    Verbatim,
    /// The sum of this and of the numbers that are answered.
    Sum(i64),
    /// `+OK`, once all have answered.
    Done,
}

/// Where an answer is missing.
struct Gap {
    at: usize,
    kind: Kind,
    /// Which of `parts` answer it.
    parts: (usize, usize),
}

#[derive(Default)]
pub(super) struct Batch {
    pub(super) out: Vec<u8>,
    pub(super) now: Now,
    pub(super) commands: u64,
    gaps: VecDeque<Gap>,
    /// Bytes of `out` that have left.
    gone: usize,
    /// Commands that others do: the shard, and the number in its parcel.
    parts: Vec<(usize, usize)>,
    parcels: Vec<Option<Box<Parcel>>>,
    away_bytes: usize,
    /// Commands on this core's shard are among them.
    own_waits: bool,
    errands: Option<Errands>,
}

impl Batch {
    /// Whether it is better answered before there are more commands.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.out.len() >= ANSWERS_BYTES
            || self.away_bytes >= AWAY_BYTES
            || self.parts.len() >= AWAY_COMMANDS
    }

    /// Whether answers of others are missing.
    pub(super) fn has_gaps(&self) -> bool {
        !self.gaps.is_empty()
    }

    /// A command on keys, or on all of them.
    #[inline]
    pub(super) fn command(
        &mut self,
        place: &Place,
        spec: &Spec,
        args: Args<'_>,
        protocol: Protocol,
    ) {
        if place.shards() == 1 && spec.verb != Verb::Mget {
            return self.here(place, spec.verb, args, protocol);
        }
        match spec.scope {
            Scope::Key => self.one(place, spec.verb, args, protocol),
            Scope::Keys if spec.verb == Verb::Mget => {
                reply::array(&mut self.out, args.len() - 1);
                for index in 1..args.len() {
                    let spans = [args.spans[0], args.spans[index]];
                    let args = Args { base: args.base, spans: &spans };
                    self.one(place, Verb::Get, args, protocol);
                }
            }
            Scope::Keys => {
                let step = spec.keys.2 as usize;
                let mut spans = vec![Vec::new(); place.shards()];
                for index in (1..args.len()).step_by(step) {
                    let of_key: &mut Vec<Span> = &mut spans[place.shard_of(args.get(index))];
                    if of_key.is_empty() {
                        of_key.push(args.spans[0]);
                    }
                    of_key.extend_from_slice(&args.spans[index..index + step]);
                }
                self.several(place, (spec.verb, args.base, protocol), &spans);
            }
            Scope::All | Scope::Connection => {
                let spans = vec![args.spans[..1].to_vec(); place.shards()];
                self.several(place, (spec.verb, args.base, protocol), &spans);
            }
        }
    }

    /// A command on this core's shard.
    #[inline]
    fn here(&mut self, place: &Place, verb: Verb, args: Args<'_>, protocol: Protocol) {
        let store = &mut *place.store.borrow_mut();
        keys::run(verb, Work { store, args, protocol, now: &self.now, out: &mut self.out });
    }

    /// A command on one key.
    fn one(&mut self, place: &Place, verb: Verb, args: Args<'_>, protocol: Protocol) {
        let shard = place.shard_of(args.get(1));
        if shard == place.index && !self.is_own_later() {
            return self.here(place, verb, args, protocol);
        }
        self.own_waits |= shard == place.index;
        let begin = self.parts.len();
        self.away(place, shard, (verb, args, protocol));
        self.gap(Kind::Verbatim, begin);
    }

    /// Whether a command on this core's shard has to wait: there are answers enough by now, of one
    /// `MGET`, or others wait already.
    fn is_own_later(&self) -> bool {
        self.own_waits || self.out.len() - self.gone >= ANSWERS_BYTES
    }

    /// A command on several shards: what each is asked, if anything.
    fn several(
        &mut self,
        place: &Place,
        (verb, base, protocol): (Verb, &[u8], Protocol),
        spans: &[Vec<Span>],
    ) {
        let begin = self.parts.len();
        let mut own = 0;
        for (shard, spans) in spans.iter().enumerate().filter(|(_, spans)| !spans.is_empty()) {
            let args = Args { base, spans };
            if shard == place.index && !self.own_waits {
                let at = self.out.len();
                self.here(place, verb, args, protocol);
                own = counted(&self.out[at..]);
                self.out.truncate(at);
            } else {
                self.away(place, shard, (verb, args, protocol));
            }
        }
        let done = matches!(verb, Verb::Mset | Verb::Flush);
        self.gap(if done { Kind::Done } else { Kind::Sum(own) }, begin);
    }

    fn away(
        &mut self,
        place: &Place,
        shard: usize,
        (verb, args, protocol): (Verb, Args<'_>, Protocol),
    ) {
        let errands = self.errands.get_or_insert_with(|| Errands::new(place));
        self.parcels.resize_with(place.shards(), || None);
        let parcel = self.parcels[shard].get_or_insert_with(|| errands.parcel(shard));
        let before = parcel.bytes();
        let number = parcel.add(verb, args, protocol);
        self.away_bytes += parcel.bytes() - before;
        self.parts.push((shard, number));
    }

    fn gap(&mut self, kind: Kind, begin: usize) {
        self.gaps.push_back(Gap { at: self.out.len(), kind, parts: (begin, self.parts.len()) });
    }

    /// Waits for a portion of the answers of others. Gives what is in order by then, and has not
    /// left before; when it has given the last, there are no gaps any more.
    ///
    /// # Errors
    /// Another core has stopped.
    pub(super) async fn portion(&mut self, place: &Place) -> io::Result<Vec<u8>> {
        if let Some(errands) = &mut self.errands {
            errands.run(place, &mut self.parcels).await?;
        }
        let mut portion = Vec::new();
        while let Some(gap) = self.gaps.front() {
            portion.extend_from_slice(&self.out[self.gone..gap.at]);
            self.gone = gap.at;
            let parts = &self.parts[gap.parts.0..gap.parts.1];
            if !fill(&gap.kind, parts, &self.parcels, &mut portion) {
                return Ok(portion);
            }
            for &(shard, number) in parts {
                if let Some(parcel) = &mut self.parcels[shard] {
                    parcel.use_up(number);
                }
            }
            self.gaps.pop_front();
        }
        portion.extend_from_slice(&self.out[self.gone..]);
        self.out.clear();
        self.parts.clear();
        (self.gone, self.away_bytes, self.own_waits) = (0, 0, false);
        self.parcels.iter_mut().flatten().for_each(|parcel| parcel.clear());
        Ok(portion)
    }
}

/// Fills a gap; false if not all of its answers have come.
fn fill(
    kind: &Kind,
    parts: &[(usize, usize)],
    parcels: &[Option<Box<Parcel>>],
    out: &mut Vec<u8>,
) -> bool {
    let answer = |&(shard, number): &(usize, usize)| parcels[shard].as_ref()?.answer(number);
    if !parts.iter().all(|part| answer(part).is_some()) {
        return false;
    }
    let mut answers = parts.iter().filter_map(answer);
    match kind {
        Kind::Verbatim => answers.for_each(|answer| out.extend_from_slice(answer)),
        Kind::Sum(own) => {
            let sum = answers.map(counted).sum::<i64>();
            reply::integer(out, own + sum);
        }
        Kind::Done => match answers.find(|answer| *answer != b"+OK\r\n") {
            Some(refused) => out.extend_from_slice(refused),
            None => reply::ok(out),
        },
    }
    true
}

/// The number that an answer gives; 0 if it gives none.
fn counted(answer: &[u8]) -> i64 {
    let digits = answer.strip_prefix(b":").and_then(|rest| rest.strip_suffix(b"\r\n"));
    digits.and_then(number::parse).unwrap_or(0)
}
