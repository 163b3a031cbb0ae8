//! Batches: on one core, and split over two, which must answer the same.

use std::cell::RefCell;
use std::sync::Arc;

use annulus::sync::cross::{Receiver, channel};
use foldhash::fast::RandomState;
use proptest::collection::vec;
use proptest::prelude::*;

use super::super::shards::{Board, Parcel, Place};
use super::super::store::Store;
use super::*;

/// A core of so many, and the inboxes of all.
fn place(index: usize, cores: usize) -> (Place, Vec<Receiver<Box<Parcel>>>) {
    let hasher = RandomState::default();
    let (mail, inboxes) = (0..cores).map(|_| channel(16)).unzip();
    let place = Place {
        index,
        store: RefCell::new(Store::new(hasher.clone())),
        hasher,
        mail,
        board: Arc::new(Board::new(cores, 6379)),
        expiring: annulus::sync::Notify::new(),
        spare: RefCell::default(),
        limits: Limits::DEFAULT,
    };
    (place, inboxes)
}

/// What one core alone answers to bytes that come in pieces which end at `cuts`, and whether it
/// ends the connection.
fn answers(bytes: &[u8], cuts: &[usize]) -> (Vec<u8>, bool) {
    let (place, _inboxes) = place(0, 1);
    let (mut session, mut out) = (Session::new(7, Limits::DEFAULT), Vec::new());
    let mut begin = 0;
    for end in cuts.iter().copied().chain([bytes.len()]) {
        while begin < end && !session.closing {
            match session.take(&place, &bytes[begin..end]) {
                Parsed::Consumed(n) => begin += n,
                Parsed::NeedAtLeast(n) => {
                    assert!(n > end - begin, "it asks for what it has");
                    break;
                }
                Parsed::NeedMore => break,
            }
            session.end_batch(&place);
            out.append(&mut session.batch.out);
        }
    }
    (out, session.closing)
}

fn said(lines: &str) -> String {
    let lines = format!("{lines}\n").replace('\n', "\r\n");
    let (answers, _) = answers(lines.as_bytes(), &[]);
    String::from_utf8(answers).unwrap().replace("\r\n", " ").trim_end().to_owned()
}

#[test]
fn answers_are_the_same_whatever_the_pieces() {
    let bytes = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$3\r\nx\r\n\r\n\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n\
        ping\r\n*0\r\nnonsense 1\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\nquit\r\nget a\r\n";
    let (whole, closing) = answers(bytes, &[]);
    assert!(closing, "QUIT ends the connection");
    let expected = "+OK\r\n$3\r\nx\r\n\r\n+PONG\r\n-ERR unknown command 'nonsense', with args \
                    beginning with: '1' \r\n$-1\r\n+OK\r\n";
    assert_eq!(String::from_utf8_lossy(&whole), expected);
    for cut in 0..bytes.len() {
        assert_eq!(answers(bytes, &[cut]).0, whole, "cut at {cut}");
    }
    let every: Vec<usize> = (0..bytes.len()).collect();
    assert_eq!(answers(bytes, &every).0, whole);
}

#[test]
fn what_breaks_the_protocol_is_said_and_ends_the_connection() {
    for (bytes, words) in [
        ("*x\r\n", "invalid multibulk length"),
        ("ping\r\n*1\r\n$-1\r\nget a\r\n", "invalid bulk length"),
        ("*1\r\n+OK\r\n", "expected '$', got '+'"),
        ("get \"a\r\n", "unbalanced quotes in request"),
    ] {
        let (answers, closing) = answers(bytes.as_bytes(), &[]);
        let text = String::from_utf8(answers).unwrap();
        assert!(text.ends_with(&format!("-ERR Protocol error: {words}\r\n")), "{text}");
        assert!(closing);
    }
}

#[test]
fn a_client_says_which_protocol_it_wants() {
    let hello = "server $5 redis $7 version $6 7.0.15 $5 proto";
    let answer = said("get a\nhello 3\nget a\nhello 2\nget a");
    let (two, three) = answer.split_once(" %7 $6 ").unwrap();
    assert_eq!(two, "$-1");
    let (three, rest) = three.split_once(" *14 $6 ").unwrap();
    assert!(three.starts_with(&format!("{hello} :3 $2 id :7 ")) && three.ends_with("*0 _"));
    assert!(rest.starts_with(&format!("{hello} :2 ")) && rest.ends_with("*0 $-1"), "{rest}");
    assert_eq!(said("hello 4"), "-NOPROTO unsupported protocol version");
    assert_eq!(said("hello x"), "-ERR Protocol version is not an integer or out of range");
    assert_eq!(said("hello 3 setname"), "-ERR Syntax error in HELLO option 'setname'");
    assert!(said("hello 3 auth default x setname me\nclient getname").ends_with("$2 me"));
    assert!(said("hello 3\nreset\nget a").ends_with("+RESET $-1"));
}

#[test]
fn commands_about_the_connection_have_the_words_of_redis() {
    for (line, answer) in [
        ("ping hello", "$5 hello"),
        ("ping a b", "-ERR wrong number of arguments for 'ping' command"),
        ("select 0", "+OK"),
        ("select 1", "-ERR DB index is out of range"),
        ("client id", ":7"),
        ("client getname", "$-1"),
        ("client setname a\nclient getname", "+OK $1 a"),
        ("client setname \"a b\"", CANNOT),
        ("client setinfo lib-name x", "+OK"),
        ("client nothing", "-ERR unknown subcommand 'nothing'. Try CLIENT HELP."),
        ("config get save", "*2 $4 save $0"),
        ("config get sav? datab*", "*4 $9 databases $1 1 $4 save $0"),
        ("auth default x", "+OK"),
        ("auth me x", "-WRONGPASS invalid username-password pair or user is disabled."),
        ("mset a 1 b", "-ERR wrong number of arguments for 'mset' command"),
        ("flushall now", "-ERR syntax error"),
        ("flushall async", "+OK"),
        ("command info get none", GET_AND_NONE),
        ("command docs get", "*0"),
    ] {
        // An empty bulk leaves two spaces.
        assert_eq!(said(line).replace("  ", " "), answer, "{line}");
    }
    assert!(said("command count").starts_with(':'));
    let info = said("set a 1\ninfo server\ninfo keyspace");
    assert!(info.contains("redis_version:7.0.15 ") && info.contains("# Keyspace"), "{info}");
}

const CANNOT: &str = "-ERR Client names cannot contain spaces, newlines or special characters.";
const GET_AND_NONE: &str = "*2 *10 $3 get :2 *2 +readonly +fast :1 :1 :1 *0 *0 *0 *0 *-1";

/// Two cores, of which the first has a connection: what it answers.
fn of_two_cores(lines: &str) -> String {
    let ((near, near_in), (far, mut far_in)) = (place(0, 2), place(1, 2));
    drop(near_in);
    // Keys must be where both say.
    let store = Store::new(near.hasher.clone()).into();
    let far = Place { hasher: near.hasher.clone(), store, ..far };
    let near = Place { mail: far.mail.clone(), ..near };
    let runtime = annulus::runtime::Runtime::new().unwrap();
    let bytes = lines.replace('\n', "\r\n");
    let mut out = Vec::new();
    runtime.block_on(async {
        let inbox = far_in.remove(1);
        let other = annulus::spawn(async move { super::super::shards::serve(&far, inbox).await });
        let mut session = Session::new(1, Limits::DEFAULT);
        let mut rest = bytes.as_bytes();
        while let Parsed::Consumed(n @ 1..) = session.take(&near, rest) {
            rest = &rest[n..];
            while session.batch.has_gaps() {
                out.append(&mut session.batch.portion(&near).await.unwrap());
            }
            session.end_batch(&near);
            out.append(&mut session.batch.out);
        }
        assert!(rest.is_empty());
        other.abort();
    });
    String::from_utf8(out).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is split over two shards is answered as by one.
    #[test]
    fn two_shards_answer_as_one_does(
        commands in vec((prop::sample::select(SPLIT.to_vec()), vec(0..8_u8, 8)), 1..40),
    ) {
        let lines: String = commands.iter().map(|(shape, keys)| {
            let mut keys = keys.iter();
            let words = shape.split(' ').map(|word| match word {
                "K" => format!("key:{}", keys.next().unwrap()),
                "V" => format!("{}", keys.next().unwrap()),
                word => word.to_owned(),
            });
            words.collect::<Vec<_>>().join(" ") + "\n"
        }).collect();
        let (one, _) = answers(lines.replace('\n', "\r\n").as_bytes(), &[]);
        prop_assert_eq!(of_two_cores(&lines), String::from_utf8(one).unwrap());
    }
}

/// Commands for `K`eys and `V`alues.
const SPLIT: &[&str] = &[
    "get K",
    "set K V",
    "set K V nx get",
    "incr K",
    "append K V",
    "del K K K",
    "exists K K K K",
    "unlink K",
    "mget K K K K",
    "mset K V K V K V",
    "expire K 100",
    "persist K",
    "getdel K",
    "dbsize",
    "flushall",
    "ping",
    "get",
    "incrby K x",
    "nonsense",
];
