//! Every future of a child process and of a signal, ended at every point: no status and no signal
//! is lost, and nothing of a child is left.

use std::io;

use annulus::process::{Child, Command, Stdio};
use annulus::signal::{SignalKind, ctrl_c, signal};
use futures_util::StreamExt as _;

use super::{Cut, Points};

/// Lends a child to a future that may be forgotten, and ends it whatever happens.
struct Lent(*mut Child);

impl Lent {
    fn new(child: Child) -> (Self, &'static mut Child) {
        let lent: *mut Child = Box::into_raw(Box::new(child));
        // SAFETY: it was just made; it is only used again when the borrower is gone.
        (Self(lent), unsafe { &mut *lent })
    }

    /// The child again: its borrower is gone, or forgotten and never polled again.
    fn again(&self) -> &'static mut Child {
        // SAFETY: made by `Box::into_raw` above, and not dropped.
        unsafe { &mut *self.0 }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // SAFETY: made by `Box::into_raw` above.
        let mut child = unsafe { Box::from_raw(self.0) };
        if let Some(id) = child.id() {
            // SAFETY: no pointers; it is a child that was not waited for.
            unsafe { libc::kill(id as i32, libc::SIGKILL) };
        }
        while let Ok(None) = child.try_wait() {
            std::thread::yield_now();
        }
    }
}

#[test]
fn waits_ended_anywhere_lose_no_status() {
    Points::of(&["process::child::wait", "process::child::kill"]).run_forked(|cut| async move {
        let mut command = Command::new("cat");
        let (kept, lent) = Lent::new(command.stdin(Stdio::null()).spawn()?);
        let first = cut.end(async move { lent.wait().await }).await.transpose()?;
        let child = kept.again();
        let status = child.wait().await?;
        assert!(first.is_none_or(|first| first == status), "{cut:?}");
        assert!(status.success(), "{cut:?}");

        let (kept, lent) = Lent::new(Command::new("sleep").arg("1000").spawn()?);
        let killed = cut.end(async move { lent.kill().await }).await.transpose()?;
        assert!(killed.is_none() || kept.again().try_wait()?.is_some(), "{cut:?}");
        Ok(())
    });
}

#[test]
fn whole_runs_ended_anywhere_leave_nothing() {
    let names = Points::of(&[
        "process::command::status",
        "process::command::output",
        "process::child::wait_with_output",
    ]);
    names.run_forked(|cut: Cut| async move {
        let running = async {
            assert!(Command::new("true").kill_on_drop(true).status().await?.success());
            let mut echo = Command::new("echo");
            let output = echo.arg("text").kill_on_drop(true).output().await?;
            let child = echo.stdout(Stdio::piped()).spawn()?;
            assert_eq!(child.wait_with_output().await?, output);
            io::Result::Ok(output.stdout)
        };
        let text = cut.end(running).await.transpose()?;
        assert!(text.is_none_or(|text| text == b"text\n"), "{cut:?}");
        Ok(())
    });
}

/// Sends a signal to this process, which is a forked child.
fn raise(kind: SignalKind) {
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::kill(std::process::id() as i32, kind.as_raw()) }, 0);
}

/// Makes what stays of these signals before descriptors are counted.
fn listen_once() {
    for kind in [SignalKind::USER_DEFINED1, SignalKind::INTERRUPT] {
        crate::harness::check(super::small(), async move { signal(kind).map(drop) });
    }
}

#[test]
fn waits_for_signals_ended_anywhere_lose_none() {
    // Made here: it reads the sources, and waits for whoever has the process.
    let points = Points::of(&["signal::recv", "signal::Signal", "signal::ctrl_c"]);
    let _own = crate::harness::own_process();
    let code = crate::hazards::fork::in_child(|| {
        listen_once();
        points.run_here(|cut| async move {
            let mut user = signal(SignalKind::USER_DEFINED1)?;
            let mut second = signal(SignalKind::USER_DEFINED1)?;
            let raising = annulus::spawn(async {
                super::yield_to_kernel().await?;
                raise(SignalKind::USER_DEFINED1);
                super::yield_to_kernel().await?;
                raise(SignalKind::INTERRUPT);
                io::Result::Ok(())
            });
            let hearing = async move {
                let interrupted = ctrl_c();
                let (user, interrupted) = annulus::join!(
                    async {
                        user.recv().await?;
                        raise(SignalKind::USER_DEFINED1);
                        user.next().await.expect("it has no end")
                    },
                    interrupted
                );
                user.and(interrupted)
            };
            cut.end(hearing).await.transpose()?;
            raising.await.expect("it does not panic")?;
            second.recv().await
        });
    });
    assert_eq!(code, 0, "it failed in the child; what it said is above");
}
