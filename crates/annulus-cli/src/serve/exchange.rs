//! One request and its answer: from a head to what is to be sent.
//!
//! Small answers are written to the end of the connection's buffer, behind the answers that are
//! there already; of large files only the head is, and the rest is named in the [`Reply`].

use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::SystemTime;

use super::answer;
use super::entity::{Facts, Kind};
use super::head::{Head, Method};
use super::listing;
use super::page::{self, Extra, Stamp};
use super::response::Status;
use super::target::{Refusal, Target};
use super::wire::Site;

/// Files up to this size, or such parts of larger ones, are sent together with their head.
const SMALL_BODY: u64 = 32 * 1024;

/// What became of a request.
pub struct Reply<F> {
    /// The status of the answer.
    pub status: Status,
    /// How many bytes of content it has.
    pub content: u64,
    /// What is still to be sent after the buffer.
    pub body: Option<(F, Range<u64>)>,
}

/// One exchange under way.
pub struct Exchange<'e, S> {
    /// The directory that is served.
    pub site: &'e S,
    /// Whether directories without an index are shown.
    pub list: bool,
    /// Whether there is room in memory for an answer that is made at once.
    pub room: &'e dyn Fn() -> bool,
    /// The request.
    pub head: &'e Head<'e>,
    /// What the response carries in any case.
    pub stamp: &'e Stamp,
    /// The time of the response.
    pub now: SystemTime,
    /// Where the response is written.
    pub out: &'e mut Vec<u8>,
}

impl<S: Site> Exchange<'_, S> {
    /// Answers the request.
    ///
    /// # Errors
    /// Only when the buffer was lost, and with it earlier answers: nothing can be said any more.
    pub async fn run(mut self) -> io::Result<Reply<S::File>> {
        if self.head.method == Method::Other {
            let why = "Files can be read here, with GET and HEAD, and nothing else.";
            let allow = Some(("Allow", &b"GET, HEAD"[..]));
            return Ok(self.page(Status::METHOD_NOT_ALLOWED, why, allow));
        }
        let target = match Target::parse(self.head.target) {
            Ok(target) => target,
            Err(refusal) => return Ok(self.refuse(refusal)),
        };
        let (file, facts) = match open(self.site, target.path()).await {
            Ok(opened) => opened,
            Err(error) => return Ok(self.fail(&error)),
        };
        match facts.kind {
            Kind::File if !target.is_directory() => self.file(target.path(), file, &facts).await,
            Kind::Directory if target.is_directory() => self.directory(&target, file).await,
            Kind::Directory => {
                let location = target.location();
                let why = "This is a directory; its name ends in a slash.";
                let location = Some(("Location", location.as_bytes()));
                Ok(self.page(Status::MOVED_PERMANENTLY, why, location))
            }
            Kind::File | Kind::Other => Ok(self.page(Status::NOT_FOUND, NOT_FOUND, None)),
        }
    }

    async fn file(
        mut self,
        path: &Path,
        file: S::File,
        facts: &Facts,
    ) -> io::Result<Reply<S::File>> {
        let before = self.out.len();
        let described = self.site.described(&file, (path, facts), self.now);
        let answer = answer::file(self.out, self.head, (&described, self.now), self.stamp);
        let bytes = answer.body.end - answer.body.start;
        let mut reply = Reply { status: answer.status, content: answer.content, body: None };
        if bytes > SMALL_BODY {
            reply.body = Some((file, answer.body));
        } else if bytes > 0 {
            let written = self.out.len();
            let buf = std::mem::take(self.out);
            let (result, buf) = self.site.append(&file, answer.body, buf).await;
            *self.out = buf;
            if let Err(error) = result {
                if self.out.len() < written {
                    return Err(error);
                }
                self.out.truncate(before);
                return Ok(self.fail(&error));
            }
        }
        Ok(reply)
    }

    async fn directory(
        mut self,
        target: &Target<'_>,
        directory: S::File,
    ) -> io::Result<Reply<S::File>> {
        let index = target.child("index.html");
        match open(self.site, &index).await {
            Ok((file, facts)) if facts.kind == Kind::File => {
                return self.file(&index, file, &facts).await;
            }
            Ok(_) => {}
            Err(error) if is_absent(&error) => {}
            Err(error) => return Ok(self.fail(&error)),
        }
        if !self.list {
            let why = "This directory has no index.html, and its content is not shown.";
            return Ok(self.page(Status::FORBIDDEN, why, None));
        }
        if !(self.room)() {
            return Ok(self.fail(&io::ErrorKind::ResourceBusy.into()));
        }
        match self.site.entries(&directory).await {
            // Others may have been made meanwhile.
            Ok(_) if !(self.room)() => Ok(self.fail(&io::ErrorKind::ResourceBusy.into())),
            Ok(listing) => {
                let html = listing::page(&target.shown(), &listing);
                drop(listing);
                let stale = Some(("Cache-Control", &b"no-cache"[..]));
                let content = page::html(self.out, self.stamp, Status::OK, html.as_bytes(), stale);
                Ok(Reply { status: Status::OK, content, body: None })
            }
            Err(error) => Ok(self.fail(&error)),
        }
    }

    fn page(&mut self, status: Status, why: &'static str, extra: Extra<'_>) -> Reply<S::File> {
        let content = page::write(self.out, self.stamp, status, why, extra);
        Reply { status, content, body: None }
    }

    fn refuse(&mut self, refusal: Refusal) -> Reply<S::File> {
        let (status, why) = match refusal {
            Refusal::Form => (Status::BAD_REQUEST, "The request's target is not a path."),
            Refusal::Escape => (Status::BAD_REQUEST, "The path has a malformed % escape."),
            Refusal::Nul => (Status::BAD_REQUEST, "The path has a NUL byte."),
            Refusal::AboveRoot => (Status::BAD_REQUEST, "The path leaves the root."),
            Refusal::EncodedSlash => (Status::NOT_FOUND, NOT_FOUND),
        };
        self.page(status, why, None)
    }

    fn fail(&mut self, error: &io::Error) -> Reply<S::File> {
        if is_absent(error) {
            return self.page(Status::NOT_FOUND, NOT_FOUND, None);
        }
        let busy = Some(("Retry-After", &b"1"[..]));
        match error.raw_os_error() {
            Some(libc::EACCES | libc::EPERM) => {
                self.page(Status::FORBIDDEN, "The server may not read this.", None)
            }
            Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EAGAIN) => {
                self.page(Status::UNAVAILABLE, "The server is too busy.", busy)
            }
            None if error.kind() == io::ErrorKind::ResourceBusy => {
                self.page(Status::UNAVAILABLE, "The server is too busy.", busy)
            }
            _ => self.page(Status::INTERNAL_ERROR, "The server could not read this.", None),
        }
    }
}

const NOT_FOUND: &str = "There is nothing here.";

/// Opens a file, again if something along the path was renamed at that moment: the kernel then
/// cannot tell whether the file is beneath the root, and says EAGAIN.
async fn open<S: Site>(site: &S, path: &Path) -> io::Result<(S::File, Facts)> {
    const ATTEMPTS: u32 = 4;
    let mut attempt = 1;
    loop {
        match site.open(path).await {
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) && attempt < ATTEMPTS => {
                attempt += 1;
            }
            result => return result,
        }
    }
}

/// Whether an error of opening means that there is no such file. What lies outside the root (EXDEV)
/// is not told apart from what does not exist.
fn is_absent(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    matches!(
        code,
        Some(
            libc::ENOENT
                | libc::ENOTDIR
                | libc::ENAMETOOLONG
                | libc::ELOOP
                | libc::EXDEV
                | libc::ENXIO
                | libc::ENODEV
        )
    )
}
