//! What the command line names.
//!
//! Owns: finding workloads by name, family or group; an unknown name is answered with the known
//! ones.

use std::fmt::Write as _;
use std::io;

use crate::{GROUPS, WORKLOADS, Workload};

/// The workloads of these names, in the order of the catalogue; all if there are none.
pub(super) fn workloads(names: &[String]) -> io::Result<Vec<Workload>> {
    let is = |workload: &Workload, name: &str| {
        [workload.name, workload.family, workload.group].contains(&name)
    };
    if let Some(unknown) = names.iter().find(|name| !WORKLOADS.iter().any(|w| is(w, name))) {
        return Err(unknown_name("workload", unknown, &list_workloads(|_| true)));
    }
    let chosen = WORKLOADS
        .iter()
        .filter(|workload| names.is_empty() || names.iter().any(|name| is(workload, name)));
    Ok(chosen.copied().collect())
}

/// The names of `known` that are asked for, in its order; all if nothing is asked for.
///
/// # Errors
/// `InvalidInput`, with `list`, for an unknown name.
pub fn named<'a, T>(
    known: &'a [T],
    name: fn(&T) -> &str,
    asked: &[String],
    list: &str,
) -> io::Result<Vec<&'a T>> {
    if let Some(unknown) = asked.iter().find(|asked| !known.iter().any(|one| name(one) == *asked)) {
        return Err(unknown_name("peer", unknown, list));
    }
    let is_asked = |one: &&T| asked.is_empty() || asked.iter().any(|asked| name(one) == asked);
    Ok(known.iter().filter(is_asked).collect())
}

fn unknown_name(what: &str, name: &str, list: &str) -> io::Error {
    let message = format!("there is no {what} {name:?}; there are:\n{list}");
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

/// The workloads that somebody runs, for people.
pub fn list_workloads(is_run: impl Fn(&Workload) -> bool) -> String {
    let mut text = String::new();
    for group in GROUPS {
        let is_listed = |workload: &&Workload| workload.group == *group && is_run(workload);
        let mut listed = WORKLOADS.iter().filter(is_listed).peekable();
        if listed.peek().is_some() {
            let _ = writeln!(text, "  {group}");
        }
        for workload in listed {
            let _ = writeln!(text, "    {:<14} {}", workload.name, workload.title);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: &[&str]) -> Vec<String> {
        of.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn workloads_are_found_by_name_family_and_group() {
        let found = |name| workloads(&names(&[name])).unwrap().len();
        assert_eq!(found("spawn-1"), 1);
        assert_eq!(found("spawn"), 2);
        assert!(found("tasks") > 5);
        assert_eq!(workloads(&[]).unwrap().len(), WORKLOADS.len());
    }

    #[test]
    fn what_nobody_runs_is_not_listed_and_neither_is_a_group_of_nothing_else() {
        let text = list_workloads(|workload| workload.family == "spawn");
        assert!(text.starts_with("  tasks\n    spawn-1 "), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}");
    }

    #[test]
    fn what_is_unknown_is_answered_with_what_is_known() {
        let error = workloads(&names(&["spam"])).unwrap_err().to_string();
        assert!(error.contains("\"spam\"") && error.contains("spawn-1000"), "{error}");
        let known = ["tokio", "tokio-mt"];
        let found = |asked| named(&known, |one| one, &names(asked), "  tokio\n").map(|v| v.len());
        assert_eq!(found(&["tokio-mt"]).unwrap(), 1);
        assert_eq!(found(&[]).unwrap(), 2);
        let error = found(&["tokyo"]).unwrap_err().to_string();
        assert!(error.ends_with("there is no peer \"tokyo\"; there are:\n  tokio\n"), "{error}");
    }
}
