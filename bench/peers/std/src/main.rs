//! Threads and system calls of the standard library, where that is a sensible way of doing it.

mod cat;
mod copy;
mod cross;
mod echo;
mod read;
mod unix;

fn main() -> std::process::ExitCode {
    annulus_bench::main(&[
        ("cross", cross::run),
        ("read", read::run),
        ("cat", cat::run),
        ("copy", copy::run),
        ("echo", echo::run),
        ("unix", unix::run),
    ])
}
