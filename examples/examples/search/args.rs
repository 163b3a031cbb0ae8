//! The arguments of `search`.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

const USAGE: &str = "usage: search [--count] [-j FILES] TEXT [DIR]";

pub struct Args {
    /// What is looked for.
    pub text: Vec<u8>,
    pub dir: PathBuf,
    /// Whether to print how much was found.
    pub count: bool,
    /// Files in flight on each core.
    pub in_flight: usize,
}

impl Args {
    pub fn parse() -> io::Result<Self> {
        let refuse = || io::Error::new(io::ErrorKind::InvalidInput, USAGE);
        let (mut count, mut in_flight, mut names) = (false, 32, Vec::<OsString>::new());
        let mut args = std::env::args_os().skip(1);
        while let Some(arg) = args.next() {
            match arg.to_str() {
                Some("--count") => count = true,
                Some("-j") => {
                    let files = args.next().and_then(|files| files.to_str()?.parse().ok());
                    in_flight = files.filter(|&files| files > 0).ok_or_else(refuse)?;
                }
                _ => names.push(arg),
            }
        }
        let mut names = names.into_iter();
        let text = names.next().filter(|text| !text.is_empty()).ok_or_else(refuse)?.into_vec();
        let dir = names.next().map_or_else(|| ".".into(), PathBuf::from);
        if names.next().is_some() {
            return Err(refuse());
        }
        Ok(Self { text, dir, count, in_flight })
    }
}
