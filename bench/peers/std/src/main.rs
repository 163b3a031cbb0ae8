//! Threads and system calls of the standard library, where that is a sensible way of doing it.

mod cat;
mod cat_default;
mod copy;
mod copy_default;
mod cross;
mod direct;
mod echo;
mod read;
mod udp;
mod unix;

fn main() -> std::process::ExitCode {
    annulus_bench::main(&[
        ("cross", cross::run),
        ("read", read::run),
        ("direct", direct::run),
        ("cat", cat::run),
        ("cat-default", cat_default::run),
        ("copy", copy::run),
        ("copy-default", copy_default::run),
        ("echo", echo::run),
        ("unix", unix::run),
        ("udp-echo", udp::run),
    ])
}
