//! What stands for an address, what for a name, and what for neither.

use super::*;

fn name(host: &str, port: u16) -> Destination {
    Destination::Name { host: host.to_owned(), port }
}

#[test]
fn addresses_are_taken_as_they_are() {
    let v4: SocketAddr = "127.0.0.1:80".parse().unwrap();
    let v6: SocketAddr = "[::1]:80".parse().unwrap();
    for same in ["127.0.0.1:80".to_destination(), ([127, 0, 0, 1], 80).to_destination()] {
        assert_eq!(same.unwrap(), Destination::Address(v4));
    }
    assert_eq!(("127.0.0.1", 80).to_address().unwrap(), v4);
    assert_eq!(("::1", 80).to_address().unwrap(), v6);
    assert_eq!("[::1]:80".to_string().to_address().unwrap(), v6);
    assert_eq!(vec![v6].to_address().unwrap(), v6);
    assert_eq!([v4, v6].to_destination().unwrap(), Destination::Addresses(vec![v4, v6]));
}

#[test]
fn names_are_told_from_addresses_that_are_wrong() {
    assert_eq!("localhost:80".to_destination().unwrap(), name("localhost", 80));
    assert_eq!(("a.example", 443).to_destination().unwrap(), name("a.example", 443));
    assert_eq!(("1.example".to_owned(), 1).to_destination().unwrap(), name("1.example", 1));
    let wrong = [
        "",
        ":80",
        "host",
        "host:",
        "host:65536",
        "host:http",
        "1.2.3:80",
        "256.0.0.1:80",
        "::1:80",
        "[::1:80",
        "a b:80",
        "user@host:80",
        "http://host:80",
        "127.0.0.1",
    ];
    for text in wrong {
        let error = text.to_destination().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{text:?}");
    }
    assert!("x".repeat(2000).as_str().to_destination().is_err());
    assert!((&*"x".repeat(2000), 1).to_destination().is_err());
}

#[test]
fn who_wants_one_address_is_told_what_is_wrong() {
    let name = "localhost:80".to_address().unwrap_err().to_string();
    assert!(name.contains("lookup_host"), "{name}");
    let v4: SocketAddr = "127.0.0.1:80".parse().unwrap();
    let two = [v4, v4].to_address().unwrap_err().to_string();
    assert_eq!(two, "2 addresses, where one is wanted");
    assert!(Vec::<SocketAddr>::new().to_address().is_err());
}
