//! What was asked for, and what is read out of cargo's messages.

use std::path::Path;

use super::{Plan, Program, Suite, plan, program};

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn numbers_are_taken_and_others_are_named() {
    assert_eq!(plan(&words("7 3")), Ok(Plan { runs: 7, at_once: 3 }));
    let all = plan(&[]).unwrap();
    assert!(all.runs == 100 && all.at_once >= 2, "{all:?}");
    for line in ["many", "0", "7 -1"] {
        let why = plan(&words(line)).unwrap_err();
        assert!(why.contains("cargo xtask soak"), "{why}");
    }
}

#[test]
fn test_programs_are_read_from_messages() {
    let message = concat!(
        r#"{"reason":"compiler-artifact","manifest_path":"/a/ring/Cargo.toml","#,
        r#""target":{"kind":["bin"],"doctest":false,"test":true},"#,
        r#""profile":{"opt_level":"1","test":true},"executable":"/t/deps/it-1"}"#,
    );
    let found = Program { path: "/t/deps/it-1".into(), home: "/a/ring".into() };
    assert_eq!(program(message), Some(found));
    let plain = message.replace("\"1\",\"test\":true", "\"1\",\"test\":false");
    assert_eq!(program(&plain), None, "a program that tests run");
    assert_eq!(program(&message.replace("\"/t/deps/it-1\"", "null")), None, "a library");
    assert_eq!(program("not of cargo's"), None);
}

#[test]
fn what_a_failing_program_says_is_kept() {
    let kept = std::env::temp_dir().join(format!("annulus-soak-{}", std::process::id()));
    std::fs::create_dir(&kept).unwrap();
    let run = |path: &str, number: u32| {
        let program = Program { path: path.into(), home: kept.clone() };
        // What is run here needs no library, and who runs this may have no toolchain.
        Suite { programs: vec![program], libraries: String::new() }.run(number, &kept)
    };
    assert_eq!(run("/bin/true", 1), [""; 0]);
    assert!(!kept.join("1-true").exists());
    assert!(run("/bin/false", 2)[0].ends_with("/false FAILED"));
    assert!(kept.join("2-false").exists());
    let none = run("/no/such/program", 3);
    assert!(none[0].contains("/program: "), "{none:?}");
    std::fs::remove_dir_all(&kept).unwrap();
    assert!(!Path::new(&kept).exists());
}
