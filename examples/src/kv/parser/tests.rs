//! Commands, garbage and limits, in pieces that end anywhere.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

impl Default for Parser {
    fn default() -> Self {
        Self::new(Limits::DEFAULT)
    }
}

fn encode(args: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        bytes.extend(format!("${}\r\n", arg.len()).into_bytes());
        bytes.extend(arg);
        bytes.extend(b"\r\n");
    }
    bytes
}

fn owned(parser: &Parser, bytes: &[u8]) -> Vec<Vec<u8>> {
    parser.args(bytes).rest(0).map(<[u8]>::to_vec).collect()
}

/// Parses as a connection does that receives `bytes` in pieces which end at `cuts`.
fn parse_in_pieces(bytes: &[u8], cuts: &[usize]) -> Result<Vec<Vec<Vec<u8>>>, Broken> {
    let (mut parser, mut commands) = (Parser::default(), Vec::new());
    let mut begin = 0;
    for end in cuts.iter().copied().chain([bytes.len()]) {
        loop {
            let there = &bytes[begin..end];
            match parser.parse(there)? {
                Step::Command(len) => {
                    assert!(0 < len && len <= there.len());
                    commands.push(owned(&parser, there));
                    begin += len;
                }
                Step::NeedAtLeast(wanted) => {
                    assert!(wanted > there.len(), "it asks for what it has");
                    break;
                }
            }
        }
    }
    assert_eq!(begin, bytes.len(), "a whole command is left");
    Ok(commands)
}

#[test]
fn commands_are_found_whatever_the_pieces() {
    let commands: Vec<Vec<Vec<u8>>> = vec![
        vec![b"GET".to_vec(), b"key:000000000001".to_vec()],
        vec![b"SET".to_vec(), Vec::new(), b"\r\n$3\r\n*1\r\n".to_vec()],
        vec![vec![b'x'; 130]],
    ];
    let mut bytes: Vec<u8> = commands.iter().flat_map(|args| encode(args)).collect();
    bytes.extend(b"echo \"a b\"\r\n");
    let mut expected = commands.clone();
    expected.push(vec![b"echo".to_vec(), b"a b".to_vec()]);
    for cut in 0..bytes.len() {
        assert_eq!(parse_in_pieces(&bytes, &[cut]).unwrap(), expected, "cut at {cut}");
    }
    let every: Vec<usize> = (0..bytes.len()).collect();
    assert_eq!(parse_in_pieces(&bytes, &every).unwrap(), expected);
}

#[test]
fn a_command_without_arguments_is_skipped() {
    for nothing in ["*0\r\n", "*-1\r\n", "\r\n", "\n", "   \r\n"] {
        let mut parser = Parser::default();
        assert_eq!(parser.parse(nothing.as_bytes()), Ok(Step::Command(nothing.len())));
        assert_eq!(parser.args(nothing.as_bytes()).len(), 0);
    }
}

#[test]
fn what_breaks_the_protocol_is_said_as_redis_says_it() {
    let protocol = |words| Err(Broken::Protocol(words));
    let long = |first: &str| [first.as_bytes(), &[b'1'; LINE_BYTES_MAX + 1]].concat();
    let cases: Vec<(Vec<u8>, Result<Step, Broken>)> = vec![
        (b"*x\r\n".to_vec(), protocol("invalid multibulk length")),
        (b"*03\r\n".to_vec(), protocol("invalid multibulk length")),
        (b"*1048577\r\n".to_vec(), protocol("invalid multibulk length")),
        (b"*1\r\n$-1\r\n".to_vec(), protocol("invalid bulk length")),
        (b"*1\r\n$536870913\r\n".to_vec(), protocol("invalid bulk length")),
        (b"*1\r\n$abc\r\n".to_vec(), protocol("invalid bulk length")),
        (b"*1\r\n:1\r\n".to_vec(), Err(Broken::Expected(b':'))),
        (b"get 'a\r\n".to_vec(), protocol("unbalanced quotes in request")),
        (long("*"), protocol("too big mbulk count string")),
        (long("*1\r\n$"), protocol("too big bulk count string")),
        (long("g"), protocol("too big inline request")),
    ];
    for (bytes, expected) in cases {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        assert_eq!(Parser::default().parse(&bytes), expected, "{shown}");
    }
}

#[test]
fn the_largest_argument_is_waited_for_and_a_command_has_a_bound() {
    let head = format!("*1\r\n${}\r\n", Limits::DEFAULT.arg_bytes);
    let wanted = head.len() + Limits::DEFAULT.arg_bytes + 2;
    assert_eq!(Parser::default().parse(head.as_bytes()), Ok(Step::NeedAtLeast(wanted)));
    // As if nearly as much had come already as may.
    let mut parser =
        Parser { missing: Some(1), at: Limits::DEFAULT.command_bytes - 1, ..Parser::default() };
    parser.bulk = Some(2);
    assert_eq!(parser.parse(b""), Err(Broken::TooLong));
}

#[test]
fn the_limits_are_those_that_it_was_told() {
    let limits = Limits { arg_bytes: 10, key_bytes: 5, args: 3, command_bytes: 40 };
    let parse = |bytes: &[u8]| Parser::new(limits).parse(bytes);
    assert_eq!(parse(b"*3\r\n$10\r\n"), Ok(Step::NeedAtLeast(21)));
    assert_eq!(parse(b"*4\r\n"), Err(Broken::Protocol("invalid multibulk length")));
    assert_eq!(parse(b"*3\r\n$11\r\n"), Err(Broken::Protocol("invalid bulk length")));
    let long = b"*3\r\n$10\r\n0123456789\r\n$10\r\n0123456789\r\n$10\r\n";
    assert_eq!(parse(long), Err(Broken::TooLong));
}

#[test]
fn a_line_that_comes_byte_by_byte_is_looked_at_once() {
    for (begin, last) in [("get ", "\n"), ("*", "\r\n"), ("*1\r\n$", "\r\n")] {
        let mut parser = Parser::default();
        let mut bytes = begin.as_bytes().to_vec();
        for _ in 0..60_000 {
            bytes.push(b'1');
            assert_eq!(parser.parse(&bytes), Ok(Step::NeedAtLeast(bytes.len() + 1)));
            // The next look begins where this one has ended.
            assert_eq!(parser.looked, bytes.len(), "{begin}");
        }
        bytes.extend(last.as_bytes());
        let ended = parser.parse(&bytes);
        assert_eq!(parser.looked, 0, "{begin}");
        assert_eq!(ended.is_ok(), begin == "get ", "{ended:?}");
    }
}

proptest! {
    #[test]
    fn any_commands_come_out_of_any_pieces(
        commands in vec(vec(vec(any::<u8>(), 0..40), 1..5), 1..6),
        mut cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let bytes: Vec<u8> = commands.iter().flat_map(|args| encode(args)).collect();
        cuts.sort_by_key(|cut| cut.index(bytes.len()));
        let cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        prop_assert_eq!(parse_in_pieces(&bytes, &cuts).unwrap(), commands);
    }

    #[test]
    fn garbage_is_refused_or_parsed_and_no_byte_of_it_is_outside(
        bytes in vec(
            prop_oneof![any::<u8>(), prop::sample::select(b"*$\r\n0123 '\"".to_vec())],
            0..200,
        ),
    ) {
        let (mut parser, mut rest) = (Parser::default(), &bytes[..]);
        while let Ok(Step::Command(len)) = parser.parse(rest) {
            prop_assert!(0 < len && len <= rest.len());
            let _ = owned(&parser, rest);
            rest = &rest[len..];
        }
    }
}
