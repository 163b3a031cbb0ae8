//! What the toolchain says of itself.

use std::process::Command;

/// What a program prints; why it does not is told in words.
pub fn printed(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|why| format!("{program} does not start: {why}"))?;
    String::from_utf8(output.stdout).map_err(|why| why.to_string())
}

/// Where the libraries are that programs for this machine are linked to.
pub fn libraries() -> Result<String, String> {
    printed("rustc", &["--print", "target-libdir"]).map(|path| path.trim().to_owned())
}
