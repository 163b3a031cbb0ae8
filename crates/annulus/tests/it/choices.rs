//! `select!`, `join!`, `try_join!`: every form of the grammar, and what becomes of the losers.

use std::cell::Cell;
use std::future::{pending, ready};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use annulus::net::UnixStream;
use annulus::time::sleep;
use annulus::{join, select, try_join};

use crate::harness::run;

/// Tells when it is dropped.
struct Told<'a>(&'a Cell<u32>);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn the_first_that_is_ready_wins_and_the_others_are_dropped_before_its_handler() {
    run(async {
        let drops = Cell::new(0);
        let told = Told(&drops);
        let loser = async {
            let _told = told;
            pending::<()>().await;
        };
        let seen = select! {
            () = loser => unreachable!(),
            () = async { annulus::task::yield_now().await } => drops.get(),
        };
        assert_eq!(seen, 1);
        Ok(())
    });
}

#[test]
fn handlers_are_code_of_the_place_where_they_stand() {
    async fn first_even(numbers: &[u32]) -> Result<u32, String> {
        for number in numbers {
            let half = select! {
                half = async { (number % 2 == 0).then_some(number / 2).ok_or("odd") } => {
                    match half {
                        Ok(half) => half,
                        Err(_) if *number == 7 => break,
                        Err(_) => continue,
                    }
                }
                () = pending() => return Err("never".to_owned()),
            };
            annulus::task::yield_now().await;
            return Ok(half);
        }
        Err("none".to_owned())
    }
    run(async {
        assert_eq!(first_even(&[1, 3, 8]).await, Ok(4));
        assert_eq!(first_even(&[1, 7, 8]).await, Err("none".to_owned()));
        Ok(())
    });
}

#[test]
fn the_handler_may_use_what_the_futures_had_borrowed() {
    run(async {
        let mut text = String::from("a");
        let other = String::from("b");
        select! {
            biased;
            len = async { text.push('c'); text.len() } => { text.push_str(&len.to_string()) }
            _ = async { pending::<()>().await; other.len() } => {}
        }
        assert_eq!(text, "ac2");
        Ok(())
    });
}

#[test]
fn a_pattern_that_does_not_fit_disables_its_branch() {
    run(async {
        let mut polls = 0;
        let seen = select! {
            biased;
            Some(1) = async { polls += 1; Some(2) } => "one",
            Ok(text) | Err(text) = async {
                annulus::task::yield_now().await;
                Result::<&str, &str>::Err("other")
            } => text,
        };
        assert_eq!((seen, polls), ("other", 1));
        Ok(())
    });
}

#[test]
fn a_branch_whose_condition_is_false_is_not_polled() {
    run(async {
        let polled = Cell::new(false);
        let seen = select! {
            biased;
            () = async { polled.set(true) }, if polled.get() => 1,
            () = async {}, if true => { 2 }
            else => 3
        };
        assert_eq!((seen, polled.get()), (2, false));
        Ok(())
    });
}

#[test]
fn else_runs_when_every_branch_is_disabled_and_without_it_that_is_a_panic() {
    run(async {
        let seen = select! {
            Some(n) = ready(None::<u32>) => n,
            n = ready(1), if false => n,
            else => 9,
        };
        assert_eq!(seen, 9);
        let panicking = annulus::spawn(async {
            select! { Some(n) = ready(None::<u32>) => n }
        });
        let error = panicking.await.unwrap_err().to_string();
        assert!(error.contains("all branches of select! are disabled"), "{error}");
        Ok(())
    });
}

#[test]
fn biased_branches_are_polled_in_order_and_fair_ones_all_win_sometimes() {
    run(async {
        let mut wins = [0_u32; 4];
        for _ in 0..400 {
            let winner = select! {
                biased;
                () = ready(()) => 0,
                () = ready(()) => 1,
            };
            assert_eq!(winner, 0);
            let winner = select! {
                () = ready(()) => 0,
                () = ready(()) => 1,
                () = ready(()) => 2,
                () = ready(()) => 3,
            };
            wins[winner] += 1;
        }
        assert!(wins.iter().all(|&wins| wins > 40), "{wins:?}");
        Ok(())
    });
}

#[test]
fn futures_that_are_kept_outside_go_on_after_a_select() {
    run(async {
        let mut pause = std::pin::pin!(sleep(Duration::from_millis(2)));
        let mut ticks = 0;
        loop {
            select! {
                () = &mut pause => break,
                () = annulus::task::yield_now() => ticks += 1,
            }
        }
        assert!(ticks > 0);
        Ok(())
    });
}

#[test]
fn a_receive_that_loses_again_and_again_loses_no_byte() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        let writer = annulus::spawn(async move {
            for number in 0..200_u8 {
                left.write_all(vec![number; 10]).await?;
                if number % 3 == 0 {
                    annulus::task::yield_now().await;
                }
            }
            io::Result::Ok(())
        });
        let mut bytes = Vec::new();
        loop {
            select! {
                mut data = right.recv() => match data.as_mut() {
                    Ok(Some(lease)) => bytes.extend_from_slice(lease),
                    Ok(None) => break,
                    Err(error) => panic!("{error}"),
                },
                () = annulus::task::yield_now() => {}
            }
        }
        writer.await.unwrap()?;
        assert_eq!(bytes, (0..200_u8).flat_map(|number| [number; 10]).collect::<Vec<_>>());
        Ok(())
    });
}

#[test]
fn a_join_gives_all_outputs_and_drops_each_future_as_soon_as_it_is_ready() {
    run(async {
        let drops = Rc::new(Cell::new(0));
        let seen = Rc::clone(&drops);
        let (one, two, three) = join!(
            async {
                let _told = Told(&drops);
                1
            },
            async {
                annulus::task::yield_now().await;
                seen.get()
            },
            ready("three"),
        );
        assert_eq!((one, two, three), (1, 1, "three"));
        assert_eq!(join!(ready(1)), (1,));
        Ok(())
    });
}

#[test]
fn a_join_overlaps_operations_of_the_kernel() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        let mut echo = [0; 4];
        let (sent, back, echoed) = join!(
            left.write_all("ping"),
            async { left.recv().await.map(|data| data.map(|data| data.len())) },
            async {
                let data = right.recv().await?.expect("it was sent");
                echo.copy_from_slice(&data);
                right.write_all(data).await?;
                io::Result::Ok(())
            },
        );
        sent?;
        echoed?;
        assert_eq!((back?, &echo), (Some(4), b"ping"));
        Ok(())
    });
}

#[test]
fn a_try_join_ends_with_the_first_error_and_drops_the_others() {
    run(async {
        let drops = Cell::new(0);
        let told = Told(&drops);
        let failed: Result<((), u8), &str> = try_join!(
            async {
                let _told = told;
                pending::<Result<(), &str>>().await
            },
            async {
                annulus::task::yield_now().await;
                Err("second")
            },
        );
        assert_eq!((failed, drops.get()), (Err("second"), 1));
        let both: Result<(u8, u8), ()> = try_join!(ready(Ok(1)), ready(Ok(2)));
        assert_eq!(both, Ok((1, 2)));
        Ok(())
    });
}

#[test]
fn futures_made_of_the_macros_are_send_if_their_branches_are() {
    fn sends<T: Send>(_: &T) {}
    let future = async {
        let _ = join!(ready(1), ready(2));
        let _: Result<(u8,), ()> = try_join!(ready(Ok(1)));
        select! {
            n = ready(1) => n,
            n = ready(2) => n,
        }
    };
    sends(&future);
}
