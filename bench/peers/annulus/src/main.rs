//! Annulus. Its workloads are `crates/annulus-bench/src/ours/`, one file each, because
//! `annulus bench` runs the same; that of HTTP is here, because hyper is no part of that.

mod http;

fn main() -> std::process::ExitCode {
    let ours = annulus_bench::ours::PROGRAMS.iter().copied();
    annulus_bench::main(&ours.chain([("http", http::run as _)]).collect::<Vec<_>>())
}
