//! Removing what somebody else still fills.

use std::fs::{File, create_dir_all};
use std::sync::Barrier;

use super::{Kind, TRIES, remove};

/// Fewer files than a removal is tried.
const FILES: usize = TRIES / 2;

#[test]
fn a_tree_in_which_files_are_made_meanwhile_goes_away() {
    let scratch = tempfile::tempdir().unwrap();
    for round in 0..64 {
        let tree = scratch.path().join(format!("tree-{round}"));
        create_dir_all(tree.join("below")).unwrap();
        (0..8).for_each(|n| drop(File::create(tree.join(format!("there-{n}"))).unwrap()));
        let both = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                both.wait();
                // They fail once it is gone.
                (0..FILES).for_each(|n| drop(File::create(tree.join(format!("late-{n}")))));
            });
            both.wait();
            remove(&tree, Kind::Tree).unwrap();
        });
        assert!(!tree.exists(), "round {round}");
    }
}
