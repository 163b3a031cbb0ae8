//! rustls above tokio on one thread, by `tokio-rustls`: what `peers/tokio` is, with TLS.

mod tls;

use std::process::ExitCode;

fn main() -> ExitCode {
    annulus_bench::main(&[("tls", tls::run)])
}
