//! A C header with the ABI: which names it has, and what they are worth.
//!
//! Owns: running the C compiler over the header, and reading what it says. `CPPFLAGS` is passed to
//! the compiler.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A header after preprocessing, with its macros.
pub struct Header {
    includes: String,
    text: String,
    words: HashSet<String>,
}

impl Header {
    /// Reads `<linux/io_uring.h>` of this machine, or the file at `path`.
    ///
    /// # Errors
    /// What the C compiler says: there is none, or no such header.
    pub fn read(path: Option<&Path>) -> Result<Self, String> {
        let header = match path {
            None => "<linux/io_uring.h>".to_owned(),
            Some(path) => {
                let path =
                    fs::canonicalize(path).map_err(|why| format!("{}: {why}", path.display()))?;
                format!("\"{}\"", path.display())
            }
        };
        let includes = format!("#include <stddef.h>\n#include <stdio.h>\n#include {header}\n");
        let mut command = compiler();
        command.args(["-E", "-dD", "-x", "c", "-"]);
        let text = output(command, &includes)?;
        let words =
            text.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect();
        Ok(Self { includes, text, words })
    }

    /// Whether the name occurs anywhere.
    pub fn has(&self, name: &str) -> bool {
        self.words.contains(name)
    }

    /// Its names that begin like those of io_uring's constants, in order.
    pub fn names(&self) -> Vec<&str> {
        const PREFIXES: &[&str] = &["IORING_", "IOSQE_", "IO_URING_", "SOCKET_URING_OP_", "ZCRX_"];
        let is_constant = |name: &&str| {
            PREFIXES.iter().any(|prefix| name.starts_with(prefix))
                && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        };
        let mut names: Vec<&str> =
            self.words.iter().map(String::as_str).filter(is_constant).collect();
        names.sort_unstable();
        names
    }

    /// Whether the structure is defined.
    pub fn has_struct(&self, name: &str) -> bool {
        self.body(name).is_some()
    }

    /// Whether the structure is defined and has the member.
    pub fn has_member(&self, name: &str, member: &str) -> bool {
        self.body(name).is_some_and(|body| {
            body.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == member)
        })
    }

    /// The text between the braces of `struct name { … }`.
    fn body(&self, name: &str) -> Option<&str> {
        let head = format!("struct {name} {{");
        let start = self.text.find(&head)? + head.len();
        let mut depth = 1;
        for (index, c) in self.text[start..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some(&self.text[start..start + index]);
            }
        }
        None
    }

    /// The value of each C expression, printed by a program that this compiles.
    ///
    /// # Errors
    /// What the compiler says, so a name of an expression that is none.
    pub fn evaluate(&self, expressions: &[String]) -> Result<HashMap<String, u64>, String> {
        let mut program = format!("{}int main(void) {{\n", self.includes);
        for expression in expressions {
            let line = format!("printf(\"%llu\\n\", (unsigned long long)({expression}));\n");
            program.push_str(&line);
        }
        program.push_str("return 0; }\n");
        let executable = scratch();
        let mut command = compiler();
        command.args(["-x", "c", "-", "-o"]).arg(&executable);
        output(command, &program)?;
        let printed = output(Command::new(&executable), "");
        fs::remove_file(&executable).map_err(|error| error.to_string())?;
        let printed = printed?;
        let values = printed.lines().map(|line| line.parse().map_err(|_| line.to_owned()));
        expressions.iter().cloned().zip(values).map(|(name, value)| Ok((name, value?))).collect()
    }
}

/// A path for a program, which no other test uses.
fn scratch() -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    // ORDERING: relaxed; only the number counts.
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("annulus-abi-{}-{count}", std::process::id()))
}

fn compiler() -> Command {
    let mut command = Command::new("cc");
    let flags = std::env::var("CPPFLAGS").unwrap_or_default();
    command.args(flags.split_whitespace());
    command
}

fn output(mut command: Command, input: &str) -> Result<String, String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let written = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if output.status.success() && written.is_ok() {
        String::from_utf8(output.stdout).map_err(|error| error.to_string())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
