//! Tests of the arguments.

use clap::Parser;

use super::*;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    serve: Args,
}

fn parse(words: &[&str]) -> Result<Args, clap::Error> {
    let line = Line::try_parse_from(std::iter::once(&"serve").chain(words))?;
    Ok(line.serve)
}

#[test]
fn without_arguments_the_current_directory_is_served_to_this_machine_only() {
    let args = parse(&[]).unwrap();
    assert_eq!(args.dir, PathBuf::from("."));
    assert_eq!(args.addresses(false), ["127.0.0.1:8080".parse().unwrap()]);
    assert!(args.addresses(true).is_empty(), "what is inherited is enough");
    assert!(!args.list && !args.log && !args.key_log);
    args.config().check().unwrap();
    assert_eq!(args.header_timeout(), Duration::from_secs(10));
    assert_eq!(args.idle_timeout(), Duration::from_secs(60));
    assert_eq!(args.write_timeout(), Duration::from_secs(60));
}

#[test]
fn addresses_are_read_as_people_write_them() {
    for (text, expected) in
        [("8000", "127.0.0.1:8000"), ("0.0.0.0:80", "0.0.0.0:80"), ("[::1]:0", "[::1]:0")]
    {
        assert_eq!(parse(&["--addr", text]).unwrap().addr, [expected.parse().unwrap()], "{text}");
    }
}

#[test]
fn nonsense_is_refused() {
    for words in [
        &["--addr", "127.0.0.1"][..],
        &["--addr", "127.0.0.1:99999"],
        &["--addr", ""],
        &["--cores", "0"],
        &["--cores", "-1"],
        &["--header-timeout", "0"],
        &["--write-timeout", "0"],
        &["--write-timeout", "86401"],
        &["--connections-max", "0"],
        &["--connections-per-peer", "0"],
        &["--connections-per-peer", "many"],
        &["--drain", "-1"],
        &["--metrics", "nowhere"],
        &["--accept", "all"],
        &["--key-log"],
        &["--idle-timeout", "soon"],
        &["--body", "pigeon"],
    ] {
        assert!(parse(words).is_err(), "{words:?}");
    }
}

#[test]
fn several_addresses_are_listened_at() {
    let args = parse(&["--addr", "8000", "--addr", "[::1]:8000"]).unwrap();
    assert_eq!(args.addresses(true).len(), 2);
    assert_eq!(args.addresses(false).len(), 2);
}

#[test]
fn a_drain_of_nothing_is_one() {
    assert_eq!(parse(&["--drain", "0"]).unwrap().operation.drain, 0);
}

#[test]
fn certificates_come_with_their_keys() {
    let args = parse(&["--tls-cert", "a", "--tls-key", "b", "--tls-cert", "c", "--tls-key", "d"]);
    let args = args.unwrap();
    assert_eq!(args.tls_cert, ["a", "c"].map(PathBuf::from));
    assert_eq!(args.tls_key, ["b", "d"].map(PathBuf::from));
    assert!(parse(&["--tls-cert", "a"]).is_err());
    assert!(parse(&["--tls-key", "a"]).is_err());
}

#[test]
fn connections_are_no_more_than_descriptors_suffice_for() {
    assert_eq!(connections_that_fit(524_288, 32, 32), 8171);
    assert_eq!(connections_that_fit(1024, 1, 256), 368);
    assert_eq!(connections_that_fit(16, 4, 4), 1, "one is always tried");
    assert_eq!(connections_that_fit(u64::MAX, 1, 0) as u64, (u64::MAX - 32) / 2);
    let few = parse(&["--connections-max", "1", "--cores", "1"]).unwrap();
    assert_eq!((few.connections_max(), few.too_many()), (1, None));
    let many = parse(&["--connections-max", "1000000", "--cores", "1024"]).unwrap();
    let note = many.too_many();
    assert_eq!(note.is_some(), many.connections_max() < 1_000_000, "it is said");
    assert!(note.is_none_or(|note| note.contains("not 1000000; raise")));
    assert_eq!(parse(&[]).unwrap().too_many(), None, "nobody asked");
}
