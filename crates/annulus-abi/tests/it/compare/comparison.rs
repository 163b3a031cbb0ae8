//! What this crate and a C header say of the same names.

use super::{constants, header::Header, layouts};

/// The outcome of comparing all names of this crate with those of someone else.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// How many say the same.
    pub agreed: usize,
    /// Names that only this crate has.
    pub ours_alone: Vec<String>,
    /// Constants that only the other side has.
    pub theirs_alone: Vec<String>,
    /// Names that both have, and not the same.
    pub disagreements: Vec<Disagreement>,
}

/// A name that both have, and not the same.
#[derive(Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The name, or an expression with one.
    pub name: String,
    /// What it is worth here.
    pub ours: u64,
    /// What it is worth there.
    pub theirs: u64,
}

impl Comparison {
    /// Takes note of a name that both have.
    pub fn add(&mut self, name: &str, ours: u64, theirs: u64) {
        if ours == theirs {
            self.agreed += 1;
        } else {
            self.disagreements.push(Disagreement { name: name.to_owned(), ours, theirs });
        }
    }
}

/// Compares the value of every constant.
///
/// # Errors
/// As [`Header::evaluate`].
pub fn constants_with(header: &Header) -> Result<Comparison, String> {
    let all = constants::all();
    let mut comparison = Comparison::default();
    let (known, unknown): (Vec<_>, Vec<_>) =
        all.iter().copied().partition(|(name, _)| header.has(name));
    comparison.ours_alone = unknown.iter().map(|(name, _)| (*name).to_owned()).collect();
    let theirs = header.names().into_iter().filter(|name| all.iter().all(|(ours, _)| ours != name));
    comparison.theirs_alone = theirs.map(str::to_owned).collect();
    let names: Vec<_> = known.iter().map(|(name, _)| (*name).to_owned()).collect();
    let values = header.evaluate(&names)?;
    for (name, value) in known {
        comparison.add(name, value, values[name]);
    }
    Ok(comparison)
}

/// Compares the size of every structure and the offset of every member.
///
/// # Errors
/// As [`Header::evaluate`].
pub fn layouts_with(header: &Header) -> Result<Comparison, String> {
    let mut comparison = Comparison::default();
    let mut known = Vec::new();
    for layout in layouts::all() {
        if !header.has_struct(layout.name) {
            comparison.ours_alone.push(layout.name.to_owned());
            continue;
        }
        known.push((format!("sizeof(struct {})", layout.name), layout.bytes));
        for (member, offset) in layout.members {
            if header.has_member(layout.name, member) {
                known.push((format!("offsetof(struct {}, {member})", layout.name), offset));
            } else {
                comparison.ours_alone.push(format!("{}.{member}", layout.name));
            }
        }
    }
    let names: Vec<_> = known.iter().map(|(name, _)| name.clone()).collect();
    let values = header.evaluate(&names)?;
    for (name, value) in known {
        comparison.add(&name, value as u64, values[&name]);
    }
    Ok(comparison)
}
