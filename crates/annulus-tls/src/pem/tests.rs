//! Texts that are not what they should be, and which line is blamed.

use proptest::prelude::*;

use super::*;

fn certificate_error(text: &str) -> String {
    certificates(text.as_bytes()).expect_err("it cannot be used").to_string()
}

fn key_error(text: &str) -> String {
    key(text.as_bytes()).expect_err("it cannot be used").to_string()
}

#[test]
fn a_text_without_sections_has_no_certificate_and_no_key() {
    assert!(certificate_error("").starts_with("no certificate"));
    assert!(certificate_error("hello\n-----END CERTIFICATE-----\n").starts_with("no certificate"));
    assert!(
        key_error("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----")
            .starts_with("no private key")
    );
}

#[test]
fn a_section_without_an_end_is_named_with_its_line() {
    let open = "text\n-----BEGIN CERTIFICATE-----\nAAAA\n";
    assert_eq!(
        certificate_error(open),
        "line 2: this section has no line `-----END CERTIFICATE-----`"
    );
    let wrong = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(key_error(wrong).starts_with("line 1: "));
    let nested = "-----BEGIN PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\n";
    assert!(key_error(nested).starts_with("line 1: "));
}

#[test]
fn what_is_not_base64_is_named_with_its_line() {
    let text = "-----BEGIN CERTIFICATE-----\nAAAA\nAA?A\n-----END CERTIFICATE-----\n";
    assert_eq!(certificate_error(text), "line 3: this is not base64");
    let cut = "\n-----BEGIN PRIVATE KEY-----\nAAAAA\n-----END PRIVATE KEY-----\n";
    assert_eq!(key_error(cut), "line 2: this is not base64");
}

#[test]
fn an_encrypted_key_says_how_to_decrypt_it() {
    let new = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    assert!(key_error(new).contains("openssl pkey"), "{}", key_error(new));
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\nAAAA\n\
               -----END RSA PRIVATE KEY-----\n";
    assert!(key_error(old).contains("openssl pkey"), "{}", key_error(old));
}

#[test]
fn a_second_key_is_refused_with_its_line() {
    let one = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert_eq!(key_error(&[one, one].concat()), "line 4: a second private key: there may be one");
}

#[test]
fn text_around_sections_and_other_line_ends_do_not_matter() {
    let text = "subject=x\r\n-----BEGIN CERTIFICATE-----\r\nAAAA\r\n-----END CERTIFICATE-----\r\n";
    let found = certificates(text.as_bytes()).expect("there is one");
    assert_eq!((found.len(), found[0].0, found[0].1.len()), (1, 2, 3));
}

/// Lines that mean something, and some that do not.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("-----BEGIN CERTIFICATE-----\n".to_owned()),
        Just("-----END CERTIFICATE-----\n".to_owned()),
        Just("-----BEGIN PRIVATE KEY-----\r\n".to_owned()),
        Just("-----END PRIVATE KEY-----".to_owned()),
        Just("AAAA\n".to_owned()),
        "[ -~\\n]{0,40}",
    ]
}

proptest! {
    #[test]
    fn whatever_the_lines_are_an_error_names_one_of_them(
        lines in prop::collection::vec(line(), 0..20),
    ) {
        let text = lines.concat();
        let count = text.lines().count();
        for error in [certificates(text.as_bytes()).err(), key(text.as_bytes()).err()] {
            if let Some(line) = error.and_then(|error| error.line()) {
                prop_assert!((1..=count).contains(&line), "line {line} of {count}");
            }
        }
    }
}
