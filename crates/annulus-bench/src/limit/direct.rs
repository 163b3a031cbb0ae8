//! Random reads past the page cache: the loop of `read`, over a file that is open with O_DIRECT.

use std::io;

use crate::pages::Pages;
use crate::{Job, Sample};

/// As [`read::run`](super::read::run), variants included.
///
/// # Errors
/// As there; O_DIRECT is refused.
pub fn run(job: &Job) -> io::Result<Sample> {
    let pages = Pages::at(&job.file);
    super::read::of(job, &pages, &pages.open_direct()?)
}
