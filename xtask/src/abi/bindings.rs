//! The constants of crates that others generated from the kernel's header, read from their sources.
//!
//! The crates are dependencies of this package's tests only: so Cargo has their sources, and no
//! crate that is shipped has them. Reading is enough, because generated code is plain: `pub const
//! NAME: type = number;`, and `NAME = number,` in enumerations.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::comparison::Comparison;
use super::constants;
use crate::tree::workspace_root;

/// The text of the generated file of `package`.
///
/// # Errors
/// Cargo has no sources of it, or they look different now.
pub fn of(package: &str) -> Result<String, String> {
    let arch = std::env::consts::ARCH;
    let file = match package {
        "linux-raw-sys" => format!("src/{arch}/io_uring.rs"),
        _ => format!("src/sys/sys_{arch}.rs"),
    };
    let path = sources_of(package)?.join(file);
    fs::read_to_string(&path).map_err(|why| format!("{}: {why}", path.display()))
}

/// The directory of the newest version of a package that this workspace depends on.
fn sources_of(package: &str) -> Result<PathBuf, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--format-version", "1"]).current_dir(workspace_root());
    let output = command.output().map_err(|why| why.to_string())?;
    let metadata = String::from_utf8_lossy(&output.stdout);
    let manifests = metadata.split("\"manifest_path\":\"").skip(1);
    let directories = manifests
        .filter_map(|rest| rest.split('"').next())
        .filter_map(|path| path.strip_suffix("/Cargo.toml"))
        .filter(|path| {
            let name = path.rsplit('/').next().unwrap_or(path);
            let version = name.strip_prefix(package).and_then(|rest| rest.strip_prefix('-'));
            version.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
        });
    let newest = directories.max_by_key(|path| version_of(path));
    newest.map(PathBuf::from).ok_or_else(|| {
        format!("cargo metadata knows no sources: {}", String::from_utf8_lossy(&output.stderr))
    })
}

/// The numbers at the end of a path, for comparing.
fn version_of(path: &str) -> Vec<u64> {
    let version = path.rsplit('-').next().unwrap_or_default();
    version.split('.').map_while(|part| part.parse().ok()).collect()
}

/// Every constant of a generated file, with its value.
fn parse(text: &str) -> Vec<(&str, i128)> {
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.trim().trim_end_matches([';', ',']);
        let Some((left, value)) = line.split_once('=') else { continue };
        let left = left.trim().strip_prefix("pub const ").unwrap_or(left.trim());
        let name = left.split(':').next().unwrap_or(left).trim();
        // `io_uring_op_IORING_OP_NOP`: with the name of its type before it.
        let name = name.find("IO").map_or(name, |at| &name[at..]);
        if let Ok(value) = value.trim().parse() {
            found.push((name, value));
        }
    }
    found
}

/// Compares all constants that both have.
pub fn compare(text: &str) -> Comparison {
    let theirs = parse(text);
    let mut comparison = Comparison::default();
    let ours = constants::all();
    for (name, value) in &ours {
        match theirs.iter().find(|(theirs, _)| theirs == name) {
            Some(&(_, other)) => comparison.add(name, *value, as_unsigned(other, *value)),
            None => comparison.ours_alone.push((*name).to_owned()),
        }
    }
    let prefixes = ["IORING_", "IOSQE_", "IO_URING_"];
    for (name, _) in theirs {
        let is_constant = prefixes.iter().any(|prefix| name.starts_with(prefix));
        if is_constant && ours.iter().all(|(ours, _)| *ours != name) {
            comparison.theirs_alone.push(name.to_owned());
        }
    }
    comparison
}

/// A negative number as the unsigned one of ours' width.
fn as_unsigned(value: i128, ours: u64) -> u64 {
    if value < 0 && u32::try_from(ours).is_ok() { value as u32 as u64 } else { value as u64 }
}
