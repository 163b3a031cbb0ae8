//! Every future of a task or of a core, ended at every point: no result is lost, no task is left.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use annulus::net::UnixStream;
use annulus::runtime::{CoreHandle, stopping};
use annulus::task::{JoinSet, scope, spawn_blocking, yield_now};

use super::{Cut, Points, until, yield_to_kernel};

/// Counts up when it goes away.
struct Leaving(Rc<Cell<u32>>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

/// Takes a few turns of the kernel.
async fn work() -> io::Result<u8> {
    for _ in 0..3 {
        yield_to_kernel().await?;
    }
    Ok(7)
}

#[test]
fn a_join_ended_anywhere_leaves_its_task_to_itself() {
    Points::of(&["task::join::JoinHandle"]).here().run(|cut| async move {
        let done = Rc::new(Cell::new(0));
        let leaving = Leaving(done.clone());
        let task = annulus::spawn(async move {
            let _leaving = leaving;
            work().await
        });
        if let Some(joined) = cut.end_here(task).await {
            assert_eq!(joined.expect("it does not panic")?, 7);
        }
        until("the task has run to its end", || done.get() == 1).await
    });
}

#[test]
fn a_join_that_is_polled_by_reference_gives_its_output_later() {
    Points::of(&["task::join::JoinHandle"]).here().run(|cut| async move {
        let mut task = annulus::spawn(work());
        // One point earlier, of the same handle: by reference.
        let polled = futures_util::poll!(&mut task);
        assert!(polled.is_pending());
        if let Some(joined) = cut.end_here(task).await {
            assert_eq!(joined.expect("it does not panic")?, 7);
        }
        Ok(())
    });
}

#[test]
fn a_remote_join_ended_anywhere_leaves_its_task_to_itself() {
    Points::of(&["task::remote::RemoteJoinHandle"]).run(|cut| async move {
        let task = annulus::spawn(work()).remote();
        if let Some(joined) = cut.end(task).await {
            assert_eq!(joined.expect("it does not panic")?, 7);
        }
        Ok(())
    });
    Points::of(&["task::remote::RemoteJoinHandle"]).run(|cut| async move {
        let task = CoreHandle::current()?.spawn(work);
        if let Some(joined) = cut.end(task).await {
            assert_eq!(joined.expect("it does not panic")?, 7);
        }
        Ok(())
    });
}

/// A set that a future borrows which may be forgotten.
struct Shared<T: 'static>(*mut T);

impl<T> Shared<T> {
    fn new(value: T) -> Self {
        Self(Box::into_raw(Box::new(value)))
    }

    /// The value, for the one future that the test ends.
    fn lend(&self) -> &'static mut T {
        // SAFETY: made by `new`; the test uses it otherwise only through `back`.
        unsafe { &mut *self.0 }
    }

    /// The value again. The future that had it is gone, or is never polled again.
    fn back(self) -> T {
        // SAFETY: made by `new`, and what was lent is out of use.
        *unsafe { Box::from_raw(self.0) }
    }
}

#[test]
fn join_next_ended_anywhere_loses_no_result() {
    Points::of(&["task::join_set::join_next", "task::join_set::join_next_with_id"]).here().run(
        |cut| async move {
            let mut set = JoinSet::new();
            for number in 0..4u8 {
                set.spawn(async move {
                    work().await?;
                    io::Result::Ok(number)
                });
            }
            let set = Shared::new(set);
            let lent = set.lend();
            let taking = async move {
                let first = lent.join_next().await.expect("four are there").expect("no panic")?;
                let (_, second) = lent.join_next_with_id().await.expect("three are there");
                io::Result::Ok((first, second.expect("no panic")?))
            };
            let taken = cut.end_here(taking).await.transpose()?;
            let mut set = set.back();
            let mut left = set.len();
            while let Some(joined) = set.join_next().await {
                joined.expect("no panic")?;
                left -= 1;
            }
            assert_eq!(left, 0, "{cut:?}: as many came as were left");
            assert!(taken.is_none_or(|(first, second)| first != second));
            Ok(())
        },
    );
}

#[test]
fn the_end_of_a_set_ended_anywhere_ends_its_tasks() {
    Points::of(&["task::join_set::shutdown", "task::join_set::join_all"]).here().run(
        |cut| async move {
            let gone = Rc::new(Cell::new(0));
            let spawn = |set: &mut JoinSet<io::Result<u8>>| {
                for _ in 0..3 {
                    let leaving = Leaving(gone.clone());
                    set.spawn(async move {
                        let _leaving = leaving;
                        work().await
                    });
                }
            };
            let (mut first, mut second) = (JoinSet::new(), JoinSet::new());
            spawn(&mut first);
            spawn(&mut second);
            let ending = async move {
                first.shutdown().await;
                second.join_all().await.into_iter().collect::<io::Result<Vec<_>>>()
            };
            if let Some(all) = cut.end_here(ending).await.transpose()? {
                assert_eq!(all, [7; 3]);
            }
            // A forgotten set leaves its tasks to themselves; they end, too.
            until("all six tasks are gone", || gone.get() == 6).await
        },
    );
}

#[test]
fn a_scope_ended_anywhere_ends_its_children() {
    Points::of(&["task::scope::scope"]).here().run(|cut| async move {
        let gone = Rc::new(Cell::new(0));
        let (left, right) = UnixStream::pair()?;
        let inside = gone.clone();
        let scoped = scope(move |children| async move {
            let leaving = Leaving(inside.clone());
            children.spawn(async move {
                let _leaving = leaving;
                right.recv().await.map(drop)
            });
            for _ in 0..2 {
                let leaving = Leaving(inside.clone());
                children.spawn(async move {
                    let _leaving = leaving;
                    work().await.map(drop)
                });
            }
            yield_to_kernel().await?;
            left.write_all("end").await.map(drop)?;
            io::Result::Ok(left)
        });
        let polled = cut.polled();
        let ended = cut.end_here(scoped).await.transpose()?;
        if polled && !cut.forgets() {
            assert_eq!(gone.get(), 3, "{cut:?}: no child outlives its scope");
        }
        drop(ended);
        Ok(())
    });
}

#[test]
fn blocking_work_whose_handle_is_ended_anywhere_runs_all_the_same() {
    Points::of(&["task::blocking::BlockingHandle"]).real_only("threads").run(|cut| async move {
        let (tell, told) = std::sync::mpsc::channel();
        let work = spawn_blocking(move || {
            tell.send(()).expect("the test waits");
            9
        });
        if let Some(joined) = cut.end(work).await {
            assert_eq!(joined.expect("it does not panic"), 9);
        }
        told.recv().expect("the work was done");
        Ok(())
    });
}

annulus::task_local! {
    static WORTH: u8;
}

#[test]
fn a_task_local_scope_ended_anywhere_leaves_no_value_behind() {
    Points::of(&["task::task_local::TaskLocalFuture"]).here().run(|cut| async move {
        let scoped = WORTH.scope(5, async {
            for _ in 0..3 {
                assert_eq!(WORTH.get(), 5);
                yield_to_kernel().await?;
            }
            io::Result::Ok(WORTH.get())
        });
        if let Some(worth) = cut.end_here(scoped).await.transpose()? {
            assert_eq!(worth, 5);
        }
        assert!(WORTH.try_with(|_| ()).is_err(), "{cut:?}: outside there is none");
        Ok(())
    });
}

#[test]
fn yields_ended_anywhere_stop_nobody() {
    Points::of(&["task::coop::YieldNow"]).run(|cut| async move {
        let yields = async {
            for _ in 0..3 {
                yield_now().await;
            }
        };
        cut.end(yields).await;
        Ok(())
    });
}

#[test]
fn a_dump_ended_anywhere_disturbs_nobody() {
    Points::of(&["runtime::asking::Dumping"]).run(|cut| async move {
        let task = annulus::spawn(work());
        let core = CoreHandle::current()?;
        if let Some(dump) = cut.end(core.dump()).await {
            assert!(!dump.expect("the core runs").tasks.is_empty(), "{cut:?}");
        }
        assert_eq!(task.await.expect("no panic")?, 7);
        Ok(())
    });
}

#[test]
fn waits_for_the_stop_ended_anywhere_leave_the_others_waiting() {
    async fn both(cut: Cut, late: bool) -> io::Result<()> {
        let other = annulus::spawn(stopping());
        yield_to_kernel().await?;
        let core = CoreHandle::current()?;
        let asking = annulus::spawn(async move {
            yield_to_kernel().await?;
            core.stop(Some(Duration::from_secs(1000)));
            io::Result::Ok(())
        });
        if late {
            asking.await.expect("no panic")?;
            cut.end(stopping()).await;
        } else {
            cut.end(stopping()).await;
            asking.await.expect("no panic")?;
        }
        other.await.expect("it is told");
        Ok(())
    }
    Points::of(&["runtime::stopping::Stopping"]).run(|cut| both(cut, false));
    Points::of(&["runtime::stopping::Stopping"]).run(|cut| both(cut, true));
}
