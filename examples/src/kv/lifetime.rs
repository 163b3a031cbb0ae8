//! When keys expire.
//!
//! Owns: the commands that set, tell and take away the end of a key, and the forms in which an end
//! is given. Mirrors `expire.c` and `t_string.c` of Redis, their words included.

use super::command::Verb;
use super::keys::{NOT_AN_INTEGER, Work};
use super::number;
use super::parser::Args;
use super::reply;
use super::store::{NEVER, Now};

/// When a key shall end, as somebody said it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    /// The number, if it is one.
    number: Option<i64>,
    seconds: bool,
    /// From now on, rather than since 1970.
    relative: bool,
}

impl Deadline {
    /// As an option has it: `EX`, `PX`, `EXAT` or `PXAT`.
    pub(super) fn named(option: &[u8], number: &[u8]) -> Option<Self> {
        let options: [(&[u8], bool, bool); 4] = [
            (b"EX", true, true),
            (b"PX", false, true),
            (b"EXAT", true, false),
            (b"PXAT", false, false),
        ];
        let named = |(name, ..): &&(&[u8], bool, bool)| option.eq_ignore_ascii_case(name);
        let &(_, seconds, relative) = options.iter().find(named)?;
        Some(Self { number: number::parse(number), seconds, relative })
    }

    /// As a command has it.
    fn of(verb: Verb, number: &[u8]) -> Self {
        Self {
            number: number::parse(number),
            seconds: matches!(verb, Verb::Expire | Verb::ExpireAt),
            relative: matches!(verb, Verb::Expire | Verb::Pexpire),
        }
    }

    /// Milliseconds since 1970, of a number that must be more than zero.
    pub(super) fn in_future(self, command: &str, now: &Now) -> Result<i64, Vec<u8>> {
        match self.number {
            Some(..=0) => Err(invalid(command)),
            _ => self.at_any_time(command, now),
        }
    }

    /// Milliseconds since 1970.
    fn at_any_time(self, command: &str, now: &Now) -> Result<i64, Vec<u8>> {
        let number = self.number.ok_or(NOT_AN_INTEGER)?;
        let scale = if self.seconds { 1000 } else { 1 };
        let ms = number.checked_mul(scale).ok_or_else(|| invalid(command))?;
        let begin = if self.relative { now.ms() } else { 0 };
        // The last is the number that stands for never.
        let due_ms = ms.checked_add(begin).filter(|&due_ms| due_ms != NEVER);
        due_ms.ok_or_else(|| invalid(command))
    }
}

fn invalid(command: &str) -> Vec<u8> {
    format!("ERR invalid expire time in '{command}' command").into_bytes()
}

/// Under which condition a key gets another end.
#[derive(Clone, Copy, Debug, Default)]
struct Condition {
    has_none: bool,
    has_one: bool,
    later: bool,
    sooner: bool,
}

impl Condition {
    fn parse(args: Args<'_>) -> Result<Self, Vec<u8>> {
        let mut condition = Self::default();
        for word in args.rest(3) {
            match word.to_ascii_lowercase().as_slice() {
                b"nx" => condition.has_none = true,
                b"xx" => condition.has_one = true,
                b"gt" => condition.later = true,
                b"lt" => condition.sooner = true,
                _ => return Err([b"ERR Unsupported option ", word].concat()),
            }
        }
        let Self { has_none, has_one, later, sooner } = condition;
        if has_none && (has_one || later || sooner) {
            let text = "ERR NX and XX, GT or LT options at the same time are not compatible";
            return Err(text.into());
        }
        if later && sooner {
            return Err("ERR GT and LT options at the same time are not compatible".into());
        }
        Ok(condition)
    }

    fn holds(self, before_ms: i64, due_ms: i64) -> bool {
        !(self.has_none && before_ms != NEVER
            || self.has_one && before_ms == NEVER
            || self.later && due_ms <= before_ms
            || self.sooner && due_ms >= before_ms)
    }
}

/// `EXPIRE`, `PEXPIRE`, `EXPIREAT`, `PEXPIREAT`.
pub(super) fn expire(work: &mut Work<'_>, verb: Verb) {
    let name = match verb {
        Verb::Expire => "expire",
        Verb::Pexpire => "pexpire",
        Verb::ExpireAt => "expireat",
        _ => "pexpireat",
    };
    let asked = Condition::parse(work.args).and_then(|condition| {
        let due = Deadline::of(verb, work.args.get(2));
        Ok((condition, due.at_any_time(name, work.now)?))
    });
    let (condition, due_ms) = match asked {
        Ok(asked) => asked,
        Err(refused) => return reply::error(work.out, &refused),
    };
    let key = work.args.get(1);
    let hash = work.store.hash(key);
    let before_ms = work.store.get(hash, key, work.now).map(|entry| entry.due_ms());
    let changes = before_ms.is_some_and(|before_ms| condition.holds(before_ms, due_ms));
    if changes && due_ms <= work.now.ms() {
        work.store.remove(hash, key, work.now);
    } else if changes {
        work.store.set_due(hash, key, due_ms);
    }
    reply::integer(work.out, i64::from(changes));
}

/// `TTL`, `PTTL`, `EXPIRETIME`, `PEXPIRETIME`: -2 without a key, -1 if it does not expire.
pub(super) fn tell(work: &mut Work<'_>, verb: Verb) {
    let key = work.args.get(1);
    let hash = work.store.hash(key);
    let told = match work.store.get(hash, key, work.now).map(|entry| entry.due_ms()) {
        None => -2,
        Some(NEVER) => -1,
        Some(due_ms) => match verb {
            Verb::Ttl => (due_ms - work.now.ms() + 500) / 1000,
            Verb::Pttl => due_ms - work.now.ms(),
            Verb::ExpireTime => due_ms.saturating_add(500) / 1000,
            _ => due_ms,
        },
    };
    reply::integer(work.out, told);
}

pub(super) fn persist(work: &mut Work<'_>) {
    let key = work.args.get(1);
    let hash = work.store.hash(key);
    let expires = work.store.get(hash, key, work.now).is_some_and(|entry| entry.due_ms() != NEVER);
    if expires {
        work.store.set_due(hash, key, NEVER);
    }
    reply::integer(work.out, i64::from(expires));
}
