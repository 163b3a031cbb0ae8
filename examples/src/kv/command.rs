//! Which commands there are.
//!
//! Owns: the table that says how each is called, how many arguments it has and where its keys are,
//! and looking a name up. Does not own: what a command does.

use std::sync::LazyLock;

/// What a command does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verb {
    // About the connection or the server: no key.
    Auth,
    Client,
    Command,
    Config,
    Echo,
    Hello,
    Info,
    Ping,
    Quit,
    Reset,
    Select,
    Time,
    // About all shards.
    DbSize,
    Flush,
    // About any number of keys.
    Del,
    Exists,
    Mget,
    Mset,
    // About one key.
    Append,
    Decr,
    DecrBy,
    Expire,
    ExpireAt,
    ExpireTime,
    Get,
    GetDel,
    GetRange,
    GetSet,
    Incr,
    IncrBy,
    Persist,
    Pexpire,
    PexpireAt,
    PexpireTime,
    PsetEx,
    Pttl,
    Set,
    SetEx,
    SetNx,
    StrLen,
    Ttl,
    Type,
}

/// Whose a command is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scope {
    /// Nobody's: any core answers it.
    Connection,
    /// Every shard's.
    All,
    /// The shard's of each of its keys.
    Keys,
    /// The shard's of its key.
    Key,
}

/// A command, as `COMMAND` tells it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spec {
    pub(super) name: &'static str,
    pub(super) verb: Verb,
    pub(super) scope: Scope,
    /// How many arguments it has, its name included; less than zero: at least so many.
    pub(super) arity: i64,
    pub(super) flags: &'static [&'static str],
    /// The first key, the last (less than zero: from the end), and the step from one to the next.
    pub(super) keys: (i64, i64, i64),
}

impl Spec {
    pub(super) fn takes(&self, args: usize) -> bool {
        let args = args as i64;
        if self.arity < 0 { args >= -self.arity } else { args == self.arity }
    }
}

const READ: &[&str] = &["readonly", "fast"];
const WRITE: &[&str] = &["write", "denyoom", "fast"];
const REMOVE: &[&str] = &["write", "fast"];
const ANSWER: &[&str] = &["loading", "stale", "fast"];

const fn on_connection(name: &'static str, verb: Verb, arity: i64) -> Spec {
    let keys = (0, 0, 0);
    Spec { name, verb, scope: Scope::Connection, arity, flags: ANSWER, keys }
}

const fn on_key(
    name: &'static str,
    verb: Verb,
    arity: i64,
    flags: &'static [&'static str],
) -> Spec {
    Spec { name, verb, scope: Scope::Key, arity, flags, keys: (1, 1, 1) }
}

const fn on_keys(
    name: &'static str,
    verb: Verb,
    (arity, step): (i64, i64),
    flags: &'static [&'static str],
) -> Spec {
    Spec { name, verb, scope: Scope::Keys, arity, flags, keys: (1, -1, step) }
}

const fn on_all(
    name: &'static str,
    verb: Verb,
    arity: i64,
    flags: &'static [&'static str],
) -> Spec {
    Spec { name, verb, scope: Scope::All, arity, flags, keys: (0, 0, 0) }
}

/// All commands, by name.
pub(super) const COMMANDS: &[Spec] = &[
    on_key("append", Verb::Append, 3, WRITE),
    on_connection("auth", Verb::Auth, -2),
    on_connection("client", Verb::Client, -2),
    on_connection("command", Verb::Command, -1),
    on_connection("config", Verb::Config, -2),
    on_all("dbsize", Verb::DbSize, 1, READ),
    on_key("decr", Verb::Decr, 2, WRITE),
    on_key("decrby", Verb::DecrBy, 3, WRITE),
    on_keys("del", Verb::Del, (-2, 1), REMOVE),
    on_connection("echo", Verb::Echo, 2),
    on_keys("exists", Verb::Exists, (-2, 1), READ),
    on_key("expire", Verb::Expire, -3, REMOVE),
    on_key("expireat", Verb::ExpireAt, -3, REMOVE),
    on_key("expiretime", Verb::ExpireTime, 2, READ),
    on_all("flushall", Verb::Flush, -1, REMOVE),
    on_all("flushdb", Verb::Flush, -1, REMOVE),
    on_key("get", Verb::Get, 2, READ),
    on_key("getdel", Verb::GetDel, 2, REMOVE),
    on_key("getrange", Verb::GetRange, 4, READ),
    on_key("getset", Verb::GetSet, 3, WRITE),
    on_connection("hello", Verb::Hello, -1),
    on_key("incr", Verb::Incr, 2, WRITE),
    on_key("incrby", Verb::IncrBy, 3, WRITE),
    on_connection("info", Verb::Info, -1),
    on_keys("mget", Verb::Mget, (-2, 1), READ),
    on_keys("mset", Verb::Mset, (-3, 2), WRITE),
    on_key("persist", Verb::Persist, 2, REMOVE),
    on_key("pexpire", Verb::Pexpire, -3, REMOVE),
    on_key("pexpireat", Verb::PexpireAt, -3, REMOVE),
    on_key("pexpiretime", Verb::PexpireTime, 2, READ),
    on_connection("ping", Verb::Ping, -1),
    on_key("psetex", Verb::PsetEx, 4, WRITE),
    on_key("pttl", Verb::Pttl, 2, READ),
    on_connection("quit", Verb::Quit, -1),
    on_connection("reset", Verb::Reset, 1),
    on_connection("select", Verb::Select, 2),
    on_key("set", Verb::Set, -3, WRITE),
    on_key("setex", Verb::SetEx, 4, WRITE),
    on_key("setnx", Verb::SetNx, 3, WRITE),
    on_key("strlen", Verb::StrLen, 2, READ),
    on_connection("time", Verb::Time, 1),
    on_keys("touch", Verb::Exists, (-2, 1), READ),
    on_key("ttl", Verb::Ttl, 2, READ),
    on_key("type", Verb::Type, 2, READ),
    on_keys("unlink", Verb::Del, (-2, 1), REMOVE),
];

static BY_NAME: LazyLock<Vec<(u128, &'static Spec)>> = LazyLock::new(|| {
    let mut by_name: Vec<_> =
        COMMANDS.iter().map(|spec| (packed(spec.name.as_bytes()), spec)).collect();
    by_name.sort_by_key(|&(name, _)| name);
    by_name
});

/// A name in lower case, as a number; 0 for one that is longer than any command's.
#[inline]
fn packed(name: &[u8]) -> u128 {
    if name.len() > 15 {
        return 0;
    }
    // The bit before the first byte tells how many there are.
    name.iter().fold(1, |packed, byte| packed << 8 | u128::from(byte.to_ascii_lowercase()))
}

/// Looks names up, the one that was asked for last the fastest.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    last: Option<(u128, &'static Spec)>,
}

impl Lookup {
    #[inline]
    pub(super) fn find(&mut self, name: &[u8]) -> Option<&'static Spec> {
        let name = packed(name);
        match self.last {
            Some((last, spec)) if last == name => Some(spec),
            _ => {
                let at = BY_NAME.binary_search_by_key(&name, |&(packed, _)| packed).ok()?;
                self.last = Some(BY_NAME[at]);
                Some(BY_NAME[at].1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_in_any_case() {
        let mut lookup = Lookup::default();
        for spec in COMMANDS {
            for name in [spec.name.to_owned(), spec.name.to_uppercase()] {
                let found = lookup.find(name.as_bytes()).unwrap();
                assert_eq!(found.name, spec.name);
            }
        }
        for unknown in ["", "gets", "ge", "a-very-long-name-of-nothing", "\0get", "get\0"] {
            assert!(lookup.find(unknown.as_bytes()).is_none(), "{unknown:?}");
        }
    }

    #[test]
    fn the_number_of_arguments_is_exact_or_a_minimum() {
        let mut lookup = Lookup::default();
        let get = lookup.find(b"get").unwrap();
        assert_eq!([1, 2, 3].map(|args| get.takes(args)), [false, true, false]);
        let del = lookup.find(b"del").unwrap();
        assert_eq!([1, 2, 30].map(|args| del.takes(args)), [false, true, true]);
    }
}
