//! Commands about the connection or the server: no key, so any core answers them.
//!
//! Owns: their words, which are those of Redis where clients look at them.

use std::time::{SystemTime, UNIX_EPOCH};

use super::command::{COMMANDS, Lookup, Spec, Verb};
use super::info;
use super::keys::{NOT_AN_INTEGER, SYNTAX};
use super::number;
use super::parser::Args;
use super::reply::{self, Protocol};
use super::session::{Client, wrong_number};
use super::shards::Place;

/// The version of Redis whose answers these are.
pub(super) const REDIS_VERSION: &str = "7.0.15";

/// Answers `spec`, which is about no key.
pub(super) fn answer(
    spec: &Spec,
    args: Args<'_>,
    place: &Place,
    (client, out): (&mut Client, &mut Vec<u8>),
) {
    let protocol = client.protocol;
    match (spec.verb, args.len()) {
        (Verb::Ping, 1) => reply::simple(out, "PONG"),
        (Verb::Ping | Verb::Echo, 2) => reply::bulk(out, args.get(1)),
        (Verb::Ping, _) => wrong_number(out, spec),
        (Verb::Select, _) => match number::parse(args.get(1)) {
            Some(0) => reply::ok(out),
            Some(index) if i32::try_from(index).is_err() => {
                let text = format!(
                    "ERR value is out of range, value must between {} and {}",
                    i32::MIN,
                    i32::MAX
                );
                reply::error(out, text.as_bytes());
            }
            Some(_) => reply::error(out, b"ERR DB index is out of range"),
            None => reply::error(out, NOT_AN_INTEGER),
        },
        (Verb::Time, _) => time(out),
        (Verb::Auth, _) => auth(args, out),
        (Verb::Hello, _) => hello(args, client, out),
        (Verb::Client, _) => about_client(args, client, out),
        (Verb::Command, _) => command(args, protocol, out),
        (Verb::Config, _) => config(args, protocol, out),
        (Verb::Info, _) => reply::text(out, &info::text(args, place), protocol),
        (Verb::Reset, _) => {
            client.protocol = Protocol::Resp2;
            client.name.clear();
            reply::simple(out, "RESET");
        }
        _ => reply::error(out, SYNTAX),
    }
}

fn time(out: &mut Vec<u8>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    reply::array(out, 2);
    reply::bulk(out, now.as_secs().to_string().as_bytes());
    reply::bulk(out, now.subsec_micros().to_string().as_bytes());
}

/// There are no passwords, so any will do for the user that there is.
fn auth(args: Args<'_>, out: &mut Vec<u8>) {
    match args.len() {
        2 => {
            let text = "ERR AUTH <password> called without any password configured for the \
                        default user. Are you sure your configuration is correct?";
            reply::error(out, text.as_bytes());
        }
        3 if args.get(1) == b"default" => reply::ok(out),
        3 => reply::error(out, WRONG_PASS),
        _ => reply::error(out, SYNTAX),
    }
}

const WRONG_PASS: &[u8] = b"WRONGPASS invalid username-password pair or user is disabled.";
const BAD_NAME: &[u8] = b"ERR Client names cannot contain spaces, newlines or special characters.";

fn hello(args: Args<'_>, client: &mut Client, out: &mut Vec<u8>) {
    let mut protocol = client.protocol;
    let mut name = None;
    if args.len() > 1 {
        protocol = match number::parse(args.get(1)) {
            Some(2) => Protocol::Resp2,
            Some(3) => Protocol::Resp3,
            Some(_) => return reply::error(out, b"NOPROTO unsupported protocol version"),
            None => {
                let text = b"ERR Protocol version is not an integer or out of range";
                return reply::error(out, text);
            }
        };
        let mut rest = args.rest(2);
        while let Some(option) = rest.next() {
            let more = args.len() - 3;
            if option.eq_ignore_ascii_case(b"auth") && more >= 2 {
                let (user, _password) = (rest.next(), rest.next());
                if user != Some(b"default") {
                    return reply::error(out, WRONG_PASS);
                }
            } else if option.eq_ignore_ascii_case(b"setname") && more >= 1 {
                let given = rest.next().unwrap_or_default();
                if !is_name(given) {
                    return reply::error(out, BAD_NAME);
                }
                name = Some(given);
            } else {
                let text = [b"ERR Syntax error in HELLO option '", option, b"'"].concat();
                return reply::error(out, &text);
            }
        }
    }
    client.protocol = protocol;
    if let Some(name) = name {
        client.name = name.to_vec();
    }
    reply::map(out, 7, protocol);
    for (key, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        reply::bulk(out, key.as_bytes());
        reply::bulk(out, value.as_bytes());
    }
    reply::bulk(out, b"proto");
    reply::integer(out, if protocol == Protocol::Resp3 { 3 } else { 2 });
    reply::bulk(out, b"id");
    reply::integer(out, client.id as i64);
    for (key, value) in [("mode", "standalone"), ("role", "master")] {
        reply::bulk(out, key.as_bytes());
        reply::bulk(out, value.as_bytes());
    }
    reply::bulk(out, b"modules");
    reply::array(out, 0);
}

fn is_name(name: &[u8]) -> bool {
    name.iter().all(u8::is_ascii_graphic)
}

fn about_client(args: Args<'_>, client: &mut Client, out: &mut Vec<u8>) {
    let what = args.get(1).to_ascii_lowercase();
    match (what.as_slice(), args.len()) {
        (b"id", 2) => reply::integer(out, client.id as i64),
        (b"getname", 2) if client.name.is_empty() => reply::null(out, client.protocol),
        (b"getname", 2) => reply::bulk(out, &client.name),
        (b"setname", 3) if is_name(args.get(2)) => {
            client.name = args.get(2).to_vec();
            reply::ok(out);
        }
        (b"setname", 3) => reply::error(out, BAD_NAME),
        (b"setinfo", 4) | (b"no-evict" | b"no-touch", 3) => reply::ok(out),
        (b"info", 2) => {
            let name = String::from_utf8_lossy(&client.name);
            let resp = if client.protocol == Protocol::Resp3 { 3 } else { 2 };
            let text = format!("id={} name={name} db=0 resp={resp}\n", client.id);
            reply::text(out, &text, client.protocol);
        }
        _ => unknown_subcommand(args, "CLIENT", out),
    }
}

fn unknown_subcommand(args: Args<'_>, command: &str, out: &mut Vec<u8>) {
    let known: &[&[u8]] = match command {
        "CLIENT" => &[b"id", b"getname", b"setname", b"setinfo", b"no-evict", b"no-touch", b"info"],
        "CONFIG" => &[b"get", b"resetstat"],
        _ => &[b"count", b"docs", b"info", b"list"],
    };
    let what = args.get(1);
    let text = if known.iter().any(|known| known.eq_ignore_ascii_case(what)) {
        let (command, what) = (command.to_lowercase(), String::from_utf8_lossy(what));
        let what = what.to_lowercase();
        format!("ERR wrong number of arguments for '{command}|{what}' command")
    } else {
        let what = String::from_utf8_lossy(&what[..what.len().min(128)]);
        format!("ERR unknown subcommand '{what}'. Try {command} HELP.")
    };
    reply::error(out, text.as_bytes());
}

fn command(args: Args<'_>, protocol: Protocol, out: &mut Vec<u8>) {
    let what = if args.len() > 1 { args.get(1).to_ascii_lowercase() } else { Vec::new() };
    match (what.as_slice(), args.len()) {
        (b"", 1) | (b"info", 2) => {
            reply::array(out, COMMANDS.len());
            COMMANDS.iter().for_each(|spec| describe(spec, protocol, out));
        }
        (b"info", _) => {
            reply::array(out, args.len() - 2);
            let mut lookup = Lookup::default();
            for name in args.rest(2) {
                match lookup.find(name) {
                    Some(spec) => describe(spec, protocol, out),
                    None => reply::null_array(out, protocol),
                }
            }
        }
        (b"count", 2) => reply::integer(out, COMMANDS.len() as i64),
        (b"list", 2) => {
            reply::array(out, COMMANDS.len());
            COMMANDS.iter().for_each(|spec| reply::bulk(out, spec.name.as_bytes()));
        }
        // Clients that want to help their users have words of their own.
        (b"docs", _) => reply::map(out, 0, protocol),
        _ => unknown_subcommand(args, "COMMAND", out),
    }
}

fn describe(spec: &Spec, protocol: Protocol, out: &mut Vec<u8>) {
    reply::array(out, 10);
    reply::bulk(out, spec.name.as_bytes());
    reply::integer(out, spec.arity);
    reply::set(out, spec.flags.len(), protocol);
    spec.flags.iter().for_each(|flag| reply::simple(out, flag));
    let (first, last, step) = spec.keys;
    [first, last, step].into_iter().for_each(|number| reply::integer(out, number));
    // Categories of access control, tips, specifications of keys, subcommands: none.
    reply::set(out, 0, protocol);
    (0..3).for_each(|_| reply::array(out, 0));
}

/// What `CONFIG GET` knows: what tools ask for.
const CONFIG: &[(&str, &str)] = &[
    ("appendonly", "no"),
    ("databases", "1"),
    ("io-threads", "1"),
    ("maxmemory", "0"),
    ("maxmemory-policy", "noeviction"),
    ("proto-max-bulk-len", "536870912"),
    ("save", ""),
    ("timeout", "0"),
];

fn config(args: Args<'_>, protocol: Protocol, out: &mut Vec<u8>) {
    let what = args.get(1).to_ascii_lowercase();
    match (what.as_slice(), args.len()) {
        (b"get", 3..) => {
            let asked = |name: &str| {
                args.rest(2).any(|like| is_like(name.as_bytes(), &like.to_ascii_lowercase()))
            };
            let found = || CONFIG.iter().filter(|(name, _)| asked(name));
            reply::map(out, found().count(), protocol);
            for (name, value) in found() {
                reply::bulk(out, name.as_bytes());
                reply::bulk(out, value.as_bytes());
            }
        }
        (b"resetstat", 2) => reply::ok(out),
        _ => unknown_subcommand(args, "CONFIG", out),
    }
}

/// Whether `text` is like `pattern`, in which `*` stands for anything and `?` for any byte.
fn is_like(text: &[u8], pattern: &[u8]) -> bool {
    // Where the last star was, and from where on it stands for a byte more at the next try.
    let (mut at, mut like, mut star) = (0, 0, None);
    while at < text.len() {
        match pattern.get(like) {
            Some(b'*') => {
                star = Some((like, at));
                like += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[at] => {
                like += 1;
                at += 1;
            }
            _ => match star {
                Some((star_like, star_at)) => {
                    star = Some((star_like, star_at + 1));
                    (like, at) = (star_like + 1, star_at + 1);
                }
                None => return false,
            },
        }
    }
    pattern[like..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_know_stars_and_question_marks() {
        for (text, pattern, like) in [
            ("save", "save", true),
            ("save", "*", true),
            ("save", "s*e", true),
            ("save", "s?v?", true),
            ("save", "s?v", false),
            ("maxmemory-policy", "max*mem*y", true),
            ("maxmemory-policy", "max*y-", false),
            ("", "*", true),
            ("", "?", false),
            ("aaaaaaaaab", "*a*a*a*c", false),
        ] {
            assert_eq!(is_like(text.as_bytes(), pattern.as_bytes()), like, "{text} {pattern}");
        }
    }
}
