//! nginx, as its package installs it.

mod files;

fn main() -> std::process::ExitCode {
    annulus_bench::main(&[("static", files::run)])
}
