//! What a `Cargo.toml` says about dependencies.
//!
//! Owns: the few shapes of TOML that manifests of this workspace use. Does not own: TOML.

#[cfg(test)]
mod tests;

/// What a dependency is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The crate itself needs it.
    Normal,
    /// Tests, examples and benchmarks need it.
    Dev,
    /// The build script needs it.
    Build,
}

/// One dependency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Name of the crate.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// Line, counted from one.
    pub line: usize,
}

/// What a manifest says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Name of the package; empty for a workspace without one.
    pub name: String,
    /// Its dependencies in order.
    pub dependencies: Vec<Dependency>,
}

impl Manifest {
    /// Reads the text of a `Cargo.toml`.
    pub fn parse(text: &str) -> Self {
        let mut manifest = Self::default();
        let mut section = String::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.to_owned();
                manifest.add_table(&section, at + 1);
            } else if let Some((key, value)) = line.split_once('=') {
                manifest.add_key(&section, key.trim(), value.trim(), at + 1);
            }
        }
        manifest
    }

    /// `[dependencies.NAME]`.
    fn add_table(&mut self, section: &str, line: usize) {
        if let Some((table, name)) = section.rsplit_once('.') {
            if let Some(kind) = kind_of(table) {
                let name = name.trim_matches('"').to_owned();
                self.dependencies.push(Dependency { name, kind, line });
            }
        }
    }

    fn add_key(&mut self, section: &str, key: &str, value: &str, line: usize) {
        if section == "package" && key == "name" {
            self.name = value.trim_matches('"').to_owned();
        }
        if let Some(kind) = kind_of(section) {
            let name = key.split('.').next().unwrap_or(key).trim_matches('"').to_owned();
            self.dependencies.push(Dependency { name, kind, line });
        }
    }
}

/// The kind of dependency that a table lists: `dependencies`, `target.'…'.dev-dependencies`…
fn kind_of(table: &str) -> Option<Kind> {
    let last = match table.rsplit_once('.') {
        Some((before, last)) if before.starts_with("target.") => last,
        Some(_) => return None,
        None => table,
    };
    match last {
        "dependencies" => Some(Kind::Normal),
        "dev-dependencies" => Some(Kind::Dev),
        "build-dependencies" => Some(Kind::Build),
        _ => None,
    }
}
