//! The shapes of manifests.

use super::{Kind, Manifest};

#[test]
fn every_shape_of_dependency_is_read() {
    let manifest = Manifest::parse(
        "[package]\nname = \"x\"\n[dependencies]\na = { workspace = true }\nb.workspace = true\n\
         [dependencies.c]\nversion = \"1\"\n[dev-dependencies]\nd = \"1\"\n\
         [target.\"cfg(loom)\".dependencies]\ne = \"1\"\n[build-dependencies]\nf = \"1\"\n\
         [features]\ng = []\n[workspace.dependencies]\nh = \"1\"\n",
    );
    let found: Vec<_> =
        manifest.dependencies.iter().map(|d| (d.name.as_str(), d.kind, d.line)).collect();
    assert_eq!(manifest.name, "x");
    assert_eq!(
        found,
        [
            ("a", Kind::Normal, 4),
            ("b", Kind::Normal, 5),
            ("c", Kind::Normal, 6),
            ("d", Kind::Dev, 9),
            ("e", Kind::Normal, 11),
            ("f", Kind::Build, 13),
        ]
    );
}
