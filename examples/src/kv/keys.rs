//! What commands do to the keys of one shard.
//!
//! Owns: strings and numbers. Does not own: when keys expire (`lifetime`), and which shard's a key
//! is (`batch`). Invariant: a command either does what it says or changes nothing.

use super::command::Verb;
use super::lifetime::{self, Deadline};
use super::number;
use super::parser::Args;
use super::reply::{self, Protocol};
use super::store::{NEVER, Now, Store};

pub(super) const NOT_AN_INTEGER: &[u8] = b"ERR value is not an integer or out of range";
pub(super) const SYNTAX: &[u8] = b"ERR syntax error";
const OVERFLOW: &[u8] = b"ERR increment or decrement would overflow";
const TOO_LONG: &[u8] = b"ERR string exceeds maximum allowed size (proto-max-bulk-len)";

/// A command, on its way to an answer.
pub(super) struct Work<'a> {
    pub(super) store: &'a mut Store,
    pub(super) args: Args<'a>,
    pub(super) protocol: Protocol,
    pub(super) now: &'a Now,
    pub(super) out: &'a mut Vec<u8>,
}

/// Does it. All keys are of this shard.
#[inline]
pub(super) fn run(verb: Verb, mut work: Work<'_>) {
    let work = &mut work;
    match verb {
        Verb::Get => get(work, 1),
        Verb::Set => set(work),
        Verb::Incr => add(work, 1),
        Verb::Decr => add(work, -1),
        Verb::IncrBy | Verb::DecrBy => add_given(work, verb),
        Verb::Del => count(work, |store, key, now| {
            let hash = store.hash(key);
            store.remove(hash, key, now).is_some()
        }),
        Verb::Exists => count(work, |store, key, now| {
            let hash = store.hash(key);
            store.get(hash, key, now).is_some()
        }),
        Verb::Mget => {
            reply::array(work.out, work.args.len() - 1);
            (1..work.args.len()).for_each(|index| get(work, index));
        }
        Verb::Mset => {
            for index in (1..work.args.len()).step_by(2) {
                let (key, value) = (work.args.get(index), work.args.get(index + 1));
                work.store.set((work.store.hash(key), key), value, NEVER);
            }
            reply::ok(work.out);
        }
        Verb::Append => append(work),
        Verb::GetDel | Verb::GetSet => exchange(work, verb),
        Verb::GetRange => part(work),
        Verb::SetNx => set_new(work),
        Verb::SetEx | Verb::PsetEx => set_expiring(work, verb),
        Verb::StrLen => {
            let len = value(work, 1).map_or(0, |value| value.len());
            reply::integer(work.out, len as i64);
        }
        Verb::Type => {
            let kind = if value(work, 1).is_some() { "string" } else { "none" };
            reply::simple(work.out, kind);
        }
        Verb::DbSize => reply::integer(work.out, work.store.len() as i64),
        Verb::Flush => {
            work.store.clear();
            reply::ok(work.out);
        }
        Verb::Expire | Verb::Pexpire | Verb::ExpireAt | Verb::PexpireAt => {
            lifetime::expire(work, verb);
        }
        Verb::Ttl | Verb::Pttl | Verb::ExpireTime | Verb::PexpireTime => {
            lifetime::tell(work, verb);
        }
        Verb::Persist => lifetime::persist(work),
        // These never come here: no shard is asked.
        Verb::Auth
        | Verb::Client
        | Verb::Command
        | Verb::Config
        | Verb::Echo
        | Verb::Hello
        | Verb::Info
        | Verb::Ping
        | Verb::Quit
        | Verb::Reset
        | Verb::Select
        | Verb::Time => {
            reply::error(work.out, SYNTAX);
        }
    }
}

/// What the key that is argument `index` is worth.
fn value<'a>(work: &'a mut Work<'_>, index: usize) -> Option<&'a mut Vec<u8>> {
    let key = work.args.get(index);
    let hash = work.store.hash(key);
    work.store.get(hash, key, work.now).map(|entry| &mut entry.value)
}

#[inline]
fn get(work: &mut Work<'_>, index: usize) {
    let key = work.args.get(index);
    let hash = work.store.hash(key);
    match work.store.get(hash, key, work.now) {
        Some(entry) => reply::bulk(work.out, &entry.value),
        None => reply::null(work.out, work.protocol),
    }
}

fn count(work: &mut Work<'_>, counts: impl Fn(&mut Store, &[u8], &Now) -> bool) {
    let keys = work.args.rest(1);
    let counted = keys.filter(|key| counts(work.store, key, work.now)).count();
    reply::integer(work.out, counted as i64);
}

/// The options of `SET`.
struct SetOptions {
    /// `NX`: if it is not there; `XX`: if it is.
    only_if: Option<bool>,
    get: bool,
    keep_ttl: bool,
    due: Option<Deadline>,
}

fn set_options(args: Args<'_>) -> Option<SetOptions> {
    let mut options = SetOptions { only_if: None, get: false, keep_ttl: false, due: None };
    let mut rest = args.rest(3);
    while let Some(word) = rest.next() {
        let lasts = options.keep_ttl || options.due.is_some();
        if word.eq_ignore_ascii_case(b"NX") && options.only_if != Some(true) {
            options.only_if = Some(false);
        } else if word.eq_ignore_ascii_case(b"XX") && options.only_if != Some(false) {
            options.only_if = Some(true);
        } else if word.eq_ignore_ascii_case(b"GET") {
            options.get = true;
        } else if word.eq_ignore_ascii_case(b"KEEPTTL") && options.due.is_none() {
            options.keep_ttl = true;
        } else if lasts {
            return None;
        } else {
            options.due = Some(Deadline::named(word, rest.next()?)?);
        }
    }
    Some(options)
}

#[inline]
fn set(work: &mut Work<'_>) {
    let key = work.args.get(1);
    if work.args.len() == 3 {
        work.store.set((work.store.hash(key), key), work.args.get(2), NEVER);
        reply::ok(work.out);
        return;
    }
    set_with_options(work);
}

fn set_with_options(work: &mut Work<'_>) {
    let Some(options) = set_options(work.args) else {
        return reply::error(work.out, SYNTAX);
    };
    let due_ms = match options.due.map(|due| due.in_future("set", work.now)).transpose() {
        Ok(due_ms) => due_ms,
        Err(refused) => return reply::error(work.out, &refused),
    };
    let key = work.args.get(1);
    let hash = work.store.hash(key);
    let found = work.store.get(hash, key, work.now);
    let (there, kept_ms) = (found.is_some(), found.as_ref().map(|entry| entry.due_ms()));
    if options.get {
        match found {
            Some(entry) => reply::bulk(work.out, &entry.value),
            None => reply::null(work.out, work.protocol),
        }
    }
    if options.only_if.is_some_and(|wanted| wanted != there) {
        if !options.get {
            reply::null(work.out, work.protocol);
        }
        return;
    }
    let kept_ms = kept_ms.filter(|_| options.keep_ttl);
    let due_ms = due_ms.or(kept_ms).unwrap_or(NEVER);
    work.store.set((hash, key), work.args.get(2), due_ms);
    if !options.get {
        reply::ok(work.out);
    }
}

fn set_new(work: &mut Work<'_>) {
    let there = value(work, 1).is_some();
    if !there {
        let key = work.args.get(1);
        work.store.set((work.store.hash(key), key), work.args.get(2), NEVER);
    }
    reply::integer(work.out, i64::from(!there));
}

fn set_expiring(work: &mut Work<'_>, verb: Verb) {
    let (name, unit) = match verb {
        Verb::SetEx => ("setex", &b"EX"[..]),
        _ => ("psetex", &b"PX"[..]),
    };
    let due = Deadline::named(unit, work.args.get(2));
    match due.map(|due| due.in_future(name, work.now)) {
        Some(Ok(due_ms)) => {
            let key = work.args.get(1);
            work.store.set((work.store.hash(key), key), work.args.get(3), due_ms);
            reply::ok(work.out);
        }
        Some(Err(refused)) => reply::error(work.out, &refused),
        None => reply::error(work.out, SYNTAX),
    }
}

/// `GETSET` and `GETDEL`: the old value, and then another or none.
fn exchange(work: &mut Work<'_>, verb: Verb) {
    get(work, 1);
    let key = work.args.get(1);
    let hash = work.store.hash(key);
    if verb == Verb::GetSet {
        work.store.set((hash, key), work.args.get(2), NEVER);
    } else {
        work.store.remove(hash, key, work.now);
    }
}

fn add_given(work: &mut Work<'_>, verb: Verb) {
    let Some(step) = number::parse(work.args.get(2)) else {
        return reply::error(work.out, NOT_AN_INTEGER);
    };
    let step = if verb == Verb::DecrBy { step.checked_neg() } else { Some(step) };
    match step {
        Some(step) => add(work, step),
        None => reply::error(work.out, b"ERR decrement would overflow"),
    }
}

fn add(work: &mut Work<'_>, step: i64) {
    let sum = match value(work, 1) {
        None => Ok(step),
        Some(value) => match number::parse(value) {
            None => Err(NOT_AN_INTEGER),
            Some(number) => match number.checked_add(step) {
                None => Err(OVERFLOW),
                Some(sum) => {
                    number::with_text(sum, |text| {
                        value.clear();
                        value.extend_from_slice(text);
                    });
                    return reply::integer(work.out, sum);
                }
            },
        },
    };
    match sum {
        Ok(sum) => {
            let key = work.args.get(1);
            let hash = work.store.hash(key);
            number::with_text(sum, |text| work.store.set((hash, key), text, NEVER));
            reply::integer(work.out, sum);
        }
        Err(refused) => reply::error(work.out, refused),
    }
}

fn append(work: &mut Work<'_>) {
    let more = work.args.get(2);
    let most = work.store.value_bytes_max;
    if let Some(value) = value(work, 1) {
        if value.len() + more.len() > most {
            return reply::error(work.out, TOO_LONG);
        }
        value.extend_from_slice(more);
        let len = value.len();
        return reply::integer(work.out, len as i64);
    }
    let key = work.args.get(1);
    work.store.set((work.store.hash(key), key), more, NEVER);
    reply::integer(work.out, more.len() as i64);
}

fn part(work: &mut Work<'_>) {
    let ends = (number::parse(work.args.get(2)), number::parse(work.args.get(3)));
    let (Some(first), Some(last)) = ends else {
        return reply::error(work.out, NOT_AN_INTEGER);
    };
    let key = work.args.get(1);
    let hash = work.store.hash(key);
    match work.store.get(hash, key, work.now) {
        Some(entry) => reply::bulk(work.out, range(&entry.value, first, last)),
        None => reply::bulk(work.out, b""),
    }
}

/// The bytes from `first` to `last`, both included; less than zero counts from the end.
fn range(value: &[u8], first: i64, last: i64) -> &[u8] {
    let len = value.len() as i64;
    if len == 0 || (first < 0 && last < 0 && first > last) {
        return b"";
    }
    let from_start = |at: i64| if at < 0 { (len + at).max(0) } else { at };
    // From so far before the end is still from the start.
    let from_start = |at: i64| from_start(at.max(-len));
    let (first, last) = (from_start(first), from_start(last).min(len - 1));
    if first > last { b"" } else { &value[first as usize..=last as usize] }
}

#[cfg(test)]
mod tests;
