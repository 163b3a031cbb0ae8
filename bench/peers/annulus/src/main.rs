//! Annulus. Its workloads are `crates/annulus-bench/src/ours/`, one file each, because
//! `annulus bench` runs the same.

fn main() -> std::process::ExitCode {
    annulus_bench::main(annulus_bench::ours::PROGRAMS)
}
