//! Runs a program and marks what it prints: lines of its output and of its errors, as they come.
//!
//! Ctrl-C is passed on to the program, which decides what to do about it; its status becomes the
//! status of this one.
//!
//! ```sh
//! cargo run --example run -- sh -c 'echo working; echo careful >&2; exit 3'
//! ```
//!
//! ```text
//! out| working
//! err| careful
//! ```

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitCode, ExitStatus};

use annulus::io::{AsyncBufRead as _, AsyncRead, BufReader, stdout};
use annulus::process::{Command, Stdio};
use annulus::select;
use annulus::signal::{SignalKind, signal};

#[annulus::main]
async fn main() -> io::Result<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    let Some(program) = args.next() else {
        eprintln!("usage: run PROGRAM [ARGUMENT]…");
        return Ok(ExitCode::from(2));
    };
    let mut interrupts = signal(SignalKind::INTERRUPT)?;
    let mut command = Command::new(program);
    // In a group of its own, so that the terminal leaves passing Ctrl-C on to this program.
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.kill_on_drop(true).spawn()?;
    let printing = [
        child.stdout.take().map(|pipe| annulus::spawn(print("out| ", pipe))),
        child.stderr.take().map(|pipe| annulus::spawn(print("err| ", pipe))),
    ];
    let status = loop {
        select! {
            status = child.wait() => break status?,
            interrupt = interrupts.recv() => interrupt?,
        }
        child.signal(SignalKind::INTERRUPT)?;
    };
    for task in printing.into_iter().flatten() {
        task.await.map_err(io::Error::other)??;
    }
    Ok(ExitCode::from(code(status)))
}

/// Prints each line behind a prefix.
async fn print(prefix: &str, from: impl AsyncRead) -> io::Result<()> {
    let (out, mut lines) = (stdout()?, BufReader::new(from).lines());
    while let Some(line) = lines.next_line().await? {
        out.write_all(format!("{prefix}{line}\n")).await?;
    }
    Ok(())
}

/// The status that shells give: of a program that a signal has ended, 128 and the signal.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
