//! Both ways to list the tree find the same sources.

use super::{Tree, listed_by_git, walked, workspace_root};

#[test]
fn the_walk_finds_every_rust_file_that_git_lists() {
    let root = workspace_root();
    let Some(listed) = listed_by_git(&root) else {
        return;
    };
    let walked = walked(&root).unwrap();
    for path in listed.iter().filter(|path| root.join(path).is_file()) {
        assert!(walked.contains(path), "the walk misses {path}");
    }
}

#[test]
fn the_tree_holds_this_file() {
    let tree = Tree::load(&workspace_root()).unwrap();
    assert!(tree.sources().iter().any(|source| source.path == "xtask/src/tree/tests.rs"));
    assert!(tree.files().iter().any(|file| file.path == "Cargo.toml"));
}
