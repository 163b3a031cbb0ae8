//! The inventory of unsafe code: how much, where, and how much of it has its reason beside it.

use std::fmt;

use crate::checks::{is_covered, sites};
use crate::tree::Tree;

#[cfg(test)]
mod tests;

/// The unsafe code of one file.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    path: String,
    /// Blocks and implementations with `// SAFETY:`.
    covered: usize,
    /// Blocks and implementations without.
    bare: usize,
    /// Declarations: functions, traits, foreign blocks.
    declared: usize,
}

/// The unsafe code of the tree.
#[derive(Debug)]
pub struct Inventory {
    rows: Vec<Row>,
}

impl Inventory {
    /// Counts.
    pub fn of(tree: &Tree) -> Self {
        let mut rows = Vec::new();
        for source in tree.sources() {
            let all = sites(source);
            let owing: Vec<_> = all.iter().filter(|site| site.owes).collect();
            let covered = owing.iter().filter(|site| is_covered(source, ***site)).count();
            if !all.is_empty() {
                rows.push(Row {
                    path: source.path.clone(),
                    covered,
                    bare: owing.len() - covered,
                    declared: all.len() - owing.len(),
                });
            }
        }
        Self { rows }
    }
}

impl fmt::Display for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |count: fn(&Row) -> usize| self.rows.iter().map(count).sum::<usize>();
        writeln!(f, "with SAFETY  without  declared  file")?;
        for row in &self.rows {
            let Row { path, covered, bare, declared } = row;
            writeln!(f, "{covered:>11}  {bare:>7}  {declared:>8}  {path}")?;
        }
        let (covered, bare, declared) =
            (sum(|row| row.covered), sum(|row| row.bare), sum(|row| row.declared));
        writeln!(f, "{covered:>11}  {bare:>7}  {declared:>8}  {} files", self.rows.len())
    }
}
