//! Tests of claims and warnings.

use super::*;

#[test]
fn a_free_port_is_chosen_and_can_be_listened_at() {
    let listens = || {
        let address = claim(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        assert_ne!(address.port(), 0);
        TcpListener::bind(address).is_ok()
    };
    // Somebody else may be given the same port in between, but not again and again.
    assert!((0..10).any(|_| listens()));
}

#[test]
fn an_address_in_use_is_a_clear_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let message = claim(taken.local_addr().unwrap()).unwrap_err();
    assert!(message.to_string().contains("another program listens there"), "{message}");
}

#[test]
fn a_foreign_address_is_a_clear_error() {
    let message = claim("192.0.2.1:0".parse().unwrap()).unwrap_err().to_string();
    assert!(message.to_string().contains("does not have that address"), "{message}");
}

#[test]
fn few_descriptors_are_worth_a_warning() {
    assert!(warning(1024).unwrap().contains("1024"));
    assert_eq!(warning(1 << 20), None);
}

#[test]
fn a_server_that_launches_where_another_listens_says_so() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let source = io::Error::from_raw_os_error(libc::EADDRINUSE);
    let said = in_words(Error::Bind { at: Bound::Tcp(taken), source }).to_string();
    assert!(said.starts_with(&format!("cannot listen at {taken}: another program")), "{said}");
}
