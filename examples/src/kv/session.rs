//! What a connection has said so far: commands out of bytes, and which of them are about it.
//!
//! Owns: the order of things in a batch, the words for commands that are refused, and the state
//! that a client has: its protocol, its name. Does not own: sending (`connection`).

use annulus::net::Parsed;

use super::about;
use super::batch::Batch;
use super::command::{Lookup, Scope, Spec, Verb};
use super::keys::SYNTAX;
use super::parser::{Args, Broken, Limits, Parser, Step};
use super::reply::{self, Protocol};
use super::shards::Place;

pub(super) struct Session {
    parser: Parser,
    lookup: Lookup,
    pub(super) batch: Batch,
    pub(super) client: Client,
    /// The connection ends when what is answered is sent.
    pub(super) closing: bool,
}

/// What a client has said about itself.
pub(super) struct Client {
    pub(super) id: u64,
    pub(super) name: Vec<u8>,
    pub(super) protocol: Protocol,
}

impl Session {
    pub(super) fn new(id: u64, limits: Limits) -> Self {
        let client = Client { id, name: Vec::new(), protocol: Protocol::default() };
        let (parser, lookup, batch) = (Parser::new(limits), Lookup::default(), Batch::default());
        Self { parser, lookup, batch, client, closing: false }
    }

    /// Does the commands that `bytes` begin with, as many as make a batch.
    #[inline]
    pub(super) fn take(&mut self, place: &Place, bytes: &[u8]) -> Parsed {
        let mut used = 0;
        while used < bytes.len() && !self.closing && !self.batch.is_full() {
            let rest = &bytes[used..];
            match self.parser.parse(rest) {
                Ok(Step::Command(len)) => {
                    self.command(place, rest);
                    used += len;
                }
                Ok(Step::NeedAtLeast(wanted)) if used == 0 => return Parsed::NeedAtLeast(wanted),
                Ok(Step::NeedAtLeast(_)) => break,
                Err(broken) => {
                    self.refuse(&broken);
                    return Parsed::Consumed(bytes.len());
                }
            }
        }
        Parsed::Consumed(used)
    }

    /// Ends a batch, when all of it is answered.
    pub(super) fn end_batch(&mut self, place: &Place) {
        place.publish(std::mem::take(&mut self.batch.commands));
        self.batch.now = super::store::Now::default();
        self.parser.shrink();
    }

    /// The command that was parsed last.
    #[inline]
    fn command(&mut self, place: &Place, bytes: &[u8]) {
        let args = self.parser.args(bytes);
        if args.len() == 0 {
            return;
        }
        self.batch.commands += 1;
        let out = &mut self.batch.out;
        let Some(spec) = self.lookup.find(args.get(0)) else {
            return unknown(out, args);
        };
        if !spec.takes(args.len()) {
            return wrong_number(out, spec);
        }
        match spec.scope {
            Scope::Connection => match spec.verb {
                Verb::Quit => {
                    reply::ok(out);
                    self.closing = true;
                }
                _ => about::answer(spec, args, place, (&mut self.client, out)),
            },
            _ if has_long_key(spec, args, place.limits.key_bytes) => {
                let text = format!("ERR a key is longer than {} bytes", place.limits.key_bytes);
                reply::error(out, text.as_bytes());
            }
            _ if spec.verb == Verb::Mset && args.len() % 2 == 0 => wrong_number(out, spec),
            _ if spec.verb == Verb::Flush && !is_flush(args) => reply::error(out, SYNTAX),
            _ => self.batch.command(place, spec, args, self.client.protocol),
        }
    }

    fn refuse(&mut self, broken: &Broken) {
        let out = &mut self.batch.out;
        match broken {
            Broken::Protocol(words) => {
                reply::error(out, format!("ERR Protocol error: {words}").as_bytes());
            }
            Broken::Expected(got) => {
                let mut text = b"ERR Protocol error: expected '$', got '".to_vec();
                text.extend([*got, b'\'']);
                reply::error(out, &text);
            }
            // Redis says nothing either.
            Broken::TooLong => {}
        }
        self.closing = true;
    }
}

/// Whether a command names a key of more than so many bytes.
#[inline]
fn has_long_key(spec: &Spec, args: Args<'_>, most: usize) -> bool {
    match spec.scope {
        Scope::Key => args.get(1).len() > most,
        Scope::Keys => args.rest(1).step_by(spec.keys.2 as usize).any(|key| key.len() > most),
        Scope::All | Scope::Connection => false,
    }
}

fn is_flush(args: Args<'_>) -> bool {
    let is_how =
        |how: &[u8]| how.eq_ignore_ascii_case(b"sync") || how.eq_ignore_ascii_case(b"async");
    args.len() == 1 || args.len() == 2 && is_how(args.get(1))
}

/// A command has another number of arguments.
pub(super) fn wrong_number(out: &mut Vec<u8>, spec: &Spec) {
    let text = format!("ERR wrong number of arguments for '{}' command", spec.name);
    reply::error(out, text.as_bytes());
}

/// How much of a name, and of all arguments, an error shows.
const SHOWN_BYTES: usize = 128;

fn unknown(out: &mut Vec<u8>, args: Args<'_>) {
    let name = args.get(0);
    let mut text = b"ERR unknown command '".to_vec();
    text.extend_from_slice(&name[..name.len().min(SHOWN_BYTES)]);
    text.extend_from_slice(b"', with args beginning with: ");
    let begin = text.len();
    for arg in args.rest(1) {
        let Some(room) = SHOWN_BYTES.checked_sub(text.len() - begin).filter(|room| *room > 0)
        else {
            break;
        };
        text.push(b'\'');
        text.extend_from_slice(&arg[..arg.len().min(room)]);
        text.extend_from_slice(b"' ");
    }
    reply::error(out, &text);
}

#[cfg(test)]
mod tests;
