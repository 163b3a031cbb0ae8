//! A client of the Redis protocol that keeps answers as they came, and random commands.

use std::io::{self, BufRead, BufReader, Read, Write};

/// A request of these words.
pub fn command<S: AsRef<str>>(words: &[S]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        let word = word.as_ref();
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
    }
    bytes
}

/// Who can be asked.
pub trait Ask {
    /// The answer to a request.
    fn ask(&mut self, request: &[u8]) -> io::Result<Vec<u8>>;
}

pub struct Client<S: Read + Write> {
    stream: BufReader<S>,
}

impl<S: Read + Write> Client<S> {
    pub fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    pub fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(request)
    }

    pub fn ask(&mut self, request: &[u8]) -> io::Result<Vec<u8>> {
        self.send(request)?;
        self.answer()
    }

    /// The next answer, whole.
    pub fn answer(&mut self) -> io::Result<Vec<u8>> {
        let mut answer = Vec::new();
        let mut missing = 1;
        while missing > 0 {
            let begin = answer.len();
            if self.stream.read_until(b'\n', &mut answer)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            missing -= 1;
            let line = std::str::from_utf8(&answer[begin..]).map_err(io::Error::other)?;
            let number = line[1..].trim_end().parse::<i64>();
            let kind = line.as_bytes()[0];
            let number = number.ok().and_then(|number| u64::try_from(number).ok());
            match (kind, number) {
                (b'*' | b'~', Some(len)) => missing += len,
                (b'%', Some(pairs)) => missing += 2 * pairs,
                (b'$' | b'=', Some(len)) => {
                    let taken = (&mut self.stream).take(len + 2).read_to_end(&mut answer)?;
                    assert_eq!(taken as u64, len + 2, "the answer is cut off");
                }
                _ => {}
            }
        }
        Ok(answer)
    }
}

impl<S: Read + Write> Ask for Client<S> {
    fn ask(&mut self, request: &[u8]) -> io::Result<Vec<u8>> {
        Client::ask(self, request)
    }
}

/// Whether an answer is what another server gave a moment before.
pub trait SameEnough {
    fn is_like(&self, other: &Self) -> bool;
}

/// Numbers of this size are times, which differ from one moment to the next. All others differ by
/// nothing.
const LONG: i64 = 100_000;

impl SameEnough for Vec<u8> {
    fn is_like(&self, other: &Self) -> bool {
        let number = |answer: &[u8]| {
            let digits = answer.strip_prefix(b":").and_then(|rest| rest.strip_suffix(b"\r\n"));
            std::str::from_utf8(digits?).ok()?.parse::<i64>().ok()
        };
        self == other
            || match (number(self), number(other)) {
                (Some(one), Some(two)) => one > LONG && two > LONG && one.abs_diff(two) < 60_000,
                _ => false,
            }
    }
}

/// Random commands, the same for the same seed.
pub struct Random(u64);

/// `K`: a key. `V`: a value. `N`: a number or not. `T`: a time far away. `X`: no such time. `O`: an
/// option.
const SHAPES: &[&str] = &[
    "get K",
    "get K",
    "set K V",
    "set K V",
    "set K N",
    "set K V O",
    "set K V O O",
    "set K V ex T",
    "set K V px T get",
    "set K V O ex X",
    "set K V exat X",
    "set K V pxat X nx",
    "setnx K V",
    "setex K T V",
    "psetex K T V",
    "setex K X V",
    "getset K V",
    "getdel K",
    "del K",
    "del K K K",
    "unlink K K",
    "exists K",
    "exists K K K",
    "touch K K",
    "incr K",
    "decr K",
    "incrby K N",
    "decrby K N",
    "mget K",
    "mget K K K",
    "mset K V",
    "mset K V K V K N",
    "mset K V K",
    "expire K T",
    "pexpire K T",
    "expire K X",
    "expire K X O",
    "expire K T O",
    "pexpire K T O O",
    "expireat K T",
    "pexpireat K X",
    "expireat K X O",
    "ttl K",
    "pttl K",
    "expiretime K",
    "pexpiretime K",
    "persist K",
    "append K V",
    "strlen K",
    "getrange K N N",
    "type K",
    "dbsize",
    "flushdb",
    "flushall async",
    "flushall V",
    "ping",
    "ping V",
    "ping V V",
    "echo V",
    "echo",
    "select 0",
    "select N",
    "client getname",
    "client setname K",
    "client setname N",
    "client id V",
    "client V",
    "nothing V V",
    "get",
    "get K K",
    "set K",
    "K",
    "reset K",
    "auth V",
    "auth V V",
    "config get databas?s",
    "config V",
    "command V",
    "hello X",
    "GeT K",
    "time V",
    "hello 3 setname",
];

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "-3",
    "5",
    "10",
    "-100",
    "1000",
    "01",
    "1.5",
    "",
    "abc",
    " 1",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "9223372036854775",
    "-9223372036854775",
];

const NO_TIMES: &[&str] =
    &["0", "-1", "-100", "01", "1.5", "", "abc", "9223372036854775808", "-9223372036854775808"];

const OPTIONS: &[&str] =
    &["nx", "xx", "gt", "lt", "get", "keepttl", "ex", "PX", "NX", "XX", "persist", "other"];

const VALUES: &[&str] =
    &["", "x", "hello", "12", "-7", "a b", "\r\n", "+OK\r\n", "9223372036854775800", "0"];

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % end
    }

    fn one_of(&mut self, words: &[&str]) -> String {
        words[self.below(words.len())].to_owned()
    }

    pub fn command(&mut self) -> Vec<String> {
        let shape = SHAPES[self.below(SHAPES.len())];
        let word = |word: &str| match word {
            "K" => format!("key:{}", self.below(12)),
            "V" => self.one_of(VALUES),
            "N" => self.one_of(NUMBERS),
            "T" => format!("{}", 3_000_000_000_u64 + self.below(1000) as u64),
            "X" => self.one_of(NO_TIMES),
            "O" => self.one_of(OPTIONS),
            word => word.to_owned(),
        };
        shape.split(' ').map(word).collect()
    }
}
