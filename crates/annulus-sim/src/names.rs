//! Files by name, and what is in them.
//!
//! Owns: a flat namespace of absolute paths, and file contents. Does not own: descriptors. Mirrors
//! path_resolution(7) as far as directories and regular files go: no links, no mounts, no
//! permissions.

use std::collections::BTreeMap;

use annulus_abi::Errno;

use crate::files::Id;

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Dir,
    File(Id),
}

/// The namespace and the contents.
#[derive(Debug)]
pub(crate) struct Names {
    nodes: BTreeMap<Vec<u8>, Node>,
    contents: BTreeMap<Id, Vec<u8>>,
}

impl Names {
    /// A root and `/tmp`.
    pub(crate) fn new() -> Self {
        let nodes = [(b"/".to_vec(), Node::Dir), (b"/tmp".to_vec(), Node::Dir)];
        Self { nodes: nodes.into(), contents: BTreeMap::new() }
    }

    /// The absolute path of `path` below `base`. With `beneath`, leaving `base` is EXDEV.
    pub(crate) fn resolve(base: &[u8], path: &[u8], beneath: bool) -> Result<Vec<u8>, Errno> {
        let absolute = path.first() == Some(&b'/');
        if absolute && beneath {
            return Err(Errno(libc::EXDEV));
        }
        let parts = |path: &[u8]| -> Vec<Vec<u8>> {
            let parts = path.split(|byte| *byte == b'/');
            parts.filter(|part| !part.is_empty() && *part != b".").map(<[u8]>::to_vec).collect()
        };
        let mut resolved = if absolute { Vec::new() } else { parts(base) };
        let floor = resolved.len();
        for part in parts(path) {
            if part != b".." {
                resolved.push(part);
            } else if beneath && resolved.len() <= floor {
                return Err(Errno(libc::EXDEV));
            } else {
                resolved.pop();
            }
        }
        let mut result = vec![b'/'];
        result.extend(resolved.join(&b'/'));
        Ok(result)
    }

    pub(crate) fn find(&self, path: &[u8]) -> Result<Node, Errno> {
        match self.nodes.get(path) {
            Some(node) => Ok(*node),
            None => self.parent_is_dir(path).and(Err(Errno(libc::ENOENT))),
        }
    }

    /// A new empty file.
    pub(crate) fn create(&mut self, path: &[u8], id: Id) -> Result<(), Errno> {
        self.parent_is_dir(path)?;
        self.nodes.insert(path.to_vec(), Node::File(id));
        self.contents.insert(id, Vec::new());
        Ok(())
    }

    pub(crate) fn make_dir(&mut self, path: &[u8]) -> Result<(), Errno> {
        self.parent_is_dir(path)?;
        match self.nodes.get(path) {
            Some(_) => Err(Errno(libc::EEXIST)),
            None => {
                self.nodes.insert(path.to_vec(), Node::Dir);
                Ok(())
            }
        }
    }

    pub(crate) fn contents(&mut self, id: Id) -> &mut Vec<u8> {
        self.contents.get_mut(&id).expect("contents live as long as the world")
    }

    fn parent_is_dir(&self, path: &[u8]) -> Result<(), Errno> {
        let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let parent = if end == 0 { &b"/"[..] } else { &path[..end] };
        match self.nodes.get(parent) {
            Some(Node::Dir) => Ok(()),
            Some(Node::File(_)) => Err(Errno(libc::ENOTDIR)),
            None => Err(Errno(libc::ENOENT)),
        }
    }
}
