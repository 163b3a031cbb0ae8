//! Addresses there and back.

use super::*;

fn there_and_back(text: &str) {
    let address: SocketAddr = text.parse().unwrap();
    let kernel = SocketAddress::from(address);
    assert_eq!(SocketAddr::try_from(&kernel).unwrap(), address);
    assert_eq!(kernel.to_string(), text);
    assert_eq!(kernel, SocketAddress::from(address));
}

#[test]
fn ip_addresses_survive() {
    there_and_back("127.0.0.1:80");
    there_and_back("255.254.253.252:65535");
    there_and_back("[::1]:443");
    there_and_back("[fe80::1%3]:9");
}

#[test]
fn the_bytes_are_in_network_order() {
    let kernel = SocketAddress::from("1.2.3.4:258".parse::<SocketAddr>().unwrap());
    assert_eq!(kernel.family(), libc::AF_INET);
    assert_eq!(&kernel.bytes()[2..8], [1, 2, 1, 2, 3, 4]);
    assert_eq!(kernel.len() as usize, size_of::<libc::sockaddr_in>());
}

#[test]
fn unix_paths_survive_up_to_their_limit() {
    let longest = "x".repeat(107);
    for path in ["/run/a.sock", &longest] {
        let kernel = SocketAddress::unix(path).unwrap();
        assert_eq!(kernel.path(), Some(Path::new(path)));
        assert_eq!(kernel.len() as usize, 2 + path.len() + 1);
        let std = unix::SocketAddr::try_from(&kernel).unwrap();
        assert_eq!(SocketAddress::try_from(&std).unwrap(), kernel);
    }
    for path in ["", "a\0b", &"x".repeat(108)] {
        let error = SocketAddress::unix(path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}

#[test]
fn abstract_names_and_unnamed_addresses_survive() {
    let named = SocketAddress::unix_abstract(b"a\0b").unwrap();
    assert_eq!(named.abstract_name(), Some(&b"a\0b"[..]));
    assert_eq!((named.path(), named.is_unnamed()), (None, false));
    assert_eq!(named.to_string(), "@a\\x00b");
    let std = unix::SocketAddr::try_from(&named).unwrap();
    assert_eq!(SocketAddress::try_from(&std).unwrap(), named);
    assert!(SocketAddress::unix_abstract(&[1; 107]).is_ok());
    assert!(SocketAddress::unix_abstract(&[1; 108]).is_err());

    let unnamed = SocketAddress::unix_unnamed();
    assert!(unnamed.is_unnamed() && unnamed.abstract_name().is_none());
    assert!(unix::SocketAddr::try_from(&unnamed).unwrap().is_unnamed());
}

#[test]
fn an_address_of_another_family_is_not_an_ip_address() {
    let error = SocketAddr::try_from(SocketAddress::unix_unnamed()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(SocketAddress::empty().ip(), None);
}
