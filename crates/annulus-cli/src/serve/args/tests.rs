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
    assert!(args.addr.ip().is_loopback());
    assert!(!args.list && !args.log);
    assert!(args.cores() >= 1);
    assert_eq!(args.header_timeout(), Duration::from_secs(10));
    assert_eq!(args.idle_timeout(), Duration::from_secs(60));
}

#[test]
fn addresses_are_read_as_people_write_them() {
    for (text, expected) in
        [("8000", "127.0.0.1:8000"), ("0.0.0.0:80", "0.0.0.0:80"), ("[::1]:0", "[::1]:0")]
    {
        assert_eq!(parse(&["--addr", text]).unwrap().addr, expected.parse().unwrap(), "{text}");
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
        &["--idle-timeout", "soon"],
        &["--body", "pigeon"],
    ] {
        assert!(parse(words).is_err(), "{words:?}");
    }
}

#[test]
fn the_number_of_cores_is_what_was_asked_for() {
    assert_eq!(parse(&["--cores", "3"]).unwrap().cores(), 3);
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
