//! Words for people, on standard error.
//!
//! Owns: that they are only words. Invariant: whoever says something goes on, also where standard
//! error is full, or nobody reads it any more.

use std::fmt::Display;
use std::io::{self, Write};

/// Says a line. What has to be done is done before: saying it may take as long as its reader likes.
pub fn say(line: impl Display) {
    // There is nowhere else to complain.
    let _ = writeln!(io::stderr(), "{line}");
}
