//! The files of the project.
//!
//! Owns: which files there are (git's list, or a walk where there is no git) and their text. Does
//! not own: any rule. A file that is not UTF-8 has no text and no rule looks at it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::source::Source;

/// A file of text.
#[derive(Debug)]
pub struct File {
    /// Path from the root of the workspace.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// The files of the project.
#[derive(Debug)]
pub struct Tree {
    files: Vec<File>,
    sources: Vec<Source>,
}

impl Tree {
    /// Reads the tree below `root`.
    ///
    /// # Errors
    /// A file or directory cannot be read.
    pub fn load(root: &Path) -> io::Result<Self> {
        let mut paths = match listed_by_git(root) {
            Some(paths) => paths,
            None => walked(root)?,
        };
        paths.sort();
        paths.dedup();
        let mut files = Vec::new();
        for path in paths {
            let full = root.join(&path);
            if !full.is_file() {
                continue;
            }
            if let Ok(text) = String::from_utf8(fs::read(full)?) {
                files.push(File { path, text });
            }
        }
        Ok(Self::of_files(files))
    }

    /// A made-up tree.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let file = |&(path, text): &(&str, &str)| File { path: path.into(), text: text.into() };
        Self::of_files(files.iter().map(file).collect())
    }

    fn of_files(files: Vec<File>) -> Self {
        let rust = files.iter().filter(|file| file.path.ends_with(".rs"));
        let sources = rust.map(|file| Source::new(&file.path, &file.text)).collect();
        Self { files, sources }
    }

    /// All files of text.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// The Rust files.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The Rust files whose path begins with `prefix`.
    pub fn sources_in<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a Source> {
        self.sources.iter().filter(move |source| source.path.starts_with(prefix))
    }
}

/// The root of the workspace: the directory above this package.
pub fn workspace_root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// The tracked files and those about to be; none where there is no git or no repository.
fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    // The tree may belong to someone else than the user that runs the tests.
    let output = Command::new("git")
        .args(["-c", "safe.directory=*", "ls-files", "-z"])
        .args(["--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .ok()?;
    let list = String::from_utf8(output.stdout).ok()?;
    let paths: Vec<String> = list.split('\0').filter(|p| !p.is_empty()).map(Into::into).collect();
    (output.status.success() && !paths.is_empty()).then_some(paths)
}

/// Every file below `root`, but for build output and the insides of version control.
fn walked(root: &Path) -> io::Result<Vec<String>> {
    let mut paths = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let kind = entry.file_type()?;
            let build = name == "target" && entry.path().join("CACHEDIR.TAG").exists();
            if kind.is_dir() && !build && name != ".git" {
                left.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path();
                let relative = path.strip_prefix(root).unwrap_or(&path);
                paths.push(relative.to_string_lossy().into_owned());
            }
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests;
