//! A server that sends back over TLS whatever comes, with rustls inside ringline: the one of `echo`
//! that its example for TLS has.

use std::io;

use annulus_bench::{Job, Sample};
use ringline::TlsConfig;

use crate::echo::{Copied, launch};

pub fn run(_job: &Job) -> io::Result<Sample> {
    let tls = TlsConfig::new(annulus_bench::server_config()?);
    annulus_bench::serve(|listener| launch::<Copied>(listener, super::config().tls(tls)))
}
