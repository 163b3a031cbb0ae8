//! Hand-written ring loops. They are in `crates/annulus-bench/src/limit/`, one file for each
//! workload, because `annulus bench` runs the same.

fn main() -> std::process::ExitCode {
    annulus_bench::main(annulus_bench::limit::PROGRAMS)
}
