//! Who the process becomes once everything is bound.
//!
//! Owns: names of users and groups, from the two files of the system. Does not own: the calls
//! (`core::privileges`). Mirrors passwd(5), group(5).

use std::io;
use std::path::Path;

use super::Error;
use super::config::Config;

/// Becomes the user and the group of the configuration, if it names any.
pub(super) fn give_up(config: &Config) -> Result<(), Error> {
    let Some((uid, gid)) = wanted(config, Path::new("/etc"))? else { return Ok(()) };
    crate::core::privileges::drop_to(uid, gid)
        .map_err(|(step, source)| Error::Privileges { step, source })
}

/// The numbers of who it is to be.
fn wanted(config: &Config, etc: &Path) -> Result<Option<(u32, u32)>, Error> {
    let (user, group) = match (&config.user, &config.group) {
        (None, None) => return Ok(None),
        (user, group) => (user.as_deref(), group.as_deref()),
    };
    let group = group.map(|group| number_of(group, &etc.join("group"), "group")).transpose()?;
    let Some(user) = user else {
        let uid = rustix::process::getuid().as_raw();
        return Ok(group.map(|[gid, _]| (uid, gid)));
    };
    let [uid, own] = match (number_of(user, &etc.join("passwd"), "user"), group) {
        // A number that the file does not know is enough if the group is given.
        (Err(_), Some(_)) if user.parse::<u32>().is_ok() => [user.parse().unwrap_or(0), 0],
        (found, _) => found?,
    };
    let gid = group.map_or(own, |[gid, _]| gid);
    Ok(Some((uid, gid)))
}

/// The two numbers in the line of a name or number: of a user its own and its group's, of a group
/// its own twice.
fn number_of(wanted: &str, file: &Path, what: &'static str) -> Result<[u32; 2], Error> {
    let refused = |source| Error::Privileges { step: "looking up a name", source };
    let text = std::fs::read_to_string(file).map_err(refused)?;
    let lines = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?.parse().ok()?);
        let second: u32 = if what == "user" { fields.next()?.parse().ok()? } else { id };
        Some((name, id, second))
    });
    let mut lines = lines.filter(|(name, id, _)| *name == wanted || id.to_string() == wanted);
    match (lines.next(), wanted.parse()) {
        (Some((_, id, second)), _) => Ok([id, second]),
        (None, Ok(id)) if what == "group" => Ok([id, id]),
        (None, _) => {
            let text = format!("{} knows no {what} {wanted:?}", file.display());
            Err(refused(io::Error::new(io::ErrorKind::NotFound, text)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn etc() -> tempfile::TempDir {
        let etc = tempfile::tempdir().unwrap();
        let passwd = "root:x:0:0:root:/root:/bin/sh\nwww:x:33:34::/var/www:/bin/false\nbroken\n";
        std::fs::write(etc.path().join("passwd"), passwd).unwrap();
        std::fs::write(etc.path().join("group"), "root:x:0:\nstaff:x:50:www\n").unwrap();
        etc
    }

    #[test]
    fn users_and_groups_are_found_by_name_and_by_number() {
        let etc = etc();
        let wanted = |config: Config| wanted(&config, etc.path()).unwrap();
        assert_eq!(wanted(Config::new()), None);
        assert_eq!(wanted(Config::new().user("www")), Some((33, 34)));
        assert_eq!(wanted(Config::new().user("33")), Some((33, 34)));
        assert_eq!(wanted(Config::new().user("www").group("staff")), Some((33, 50)));
        assert_eq!(wanted(Config::new().user("7777").group("8888")), Some((7777, 8888)));
    }

    #[test]
    fn a_name_that_nobody_has_is_an_error_that_names_it() {
        let etc = etc();
        for config in [Config::new().user("nobody-here"), Config::new().user("7777")] {
            let error = wanted(&config, etc.path()).unwrap_err();
            assert!(matches!(error, Error::Privileges { step: "looking up a name", .. }));
            let name = config.user.unwrap();
            assert!(error.to_string().contains(&name), "{error}");
        }
    }
}
