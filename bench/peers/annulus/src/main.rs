//! Annulus. Its workloads are `crates/annulus-bench/src/ours/`, one file each, because `annulus
//! bench` runs the same; those of HTTP and of TLS are here, because hyper and rustls are no part of
//! that, and so are whole servers, which are programs of their own.

mod files;
mod http;
mod kv;
mod tls;

fn main() -> std::process::ExitCode {
    let ours = annulus_bench::ours::PROGRAMS.iter().copied();
    let more: [(&str, annulus_bench::Run); 4] =
        [("http", http::run), ("static", files::run), ("kv", kv::run), ("tls", tls::run)];
    annulus_bench::main(&ours.chain(more).collect::<Vec<_>>())
}
