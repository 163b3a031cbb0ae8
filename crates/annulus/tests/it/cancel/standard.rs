//! Reads and writes of standard streams, ended at every point, in a child whose streams are a
//! terminal: no line is lost, and none is printed twice.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::sync::Mutex;

use annulus::io::{stdin, stdout};

use super::{Cut, Points, Way};
use crate::harness::own_process;
use crate::hazards::fork::in_child;

/// Who types, in the child.
static TYPIST: Mutex<Option<File>> = Mutex::new(None);

fn terminal() -> (File, File) {
    let (mut ours, mut theirs) = (0, 0);
    let none = std::ptr::null_mut();
    // SAFETY: room for two descriptors; nothing else is asked for.
    let made = unsafe { libc::openpty(&mut ours, &mut theirs, none, none.cast(), none.cast()) };
    assert_eq!(made, 0, "{}", io::Error::last_os_error());
    // SAFETY: just made, and nobody else's.
    let [ours, theirs] = [ours, theirs].map(|fd| File::from(unsafe { OwnedFd::from_raw_fd(fd) }));
    (ours, theirs)
}

/// Takes what was printed off the screen, so that there is room for more.
fn drain() {
    let typist = TYPIST.lock().unwrap();
    let mut screen = typist.as_ref().expect("it is there");
    let fd = screen.as_raw_fd();
    // SAFETY: no pointers.
    unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_RDWR | libc::O_NONBLOCK) };
    while screen.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
    // SAFETY: no pointers.
    unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_RDWR) };
}

#[test]
fn reads_and_writes_of_a_terminal_ended_anywhere_lose_nothing() {
    // Made here: it reads the sources, and waits for whoever has the process.
    let points =
        Points::of(&["io::standard::read", "io::standard::write", "io::standard::write_all"]);
    let _own = own_process();
    let (ours, theirs) = terminal();
    let code = in_child(|| {
        for number in [0, 1] {
            // SAFETY: no pointers; this process ends after the test.
            assert_eq!(unsafe { libc::dup2(theirs.as_raw_fd(), number) }, number);
        }
        *TYPIST.lock().unwrap() = Some(ours);
        points.run_here(|cut: Cut| async move {
            // Who forgets a read keeps its turn for ever, as with the guard of a lock.
            if cut.way == Way::Forget {
                cut.completed.set(true);
                return Ok(());
            }
            drain();
            TYPIST.lock().unwrap().as_ref().expect("it is there").write_all(b"line\n")?;
            let using = async move {
                let line = stdin()?.read(Vec::with_capacity(64)).await?.1;
                let out = stdout()?;
                out.write("x").await?;
                out.write_all("y\n").await?;
                io::Result::Ok(line)
            };
            let ended = cut.end(using).await.transpose()?;
            // Given up before or after the line was read: a second one is read whole.
            TYPIST.lock().unwrap().as_ref().expect("it is there").write_all(b"next\n")?;
            let mut last = ended.unwrap_or_default();
            let input = stdin()?;
            while last != b"next\n" {
                last = input.read(Vec::with_capacity(64)).await?.1;
                assert!(last == b"line\n" || last == b"next\n", "{cut:?}: {last:?}");
            }
            Ok(())
        });
    });
    assert_eq!(code, 0, "it failed in the child; what it said is above");
}
