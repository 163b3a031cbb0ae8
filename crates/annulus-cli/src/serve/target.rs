//! From a request's target to a path beneath the root.
//!
//! Owns percent-decoding and the resolution of `.` and `..` in the text. Does not touch the file
//! system, and is not the last guard: `openat2(RESOLVE_BENEATH)` confines what symbolic links do.
//!
//! Invariant: [`Target::path`] is relative and none of its components is empty, `.` or `..`, or
//! holds a NUL; `/` in it separates components and never comes from a `%2F`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// What stays readable in a path that is written into a link or a `Location`. `:` is not in it, so
/// that a relative link never looks like a scheme; nor are `&` and `'`, so that a link needs no
/// escaping in HTML.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b'@');

/// What a request asks for: a path beneath the root, and the query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'t> {
    path: Vec<u8>,
    directory: bool,
    query: Option<&'t str>,
}

/// Why a target names nothing that could exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Neither `/path` nor `http://host/path`, or with a fragment.
    Form,
    /// A `%` that two hexadecimal digits do not follow.
    Escape,
    /// A NUL byte.
    Nul,
    /// A `..` that leaves the root.
    AboveRoot,
    /// An encoded slash: part of a name, and no file has such a name.
    EncodedSlash,
}

impl<'t> Target<'t> {
    /// Reads a target in origin form (`/path?query`) or absolute form (`http://host/path?query`).
    ///
    /// # Errors
    /// The [`Refusal`] of the first thing that is wrong.
    pub fn parse(target: &'t str) -> Result<Self, Refusal> {
        let origin = if target.starts_with('/') { target } else { after_authority(target)? };
        if origin.contains('#') {
            return Err(Refusal::Form);
        }
        let (raw, query) = match origin.split_once('?') {
            Some((raw, query)) => (raw, Some(query)),
            None => (origin, None),
        };
        let mut path = Vec::with_capacity(raw.len());
        let mut directory = true;
        for segment in raw.split('/') {
            directory = append(&mut path, segment.as_bytes())?;
        }
        Ok(Self { path, directory, query })
    }

    /// The path relative to the root; `.` is the root itself.
    pub fn path(&self) -> &Path {
        let bytes: &[u8] = if self.path.is_empty() { b"." } else { &self.path };
        Path::new(OsStr::from_bytes(bytes))
    }

    /// Whether the target can only mean a directory: it ends in `/`, `/.` or `/..`.
    pub fn is_directory(&self) -> bool {
        self.directory
    }

    /// The path of a file in the directory that this target names.
    pub fn child(&self, name: &str) -> std::path::PathBuf {
        let parent = Path::new(OsStr::from_bytes(&self.path));
        parent.join(name)
    }

    /// The decoded path with a slash at both ends, for people.
    pub fn shown(&self) -> String {
        match self.path.as_slice() {
            [] => "/".to_owned(),
            path => format!("/{}/", String::from_utf8_lossy(path)),
        }
    }

    /// Where the directory of this name is: the escaped path with a slash at its end, and the
    /// query. It begins with exactly one slash, so it never names another host.
    pub fn location(&self) -> String {
        let mut location = String::with_capacity(self.path.len() + 2);
        for segment in self.path.split(|&byte| byte == b'/').filter(|segment| !segment.is_empty()) {
            location.push('/');
            location.extend(percent_encode(segment, SEGMENT));
        }
        location.push('/');
        if let Some(query) = self.query {
            location.push('?');
            location.extend(percent_encode(query.as_bytes(), QUERY));
        }
        location
    }
}

/// In a query everything visible stays as the client wrote it; quotes and angle brackets are
/// escaped, and so is what is not ASCII.
const QUERY: &AsciiSet = &percent_encoding::CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');

/// A name of a file as a relative link: percent-encoded, safe inside a quoted HTML attribute.
pub fn link(name: &[u8]) -> impl std::fmt::Display {
    percent_encode(name, SEGMENT)
}

/// The part of an absolute-form target that follows `http://authority`.
fn after_authority(target: &str) -> Result<&str, Refusal> {
    let (scheme, rest) = target.split_once("://").ok_or(Refusal::Form)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(Refusal::Form);
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    if end == 0 {
        return Err(Refusal::Form);
    }
    Ok(&rest[end..])
}

/// Appends one encoded segment, and says whether a path that ends here names a directory.
fn append(path: &mut Vec<u8>, segment: &[u8]) -> Result<bool, Refusal> {
    let parent = path.len();
    if parent > 0 {
        path.push(b'/');
    }
    let start = path.len();
    decode(segment, path)?;
    match &path[start..] {
        b"" | b"." => path.truncate(parent),
        b".." => {
            if parent == 0 {
                return Err(Refusal::AboveRoot);
            }
            let slash = path[..parent].iter().rposition(|&byte| byte == b'/');
            path.truncate(slash.unwrap_or(0));
        }
        name if name.contains(&0) => return Err(Refusal::Nul),
        name if name.contains(&b'/') => return Err(Refusal::EncodedSlash),
        _ => return Ok(false),
    }
    Ok(true)
}

fn decode(mut encoded: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    while let Some(at) = encoded.iter().position(|&byte| byte == b'%') {
        out.extend_from_slice(&encoded[..at]);
        let digit = |byte: Option<&u8>| byte.and_then(|&byte| char::from(byte).to_digit(16));
        match (digit(encoded.get(at + 1)), digit(encoded.get(at + 2))) {
            (Some(high), Some(low)) => out.push((high << 4 | low) as u8),
            _ => return Err(Refusal::Escape),
        }
        encoded = &encoded[at + 3..];
    }
    out.extend_from_slice(encoded);
    Ok(())
}

#[cfg(test)]
mod tests;
