//! redis-server, as its package installs it.

mod kv;

fn main() -> std::process::ExitCode {
    annulus_bench::main(&[("kv", kv::run)])
}
