//! An open, accept or connect is cancelled, and succeeds all the same: nobody owns the descriptor.
//!
//! *Evidence*: tokio#7979, tokio-uring#129, monoio#318, compio#315.
//!
//! *Answer*: what a request may return, its owner in the slot gives back (`Operation::orphan`); a
//! connection that nobody took is in the listener's queue, and closed with it.
//!
//! *Also proven*: `cancel`, at every poll point.

use annulus::fs::{Dir, File};
use annulus::net::{TcpListener, TcpStream};
use annulus_sim::{Fault, Faults};

use crate::cancel::{at_rest, small, yield_to_kernel};
use crate::harness::ground::{on_seeds, tiny};
use crate::harness::{NOTHING, check, descriptors, opened_since, own_process};

/// The cancel finds the request done, or nearly so.
fn too_late() -> Faults {
    Faults::all().with(Fault::CancelRace, 900).with(Fault::Delay, 700)
}

#[test]
fn opens_cancelled_too_late_are_closed() {
    let total = on_seeds(
        80,
        |world| world.set_faults(too_late()),
        tiny,
        |ground| async move {
            let path = ground.file("late", b"late");
            for round in 0..20 {
                let mut opening = Box::pin(File::open(&path));
                let mut dir = Box::pin(Dir::open("/tmp"));
                assert!(futures_util::poll!(&mut opening).is_pending());
                assert!(futures_util::poll!(&mut dir).is_pending());
                for _ in 0..round % 4 {
                    yield_to_kernel().await?;
                }
            }
            at_rest().await
        },
    );
    assert!(total.count(Fault::CancelRace) > 0);
}

#[test]
fn accepts_and_connects_cancelled_too_late_are_closed() {
    let total = on_seeds(
        80,
        |world| world.set_faults(too_late()),
        tiny,
        |_| async {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let address = listener.local_addr()?;
            for round in 0..20 {
                let mut accepting = Box::pin(listener.accept());
                let mut connecting = Box::pin(TcpStream::connect(address));
                drop(futures_util::poll!(&mut accepting));
                assert!(futures_util::poll!(&mut connecting).is_pending());
                for _ in 0..round % 4 {
                    yield_to_kernel().await?;
                }
                if round % 2 == 0 {
                    drop(accepting);
                    yield_to_kernel().await?;
                }
            }
            drop(listener);
            at_rest().await
        },
    );
    assert!(total.count(Fault::CancelRace) > 0);
}

#[test]
fn a_thousand_opens_given_up_leave_no_descriptor() {
    let _own = own_process();
    let before = descriptors();
    check(small(), async {
        for round in 0..1000 {
            let mut opening = Box::pin(File::open("/etc/passwd"));
            assert!(futures_util::poll!(&mut opening).is_pending());
            match round % 3 {
                0 => yield_to_kernel().await?,
                1 => std::thread::scope(|scope| {
                    scope.spawn(move || drop(opening));
                }),
                _ => drop(opening),
            }
        }
        at_rest().await
    });
    assert_eq!(opened_since(&before), NOTHING);
}

#[test]
fn a_thousand_accepts_and_connects_given_up_leave_no_descriptor() {
    let _own = own_process();
    let before = descriptors();
    check(small(), async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        for round in 0..1000 {
            let mut accepting = Box::pin(listener.accept());
            let mut connecting = Box::pin(TcpStream::connect(address));
            // Connections that were given up too late are accepted, too.
            drop(futures_util::poll!(&mut accepting));
            assert!(futures_util::poll!(&mut connecting).is_pending());
            if round % 3 == 0 {
                yield_to_kernel().await?;
            }
            drop(accepting);
            if round % 2 == 0 {
                yield_to_kernel().await?;
            }
            drop(connecting);
        }
        drop(listener);
        at_rest().await
    });
    assert_eq!(opened_since(&before), NOTHING);
}
