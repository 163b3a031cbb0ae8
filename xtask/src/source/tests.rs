//! The lexer on the corners of Rust's syntax.

use super::Source;

fn code(text: &str) -> Vec<String> {
    let source = Source::new("a.rs", text);
    source.lines.iter().map(|line| line.code.trim_end().to_owned()).collect()
}

#[test]
fn comments_leave_the_code() {
    assert_eq!(code("a(); // b()\n/* c /* d */ e\n*/ f();\n"), ["a();", "", " f();"]);
}

#[test]
fn strings_are_blanked_and_keep_their_length() {
    assert_eq!(code(r#"f("a // b", 1);"#), [r#"f("      ", 1);"#]);
    assert_eq!(code("f(\"a\\\"b\", x)"), ["f(\"    \", x)"]);
    assert_eq!(code("f(r#\"a\" /* \"#, x)"), ["f(r#\"      \"#, x)"]);
}

#[test]
fn a_string_may_span_lines() {
    assert_eq!(code("f(\"a\n  fn b\\\n c\", x);\n"), ["f(\"", "", "  \", x);"]);
}

#[test]
fn characters_and_lifetimes_are_told_apart() {
    assert_eq!(code("f('\"', '\\'', x)"), ["f(   ,     , x)"]);
    assert_eq!(code("fn f<'a>(x: &'a str) {}"), ["fn f< a>(x: & a str) {}"]);
}

#[test]
fn an_identifier_that_ends_in_r_starts_no_raw_string() {
    assert_eq!(code("for\"a\" + b"), ["for\" \" + b"]);
}

#[test]
fn functions_have_their_length() {
    let text =
        "trait T {\n    fn a(&self) -> [u8; 4];\n    fn b(&self) -> [u8; 2] {\n        x\n    }\n}";
    let functions = Source::new("a.rs", text).functions();
    assert_eq!(functions.len(), 1);
    assert_eq!((functions[0].name.as_str(), functions[0].at, functions[0].lines), ("b", 2, 3));
}

#[test]
fn function_pointers_are_no_functions() {
    assert_eq!(
        Source::new("a.rs", "type F = fn(u8) -> u8;\nstruct S { f: fn() }\n").functions(),
        []
    );
}

#[test]
fn an_inline_test_module_is_test_code_and_what_follows_it_is_not() {
    let source = Source::new("src/a.rs", "a();\n#[cfg(test)]\nmod tests {\n    b();\n}\nc();\n");
    let tests: Vec<bool> = (0..6).map(|at| source.in_tests(at)).collect();
    assert_eq!(tests, [false, true, true, true, true, false]);
}

#[test]
fn a_test_module_in_its_own_file_marks_nothing_here() {
    let source = Source::new("src/a.rs", "#[cfg(test)]\nmod tests;\n\nfn a() {\n}\n");
    assert!((0..5).all(|at| !source.in_tests(at)));
    assert!(Source::new("src/a/tests.rs", "fn a() {}\n").in_tests(0));
}

#[test]
fn a_comment_is_near_within_reach_and_not_beyond() {
    let source = Source::new("a.rs", "// WHY: x\n// more\na();\nb();\nc();\n");
    assert!(source.comment_near(2, "WHY:", 0));
    assert!(source.comment_near(4, "WHY:", 2));
    assert!(!source.comment_near(4, "WHY:", 1));
}
