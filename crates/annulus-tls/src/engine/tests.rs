//! Two engines, and bytes that are carried from one to the other.

use std::sync::Arc;

use rustls::crypto::{CipherSuiteCommon, CryptoProvider};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    CipherSuite, ClientConfig, RootCertStore, ServerConfig, SupportedCipherSuite, Tls13CipherSuite,
};

use super::*;
use crate::provider::provider;

/// What a record of TLS 1.3 has besides its data.
const AROUND_BYTES: usize = 22;

/// A provider of one cipher of TLS 1.3, whose keys are good for so many records.
fn limited(records: u64) -> CryptoProvider {
    let whole = provider();
    let found = whole.cipher_suites.iter().find_map(|suite| match suite {
        SupportedCipherSuite::Tls13(suite)
            if suite.common.suite == CipherSuite::TLS13_AES_128_GCM_SHA256 =>
        {
            Some(*suite)
        }
        _ => None,
    });
    let suite = found.expect("ring has it");
    let common = CipherSuiteCommon {
        suite: suite.common.suite,
        hash_provider: suite.common.hash_provider,
        confidentiality_limit: records,
    };
    let (hkdf_provider, aead_alg) = (suite.hkdf_provider, suite.aead_alg);
    let suite = Tls13CipherSuite { common, hkdf_provider, aead_alg, quic: None };
    let cipher_suites = vec![SupportedCipherSuite::Tls13(Box::leak(Box::new(suite)))];
    CryptoProvider { cipher_suites, ..(*whole).clone() }
}

/// A client and a server that have shaken hands.
fn shaken(provider: CryptoProvider) -> (Engine, Engine) {
    let provider = Arc::new(provider);
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(chain[0].clone()).unwrap();
    let config = ServerConfig::builder_with_provider(provider.clone());
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let server =
        UnbufferedServerConnection::new(config.with_single_cert(chain, key).unwrap().into());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let client = UnbufferedClientConnection::new(config.into(), name);
    let mut client = Engine::new(Side::Client(client.unwrap()));
    let mut server = Engine::new(Side::Server(server.unwrap()));
    client.start();
    while client.is_handshaking() || server.is_handshaking() {
        carry(&mut client, &mut server);
        carry(&mut server, &mut client);
    }
    (client, server)
}

fn carry(from: &mut Engine, to: &mut Engine) {
    let bytes = from.outgoing().to_vec();
    from.outgoing_sent();
    to.receive(Lease::from(bytes));
    assert_eq!(to.error(), None);
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 251) as u8 ^ (n / 251) as u8).collect()
}

#[test]
fn keys_are_renewed_before_they_are_used_up_and_no_byte_changes() {
    for len in [1, 1000, 16_384, 16_385, 50_000] {
        let (mut client, mut server) = shaken(limited(8));
        let mut records = Vec::new();
        let mut all = 0;
        for _ in 0..30 {
            client.encrypt(&pattern(len), &mut records).unwrap();
            all += records.len();
            server.receive(Lease::from(records.clone()));
            assert_eq!(server.error(), None);
            let plain = server.plain().take().expect("a record came");
            assert!(*plain == pattern(len), "{len} bytes came changed");
        }
        let pieces = len.div_ceil(RECORD_BYTES);
        assert!(all > 30 * (len + pieces * AROUND_BYTES), "new keys were sent");
    }
}

/// The default provider with one of its suites.
fn only(suite: CipherSuite) -> CryptoProvider {
    let whole = provider();
    let is_it = |found: &&SupportedCipherSuite| found.suite() == suite;
    let cipher_suites = whole.cipher_suites.iter().filter(is_it).copied().collect();
    CryptoProvider { cipher_suites, ..(*whole).clone() }
}

#[test]
fn records_of_either_version_are_encrypted_where_they_are_sent_from() {
    for (suite, around) in [
        (CipherSuite::TLS13_AES_128_GCM_SHA256, 22),
        (CipherSuite::TLS13_CHACHA20_POLY1305_SHA256, 22),
        (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, 29),
        (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, 29),
        (CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, 21),
    ] {
        let (mut client, mut server) = shaken(only(suite));
        for len in [1, 16_384, 50_000] {
            let (mut room, mut written) = ([0; ROOM_BYTES], None);
            let sealing = Sealing::begin(Vec::new());
            let plain = pattern(len);
            let write = |traffic: &mut dyn Encrypt| {
                written = traffic.encrypt(&plain, &mut room).ok();
            };
            client.until_traffic(write).unwrap();
            let (records, count) = sealing.end();
            assert_eq!(count, len.div_ceil(RECORD_BYTES), "{suite:?}");
            assert_eq!(written, Some(count * HEAD_BYTES), "rustls has the heads alone");
            assert_eq!(records.len(), len + count * around, "{suite:?}");
            server.receive(Lease::from(records));
            assert_eq!(server.error(), None, "{suite:?}");
            assert!(*server.plain().take().expect("a record came") == plain, "{suite:?}");
        }
        // What the other side of rustls makes of it, and an alert, which rustls queues.
        let mut records = Vec::new();
        client.close(&mut records).unwrap();
        server.receive(Lease::from(records));
        assert_eq!(server.error(), None, "{suite:?}");
    }
}

#[test]
fn plaintext_stays_in_the_buffer_that_was_received_into() {
    let (mut client, mut server) = shaken((*provider()).clone());
    for len in [1, 64, 16_384, 60_000] {
        let mut records = Vec::new();
        client.encrypt(&pattern(len), &mut records).unwrap();
        let memory = records.as_ptr_range();
        server.receive(Lease::from(records));
        let plain = server.plain().next().expect("a record came");
        assert!(*plain == pattern(len));
        assert!(memory.contains(&plain.as_ptr()), "it was not copied");
        assert!(server.plain().is_empty(), "records that came together are read together");
    }
}

#[test]
fn a_record_in_pieces_is_put_together_and_the_next_stays_where_it_is() {
    let (mut client, mut server) = shaken((*provider()).clone());
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for cut in [1, 4, 5, 6, 3000, 9000] {
        client.encrypt(&pattern(10_000), &mut first).unwrap();
        client.encrypt(&pattern(500), &mut second).unwrap();
        server.receive(Lease::from(first[..cut].to_vec()));
        assert!(server.plain().is_empty());
        let rest = [&first[cut..], &second].concat();
        let memory = rest.as_ptr_range();
        server.receive(Lease::from(rest));
        assert!(*server.plain().next().expect("the first") == pattern(10_000), "cut at {cut}");
        let next = server.plain().next().expect("the second");
        assert!(*next == pattern(500) && memory.contains(&next.as_ptr()), "cut at {cut}");
    }
}

#[test]
fn what_came_before_garbage_is_read_and_garbage_is_not() {
    let (mut client, mut server) = shaken((*provider()).clone());
    let mut records = Vec::new();
    client.encrypt(b"before", &mut records).unwrap();
    let mut all = records.clone();
    client.encrypt(b"forged", &mut records).unwrap();
    let last = records.len() - 1;
    records[last] ^= 1;
    all.extend_from_slice(&records);
    server.receive(Lease::from(all));
    assert_eq!(server.error(), Some(&Error::DecryptError));
    assert_eq!(server.plain().take().as_deref(), Some(&b"before"[..]));
    assert_eq!(server.encrypt(b"after", &mut records), Err(Error::DecryptError));
}

#[test]
fn how_much_a_record_lacks_is_told_by_its_head() {
    assert_eq!(missing(&[23, 3, 3, 0, 10], &[0; 30]), 10);
    assert_eq!(missing(&[23, 3], &[3, 0, 10, 1, 2]), 5, "as many as there are");
    assert_eq!(missing(&[23], &[3, 3]), 2, "its length has not come");
    assert_eq!(missing(&[22, 3, 3, 0, 1, 9], &[0; 30]), 30, "it is whole, and more is wanted");
}
