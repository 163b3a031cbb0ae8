//! Tests of request targets.

use std::path::Component;

use proptest::prelude::*;

use super::*;

fn path(target: &str) -> Result<String, Refusal> {
    Target::parse(target).map(|target| {
        let slash = if target.is_directory() { "/" } else { "" };
        format!("{}{slash}", target.path().to_str().unwrap())
    })
}

#[test]
fn targets_become_relative_paths() {
    for (target, expected) in [
        ("/", "./"),
        ("//", "./"),
        ("/a", "a"),
        ("/a/", "a/"),
        ("/a/b.txt?x=/../y", "a/b.txt"),
        ("/a//b", "a/b"),
        ("//host/a", "host/a"),
        ("/a/./b/.", "a/b/"),
        ("/a/../b", "b"),
        ("/a/..", "./"),
        ("/a/b/%2e%2E/c", "a/c"),
        ("/%2e/a", "a"),
        ("/a%20b", "a b"),
        ("/a+b", "a+b"),
        ("/...", "..."),
        ("/a/..b", "a/..b"),
        ("/%252e%252e/a", "%2e%2e/a"),
        ("/a\\..\\b", "a\\..\\b"),
        ("/caf%C3%A9", "café"),
        ("/café", "café"),
        ("http://host/a/b", "a/b"),
        ("HTTPS://host:8080/a/", "a/"),
        ("http://host", "./"),
        ("http://host?x", "./"),
        ("http://host/http://other/x", "http:/other/x"),
    ] {
        assert_eq!(path(target).as_deref(), Ok(expected), "{target}");
    }
}

#[test]
fn targets_that_name_nothing_are_refused() {
    for (target, expected) in [
        ("", Refusal::Form),
        ("*", Refusal::Form),
        ("a", Refusal::Form),
        ("host:80", Refusal::Form),
        ("ftp://host/a", Refusal::Form),
        ("http:///a", Refusal::Form),
        ("http://", Refusal::Form),
        ("/a#b", Refusal::Form),
        ("/..", Refusal::AboveRoot),
        ("/../etc/passwd", Refusal::AboveRoot),
        ("/a/../../b", Refusal::AboveRoot),
        ("/%2e%2e/a", Refusal::AboveRoot),
        ("/.%2E/a", Refusal::AboveRoot),
        ("/a/%2e./..", Refusal::AboveRoot),
        ("http://host/..", Refusal::AboveRoot),
        ("/%", Refusal::Escape),
        ("/%4", Refusal::Escape),
        ("/%4/a", Refusal::Escape),
        ("/%zz", Refusal::Escape),
        ("/%+1", Refusal::Escape),
        ("/%u002e", Refusal::Escape),
        ("/a%00.txt", Refusal::Nul),
        ("/a%2Fb", Refusal::EncodedSlash),
        ("/..%2f..%2fetc/passwd", Refusal::EncodedSlash),
        ("/%2f%2fhost", Refusal::EncodedSlash),
    ] {
        assert_eq!(path(target), Err(expected), "{target}");
    }
}

#[test]
fn a_name_that_is_not_utf_8_is_kept_byte_for_byte() {
    let target = Target::parse("/%FFx").unwrap();
    assert_eq!(target.path().as_os_str().as_bytes(), b"\xFFx");
    assert_eq!(target.location(), "/%FFx/");
}

#[test]
fn a_location_keeps_the_query_and_never_names_another_host() {
    for (target, expected) in [
        ("/a", "/a/"),
        ("//evil.example", "/evil.example/"),
        ("//evil.example/..%5c", "/evil.example/..%5C/"),
        ("/a b", "/a%20b/"),
        ("/a?b=c&d", "/a/?b=c&d"),
        ("/a?\"<é>", "/a/?%22%3C%C3%A9%3E"),
        ("http://evil.example//x", "/x/"),
        ("/%5cevil.example", "/%5Cevil.example/"),
        ("/a%0d%0aSet-Cookie:x", "/a%0D%0ASet-Cookie%3Ax/"),
    ] {
        assert_eq!(Target::parse(target).unwrap().location(), expected, "{target}");
    }
}

#[test]
fn the_child_of_a_directory_is_beneath_it() {
    assert_eq!(Target::parse("/").unwrap().child("index.html"), Path::new("index.html"));
    assert_eq!(Target::parse("/a/").unwrap().child("index.html"), Path::new("a/index.html"));
}

/// Text made of the pieces that matter to a path, so that random targets are interesting.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "/", "/", ".", "..", "%2e", "%2E", "%2f", "%5c", "\\", "%00", "%", "%%", "a", "b",
        "%61", "?", "#", "é", "%ff", "://", "http://h", "~", ":",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #[test]
    fn no_target_escapes_the_root(text in nasty()) {
        if let Ok(target) = Target::parse(&text) {
            let path = target.path();
            prop_assert!(!path.as_os_str().as_bytes().contains(&0));
            let plain = path == Path::new(".")
                || path.components().all(|part| matches!(part, Component::Normal(_)));
            prop_assert!(plain, "{:?}", path);
            prop_assert!(!path.as_os_str().as_bytes().ends_with(b"/"));
        }
    }

    #[test]
    fn a_location_leads_to_the_same_path_again(text in nasty()) {
        if let Ok(target) = Target::parse(&text) {
            let location = target.location();
            prop_assert!(location.starts_with('/') && !location.starts_with("//"));
            prop_assert!(location.bytes().all(|byte| (0x21..0x7f).contains(&byte)));
            let again = Target::parse(&location).unwrap();
            prop_assert_eq!(again.path(), target.path());
            prop_assert!(again.is_directory());
        }
    }

    #[test]
    fn every_name_survives_being_linked(name in prop::collection::vec(1u8.., 1..40)) {
        prop_assume!(!name.contains(&b'/') && name != b"." && name != b"..");
        let link = link(&name).to_string();
        prop_assert!(!link.contains(['"', '<', '>', '&', '\'', ':', '?', '#', '/']));
        let text = format!("/{link}");
        let target = Target::parse(&text).unwrap();
        prop_assert_eq!(target.path().as_os_str().as_bytes(), &name[..]);
    }
}
