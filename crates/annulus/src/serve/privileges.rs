//! Who the process becomes once everything is bound.
//!
//! Owns: names of users and groups, from the two files of the system, and that all threads have
//! given up what they had. Does not own: the calls (`core::privileges`). Mirrors passwd(5),
//! group(5), proc_pid_status(5).

use std::io;
use std::path::Path;

use super::Error;
use super::config::Config;
use crate::core::privileges;

/// Who the process has become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Became {
    uid: u32,
    gid: u32,
}

/// Becomes the user and the group of the configuration, if it names any.
///
/// # Errors
/// [`Error::Privileges`] if that is not allowed, or if any thread could come back.
pub(super) fn give_up(config: &Config) -> Result<Option<Became>, Error> {
    let Some((uid, gid)) = wanted(config, Path::new("/etc"))? else { return Ok(None) };
    let became = Became { uid, gid };
    privileges::drop_to(uid, gid).map_err(refused)?;
    became.check()?;
    became.check_threads(Path::new("/proc/self/task"))?;
    Ok(Some(became))
}

fn refused((step, source): (&'static str, io::Error)) -> Error {
    Error::Privileges { step, source }
}

impl Became {
    /// Whether the calling thread is who it is to be, and cannot be anybody else again.
    ///
    /// # Errors
    /// [`Error::Privileges`] with the first thing that is otherwise.
    pub(super) fn check(self) -> Result<(), Error> {
        privileges::check(self.uid, self.gid).map_err(refused)
    }

    /// Whether other threads of the process, which were there before, have changed as well.
    fn check_threads(self, tasks: &Path) -> Result<(), Error> {
        // Without /proc only the C library's word is left: it changes all threads or ends the
        // process.
        let Ok(tasks) = std::fs::read_dir(tasks) else { return Ok(()) };
        for task in tasks.flatten() {
            // One that has ended meanwhile has no rights.
            let Ok(status) = std::fs::read_to_string(task.path().join("status")) else { continue };
            if let Some(wrong) = self.wrong_in(&status) {
                let text =
                    format!("thread {} still has {wrong}", task.file_name().to_string_lossy());
                return Err(refused(("checking all threads", io::Error::other(text))));
            }
        }
        Ok(())
    }

    /// The line of a thread's status that is not as it should be.
    fn wrong_in(self, status: &str) -> Option<&str> {
        let wrong = |line: &&str| {
            let Some((name, value)) = line.split_once(':') else { return false };
            let all = |id: u32| value.split_whitespace().all(|field| field.parse() == Ok(id));
            match name {
                "Uid" => !all(self.uid),
                "Gid" => !all(self.gid),
                "Groups" => !value.trim().is_empty(),
                // Of root they are what root has.
                "CapPrm" | "CapEff" | "CapAmb" if self.uid != 0 => {
                    value.trim().bytes().any(|digit| digit != b'0')
                }
                _ => false,
            }
        };
        status.lines().find(wrong)
    }
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

    #[test]
    fn a_thread_that_has_kept_anything_is_found() {
        let became = Became { uid: 33, gid: 34 };
        let clean = "Name:\tx\nUid:\t33\t33\t33\t33\nGid:\t34\t34\t34\t34\nGroups:\t \n\
            CapInh:\t0000000000000001\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n";
        assert_eq!(became.wrong_in(clean), None);
        for (from, to) in [
            ("Uid:\t33\t33\t33", "Uid:\t33\t33\t0"),
            ("Gid:\t34", "Gid:\t0"),
            ("Groups:\t ", "Groups:\t27 "),
            ("CapPrm:\t0000000000000000", "CapPrm:\t0000000000000080"),
        ] {
            let kept = clean.replace(from, to);
            let wrong = became.wrong_in(&kept).unwrap();
            assert!(wrong.starts_with(&to[..5]), "{wrong}");
        }
        let tasks = tempfile::tempdir().unwrap();
        std::fs::create_dir(tasks.path().join("77")).unwrap();
        let status = clean.replace("Gid:\t34", "Gid:\t0");
        std::fs::write(tasks.path().join("77/status"), status).unwrap();
        let error = became.check_threads(tasks.path()).unwrap_err().to_string();
        assert!(error.contains("thread 77 still has Gid:"), "{error}");
    }
}
