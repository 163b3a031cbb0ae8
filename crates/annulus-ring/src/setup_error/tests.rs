//! The text and the conversion of a refusal.

use super::*;

fn by_filter() -> SetupError {
    let evidence = Evidence {
        kernel_release: Some("6.18.44".to_owned()),
        seccomp_mode: Some(2),
        io_uring_disabled: Some(0),
        ..Evidence::default()
    };
    SetupError::with_evidence(Stage::Setup, Errno(libc::EPERM), &Params::default(), evidence)
}

#[test]
fn the_text_says_what_failed_why_how_that_is_known_and_what_to_do() {
    let text = by_filter().to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..5],
        [
            "no io_uring: io_uring_setup(2) failed: Operation not permitted (os error 1)",
            "cause: a seccomp filter of the container or service refuses io_uring",
            "evidence:",
            "  - kernel: 6.18.44",
            "  - seccomp: a filter is installed (Seccomp: 2)",
        ]
    );
    let remedy = lines.iter().position(|line| *line == "remedy:").unwrap();
    assert_eq!(lines.len() - remedy - 1, by_filter().remedy().len());
    assert!(text.contains("--security-opt seccomp="));
    assert!(!text.ends_with('\n'));
}

#[test]
fn an_io_error_keeps_the_kind_the_source_and_the_refusal_itself() {
    let error = io::Error::from(by_filter());
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    let source = error.source().and_then(|it| it.downcast_ref::<Errno>());
    assert_eq!(source, Some(&Errno(libc::EPERM)));
    let inner = error.get_ref().and_then(|it| it.downcast_ref::<SetupError>());
    assert_eq!(inner.map(SetupError::cause), Some(Cause::Seccomp));
}

#[test]
fn a_result_that_holds_it_is_one_word() {
    assert_eq!(size_of::<Result<(), SetupError>>(), size_of::<usize>());
}

#[test]
fn it_crosses_threads() {
    fn crosses<T: Send + Sync + 'static>() {}
    crosses::<SetupError>();
}
