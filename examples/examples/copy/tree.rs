//! Copies of whole directories.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use annulus::fs::{self, DirBuilder};
use annulus::task::JoinSet;
use futures_util::TryStreamExt as _;
use indicatif::ProgressBar;

/// Files that are copied at once.
const IN_FLIGHT: usize = 32;

/// What is below a directory, by paths that begin there.
#[derive(Default)]
pub struct Tree {
    /// Each after the one that it is in.
    directories: Vec<PathBuf>,
    files: Vec<PathBuf>,
    links: Vec<PathBuf>,
    pub bytes: u64,
}

impl Tree {
    /// Looks at everything below a directory.
    pub async fn below(root: &Path) -> io::Result<Self> {
        let mut tree = Self::default();
        let mut sizes = JoinSet::new();
        let mut walk = fs::walk(root);
        while let Some(entry) = walk.try_next().await? {
            let path = entry.path();
            let below = path.strip_prefix(root).map_err(io::Error::other)?.to_owned();
            match entry.file_type() {
                kind if kind.is_dir() => tree.directories.push(below),
                kind if kind.is_symlink() => tree.links.push(below),
                kind if kind.is_file() => {
                    tree.files.push(below);
                    sizes.spawn(async move { entry.metadata().await.map(|known| known.len()) });
                }
                _ => eprintln!("copy: {}: neither file, directory nor link", path.display()),
            }
        }
        while let Some(size) = sizes.join_next().await {
            tree.bytes += size.map_err(io::Error::other)??;
        }
        Ok(tree)
    }

    /// Copies all of it.
    pub async fn copy(&self, from: &Path, to: &Path, bar: &ProgressBar) -> io::Result<()> {
        // Directories get their permissions last: some may not be written to.
        let whole = [PathBuf::new()];
        let directories = || whole.iter().chain(&self.directories);
        for directory in directories() {
            DirBuilder::new().recursive(true).mode(0o700).create(to.join(directory)).await?;
        }
        let mut copies = JoinSet::new();
        for file in &self.files {
            if copies.len() == IN_FLIGHT {
                ended(copies.join_next().await)?;
            }
            let (from, to, bar) = (from.join(file), to.join(file), bar.clone());
            copies.spawn(async move { fs::copy_with(from, to, move |n| bar.inc(n)).await });
        }
        for link in &self.links {
            fs::symlink(fs::read_link(from.join(link)).await?, to.join(link)).await?;
        }
        while let Some(copy) = copies.join_next().await {
            ended(Some(copy))?;
        }
        for directory in directories().collect::<Vec<_>>().into_iter().rev() {
            let permissions = fs::metadata(from.join(directory)).await?.mode();
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(permissions & 0o7777);
            fs::set_permissions(to.join(directory), permissions).await?;
        }
        Ok(())
    }
}

fn ended<E>(copy: Option<Result<io::Result<u64>, E>>) -> io::Result<()>
where
    E: std::error::Error + Send + Sync + 'static,
{
    copy.map_or(Ok(()), |joined| joined.map_err(io::Error::other)?.map(drop))
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = (self.files.len(), self.directories.len(), self.links.len());
        let (files, directories, links) = counts;
        write!(f, "{files} files, {directories} directories, {links} links, {} bytes", self.bytes)
    }
}
