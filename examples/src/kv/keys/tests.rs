//! Dialogues with one shard, at times of their own choice.

use foldhash::fast::RandomState;

use super::super::command::Lookup;
use super::super::parser::{Parser, Step};
use super::*;

struct Shard {
    store: Store,
    now_ms: i64,
}

impl Shard {
    fn new() -> Self {
        Self { store: Store::new(RandomState::default()), now_ms: 1_000_000 }
    }

    /// The answer to an inline command.
    fn ask(&mut self, line: &str) -> String {
        let (mut parser, line) =
            (Parser::new(super::super::parser::Limits::DEFAULT), format!("{line}\n"));
        assert_eq!(parser.parse(line.as_bytes()), Ok(Step::Command(line.len())));
        let args = parser.args(line.as_bytes());
        let spec = Lookup::default().find(args.get(0)).unwrap();
        assert!(spec.takes(args.len()), "{line}");
        let (now, mut out) = (Now::at(self.now_ms), Vec::new());
        let protocol = Protocol::Resp2;
        run(spec.verb, Work { store: &mut self.store, args, protocol, now: &now, out: &mut out });
        String::from_utf8(out).unwrap().replace("\r\n", " ").trim_end().to_owned()
    }

    fn all(&mut self, dialogue: &[(&str, &str)]) {
        for (line, answer) in dialogue {
            assert_eq!(self.ask(line), *answer, "{line}");
        }
    }
}

#[test]
fn set_keeps_its_conditions() {
    Shard::new().all(&[
        ("set a 1 xx", "$-1"),
        ("set a 1 nx", "+OK"),
        ("set a 2 nx", "$-1"),
        ("set a 2 nx get", "$1 1"),
        ("get a", "$1 1"),
        ("set a 2 xx get", "$1 1"),
        ("set b 2 get", "$-1"),
        ("mget a b c", "*3 $1 2 $1 2 $-1"),
        ("set a 1 nx xx", "-ERR syntax error"),
        ("set a 1 ex", "-ERR syntax error"),
        ("set a 1 ex 1 px 1", "-ERR syntax error"),
        ("set a 1 ex 1 keepttl", "-ERR syntax error"),
        ("set a 1 keepttl px 1", "-ERR syntax error"),
        ("set a 1 ex 0", "-ERR invalid expire time in 'set' command"),
        ("set a 1 ex x", "-ERR value is not an integer or out of range"),
        ("set a 1 ex 9223372036854775807", "-ERR invalid expire time in 'set' command"),
        ("setex a 0 1", "-ERR invalid expire time in 'setex' command"),
        ("get a", "$1 2"),
    ]);
}

#[test]
fn keys_end_when_they_were_to() {
    let mut shard = Shard::new();
    shard.all(&[
        ("set a 1 ex 10", "+OK"),
        ("ttl a", ":10"),
        ("set a 2 keepttl", "+OK"),
        ("pttl a", ":10000"),
        ("incr a", ":3"),
        ("pttl a", ":10000"),
        ("pexpiretime a", ":1010000"),
        ("expire a 5 gt", ":0"),
        ("expire a 5 nx", ":0"),
        ("expire a 20 gt", ":1"),
        ("ttl a", ":20"),
        ("persist a", ":1"),
        ("persist a", ":0"),
        ("expire a 20 xx", ":0"),
        ("expire a 20 gt", ":0"),
        ("expire a 20 lt", ":1"),
        (
            "expire a 1 nx gt",
            "-ERR NX and XX, GT or LT options at the same time are not compatible",
        ),
        ("expire a 1 or", "-ERR Unsupported option or"),
        ("expire none 10", ":0"),
        ("ttl none", ":-2"),
    ]);
    shard.now_ms += 20_000;
    shard.all(&[("get a", "$-1"), ("dbsize", ":0")]);
    shard.all(&[("set b 1", "+OK"), ("expire b -1", ":1"), ("exists b", ":0")]);
    shard.all(&[("set b 1 exat 5", "+OK"), ("get b", "$-1"), ("ttl b", ":-2")]);
}

#[test]
fn numbers_do_not_overflow_and_other_values_are_not_numbers() {
    Shard::new().all(&[
        ("incr n", ":1"),
        ("incrby n 9223372036854775806", ":9223372036854775807"),
        ("incr n", "-ERR increment or decrement would overflow"),
        ("decrby n -9223372036854775808", "-ERR decrement would overflow"),
        ("get n", "$19 9223372036854775807"),
        ("set n 01", "+OK"),
        ("incr n", "-ERR value is not an integer or out of range"),
        ("incrby n x", "-ERR value is not an integer or out of range"),
    ]);
}

#[test]
fn strings_are_appended_cut_and_exchanged() {
    Shard::new().all(&[
        ("append s Hello", ":5"),
        ("append s \", world\"", ":12"),
        ("strlen s", ":12"),
        ("getrange s 0 4", "$5 Hello"),
        ("getrange s -5 -1", "$5 world"),
        ("getrange s 3 2", "$0"),
        ("getrange s -1 -5", "$0"),
        ("getrange s -100 1", "$2 He"),
        ("getrange s -9223372036854775808 9223372036854775807", "$12 Hello, world"),
        ("getset s new", "$12 Hello, world"),
        ("type s", "+string"),
        ("getdel s", "$3 new"),
        ("type s", "+none"),
        ("mset a 1 b 2", "+OK"),
        ("del a b c a", ":2"),
        ("setnx a 1", ":1"),
        ("setnx a 2", ":0"),
        ("exists a a b", ":2"),
        ("flushall", "+OK"),
        ("dbsize", ":0"),
    ]);
}
