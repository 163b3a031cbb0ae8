//! The list is consistent, and building says what is the matter.

use super::*;

#[test]
fn names_are_unique_and_each_has_a_crate() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all: Vec<&Peer> = PEERS.iter().chain(TUNED).collect();
    for (index, peer) in all.iter().enumerate() {
        assert!(all[..index].iter().all(|other| other.name != peer.name));
        let crate_of = directory.join("peers").join(peer.package);
        let begins = match peer.language {
            Language::Rust => crate_of.join("Cargo.toml"),
            Language::C(_) => crate_of.join("src/main.c"),
        };
        assert!(begins.exists(), "{}", begins.display());
    }
}

#[test]
fn ours_and_the_limit_know_their_variants() {
    use annulus_bench::{WORKLOADS, limit, ours};
    for peer in PEERS.iter().chain(TUNED).filter(|peer| !peer.variant.is_empty()) {
        let knows = match peer.package {
            driver::OURS => ours::knows,
            "limit" => limit::knows,
            _ => continue,
        };
        // A setting that is asked for by name is one of echoing.
        let only = if peer.only.is_empty() { LONELY } else { peer.only };
        for asked in only {
            let workload = WORKLOADS.iter().find(|workload| workload.name == *asked).unwrap();
            assert!(knows(workload.family, peer.variant), "{}: {asked}", peer.name);
        }
    }
}

#[test]
fn a_program_in_c_needs_a_compiler_a_library_and_sources_that_build() {
    let directory = tempfile::tempdir().unwrap();
    let (sources, program) = (directory.path(), directory.path().join("program"));
    let build = |compiler, library| compile_c(compiler, sources, library, &program);
    let error = build("no-such-compiler", "liburing").unwrap_err();
    assert_eq!(error.to_string(), "there is no no-such-compiler");
    if Command::new("cc").arg("--version").output().is_err() {
        return;
    }
    let error = build("cc", "libnosuch").unwrap_err();
    assert_eq!(error.to_string(), "libnosuch-dev is not installed");
    std::fs::write(sources.join("main.c"), "int main(void) { return 3; }").unwrap();
    std::fs::write(sources.join("notes.txt"), "not C").unwrap();
    build("cc", "pthread").unwrap();
    assert_eq!(Command::new(&program).status().unwrap().code(), Some(3));
    std::fs::write(sources.join("more.c"), "#error not yet").unwrap();
    build("cc", "pthread").unwrap_err();
}

#[test]
fn a_crate_that_does_not_build_is_an_error_and_so_is_a_program_that_is_not_there() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    compile(directory, "no-such-peer").unwrap_err();
    let nobody = peer("no-such-peer", "");
    let error = program_of(&nobody, directory, false).unwrap_err();
    assert_eq!(error.to_string(), "it was not built before");
    assert!(programs(&[&nobody], false).is_err(), "there is nobody else");
}

#[test]
fn settings_run_where_they_are_asked_for() {
    let names = |asked: &[&str]| {
        let asked: Vec<String> = asked.iter().map(|&name| name.to_owned()).collect();
        named(&asked).map(|peers| peers.iter().map(|peer| peer.name).collect::<Vec<_>>())
    };
    assert_eq!(names(&[]).unwrap().len(), PEERS.len());
    assert_eq!(names(&["annulus-plain", "annulus"]).unwrap(), ["annulus", "annulus-plain"]);
    let error = names(&["annulus-plane"]).unwrap_err().to_string();
    assert!(error.contains("annulus-plane") && error.contains("ringline"), "{error}");
}

#[test]
fn versions_are_read_from_the_lock_file() {
    let locked = "[[package]]\nname = \"tokio\"\nversion = \"1.2.3\"\n";
    assert_eq!(version(locked, "tokio"), "1.2.3");
    assert_eq!(version(locked, "tok"), "");
}

#[test]
fn the_program_is_found_in_what_cargo_says() {
    let messages = "{\"executable\":null}\n{\"reason\":\"x\"}\n{\"executable\":\"/t/peer\"}\n";
    assert_eq!(executable(messages), Some("/t/peer".into()));
    assert_eq!(executable("{}"), None);
}
