//! What a reading of an earlier framework of this kind found wrong: here it is right. The names say
//! what must hold; those in brackets are in `without_holes`, `conn` and `stopping`.
//!
//! | what was wrong there | what shows that it is right here |
//! |---|---|
//! | one waiter for each connection, shared by its reader and its writer | `a_reader_task_and_a_writer_task_of_one_connection_are_both_woken` |
//! | futures ignore the waker that they are polled with | `futures_of_many_connections_in_one_task_wake_it_by_the_waker_that_they_are_given` |
//! | a wake from another thread is lost, or goes to the wrong queue | `a_handler_is_woken_by_another_thread` |
//! | tasks that are dropped with their connection leak timers | `handlers_that_are_cut_off_leave_no_timer_and_wake_who_waits_for_them` |
//! | …, and senders that go with them wake nobody | `a_dropped_sender_wakes_the_handler_of_another_connection` |
//! | a stale handle closes or reads another connection | `a_stale_name_finds_nothing_and_a_closed_handle_touches_no_other_connection` |
//! | receives carry no generation | (`bytes_of_a_connection_that_is_gone_never_reach_the_one_that_has_its_place`) |
//! | a forwarded buffer that is queued overwrites what is left of another | `leases_of_different_lengths_that_are_forwarded_at_once_are_sent_once_and_in_order` |
//! | memory of a safe trait is given to the kernel | the trait is `unsafe`: `annulus::buf::Guard` has the program that must not compile |
//! | a parser comes back into the driver that is borrowed | `a_parser_may_use_its_connection_its_core_and_its_server` |
//! | a task or a job that panicked is never joined, an abort hangs, a thread of the pool dies | `what_panics_below_a_handler_is_an_answer_to_it_and_no_hang` |
//! | a panic of one handler | (`a_panic_in_one_handler_leaves_the_others_alone_and_is_reported`) |
//! | a socket that is full fails a zero-copy send | `a_socket_that_is_full_delays_gathered_sends_and_neither_fails_nor_tears_them` |
//! | a full submission queue drops the rest of a forward, and goes on behind it | (`forwarded_leases_have_no_hole_although_the_submission_queue_is_always_full`) |
//! | the peer's end of one direction ends the connection | `the_end_of_one_direction_does_not_end_the_other_nor_the_handler` |
//! | one slow reader takes all buffers for sends | `a_slow_reader_fills_its_own_queue_and_no_other_connection_notices` |
//! | a send that fails in the middle leaves its beginning | (`a_send_that_cannot_be_taken_leaves_nothing_of_itself_behind`) |
//! | stopping throws queued sends away | (`what_a_dropped_connection_had_accepted_is_sent`, `a_drain_under_load_answers_every_request`) |
//! | Unix peers look like 0.0.0.0:0 | (`unix_sockets_are_served_and_know_their_peer`) |

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use annulus::buf::{Gather, IoBuf as _};
use annulus::runtime::stopping;
use annulus::serve::{Conn, Ended, Parsed};
use annulus::sync::{cross, oneshot};
use annulus::task::spawn_blocking;
use annulus::time::{sleep, timeout};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;

use super::{BOUND, Run, eventually, exchange, rest, small};

const MANY: usize = 4 << 20;

fn pattern(n: usize) -> u8 {
    (n * 31 % 251) as u8
}

#[test]
fn a_reader_task_and_a_writer_task_of_one_connection_are_both_woken() {
    let run = Run::tcp(small(), |conn| async move {
        let reader = conn.clone();
        let reading = annulus::spawn(async move {
            let mut total = 0;
            while let Some(lease) = reader.recv().await.unwrap() {
                total += lease.len();
            }
            total
        });
        let writing = annulus::spawn(async move {
            for start in (0..MANY).step_by(8192) {
                let piece: Vec<u8> = (start..start + 8192).map(pattern).collect();
                conn.send(piece).await.unwrap();
            }
            conn.finish().await.unwrap();
        });
        writing.await.unwrap();
        assert_eq!(reading.await.unwrap(), MANY);
        Ok(())
    });
    let mut client = run.client();
    let mut writer = client.try_clone().unwrap();
    let writing = std::thread::spawn(move || {
        writer.write_all(&vec![1; MANY]).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let all = rest(&mut client);
    assert!(all.len() == MANY && all.iter().enumerate().all(|(n, &byte)| byte == pattern(n)));
    writing.join().unwrap();
    assert_eq!(run.end().panicked(), 0);
}

#[test]
fn futures_of_many_connections_in_one_task_wake_it_by_the_waker_that_they_are_given() {
    let (send, receive) = mpsc::channel();
    let backend = Run::echo(small());
    let address = backend.addr();
    let run = Run::tcp(small(), move |conn| {
        let send = send.clone();
        async move {
            let connecting = (0..8).map(|_| Conn::connect(address));
            let backends = join_all(connecting).await;
            let backends: Vec<Conn> = backends.into_iter().map(Result::unwrap).collect();
            for (n, backend) in backends.iter().enumerate() {
                backend.send_nowait(&[n as u8])?;
            }
            let mut answers: FuturesUnordered<_> =
                backends.iter().map(|backend| async { backend.recv().await.unwrap() }).collect();
            let mut seen = Vec::new();
            while let Some(Some(lease)) = answers.next().await {
                seen.extend_from_slice(&lease);
                if seen.len() == backends.len() {
                    break;
                }
            }
            seen.sort_unstable();
            send.send(seen).unwrap();
            conn.send("done").await?;
            Ok(())
        }
    });
    assert_eq!(rest(&mut run.client()), b"done");
    assert_eq!(receive.recv_timeout(BOUND).unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
    run.end();
    backend.end();
}

#[test]
fn a_handler_is_woken_by_another_thread() {
    let run = Run::tcp(small(), |conn| async move {
        let (answer, answered) = cross::oneshot();
        let thread = std::thread::spawn(move || answer.send(7_u8).unwrap());
        conn.send(vec![answered.await.unwrap()]).await?;
        thread.join().unwrap();
        Ok(())
    });
    for _ in 0..50 {
        assert_eq!(rest(&mut run.client()), [7]);
    }
    run.end();
}

#[test]
fn handlers_that_are_cut_off_leave_no_timer_and_wake_who_waits_for_them() {
    const HANDLERS: u64 = 300;
    let (told, tell) = mpsc::channel();
    let run = Run::tcp(small().drain_timeout(Duration::from_millis(1)), move |_conn| {
        let told = told.clone();
        async move {
            let (sender, receiver) = oneshot::channel::<u8>();
            annulus::spawn(async move {
                // Its sender is dropped with the handler.
                told.send(receiver.await.is_err()).unwrap();
            });
            sleep(Duration::from_secs(3600)).await;
            drop(sender);
            Ok(())
        }
    });
    let mut clients: Vec<_> = (0..HANDLERS).map(|_| run.client()).collect();
    eventually("all are served", || run.metrics().accepted() == HANDLERS);
    // Of those whose client goes, too: they are not cut off by that, only by the drain.
    clients.truncate(100);
    let metrics = run.end(); // looks for what is left
    assert_eq!(metrics.cancelled(), HANDLERS);
    // Tasks that were dropped with the core tell nothing; none is told that there is a value.
    assert!(tell.try_iter().all(|closed| closed));
}

#[test]
fn a_dropped_sender_wakes_the_handler_of_another_connection() {
    use std::cell::RefCell;
    annulus::core_local! {
        static PLACE: RefCell<Option<oneshot::Receiver<u8>>> = RefCell::new(None);
    }
    let run = Run::tcp(small(), |conn| async move {
        let (sender, receiver) = oneshot::channel::<u8>();
        let waits = PLACE.with(RefCell::take);
        let Some(waits) = waits else {
            PLACE.with(|place| place.replace(Some(receiver)));
            assert_eq!(conn.with_data(|bytes| Parsed::Consumed(bytes.len())).await, 0);
            drop(sender);
            return Ok(());
        };
        assert!(waits.await.is_err());
        conn.send("woken").await?;
        Ok(())
    });
    let first = run.client();
    eventually("the first is served", || run.metrics().accepted() == 1);
    let mut second = run.client();
    eventually("the second is served", || run.metrics().accepted() == 2);
    drop(first);
    assert_eq!(rest(&mut second), b"woken");
    run.end();
}

#[test]
fn a_stale_name_finds_nothing_and_a_closed_handle_touches_no_other_connection() {
    let (send, receive) = mpsc::channel();
    let run = Run::tcp(small(), move |conn| {
        let send = send.clone();
        async move {
            let driver = annulus::serve::driver().unwrap();
            let id = conn.id();
            assert!(driver.conn(id).is_some());
            let kept = conn.clone();
            conn.close();
            drop(conn);
            assert!(!kept.is_open());
            assert_eq!(
                kept.send_nowait(b"x").unwrap_err().kind(),
                std::io::ErrorKind::NotConnected
            );
            assert_eq!(
                kept.send("x").await.unwrap_err().error().kind(),
                std::io::ErrorKind::NotConnected
            );
            assert_eq!(kept.with_data(|_| Parsed::Consumed(1)).await, 0);
            assert_eq!(kept.ended(), Some(Ended::Closed));
            drop(kept);
            assert!(driver.conn(id).is_none(), "nobody has a handle any more");
            send.send(id).unwrap();
            Ok(())
        }
    });
    let mut names = Vec::new();
    for _ in 0..20 {
        // The descriptor, the record and the place in the registry are all used again.
        assert_eq!(rest(&mut run.client()), b"");
        names.push(receive.recv_timeout(BOUND).unwrap());
    }
    let mut different = names.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), names.len(), "no name is given twice");
    assert_eq!(run.end().panicked(), 0);
}

#[test]
fn leases_of_different_lengths_that_are_forwarded_at_once_are_sent_once_and_in_order() {
    let run = Run::tcp(small(), |conn| async move {
        let mut sends = FuturesUnordered::new();
        while let Some(lease) = conn.recv().await? {
            // None is awaited before the next is received: several are queued at once.
            let conn = conn.clone();
            let mut sending = Box::pin(async move { conn.send(lease).await.map(drop) });
            if futures_util::poll!(&mut sending).is_pending() {
                sends.push(sending);
            }
            while sends.len() > 4 {
                sends.next().await.unwrap()?;
            }
        }
        while let Some(sent) = sends.next().await {
            sent?;
        }
        Ok(())
    });
    let mut client = run.client();
    let mut writer = client.try_clone().unwrap();
    let writing = std::thread::spawn(move || {
        let mut sent = 0;
        while sent < MANY {
            let n = (1 + sent * 7919 % 30_011).min(MANY - sent);
            let bytes: Vec<u8> = (sent..sent + n).map(pattern).collect();
            writer.write_all(&bytes).unwrap();
            sent += n;
        }
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let all = rest(&mut client);
    writing.join().unwrap();
    assert_eq!(all.len(), MANY);
    assert!(all.iter().enumerate().all(|(n, &byte)| byte == pattern(n)), "stale bytes");
    run.end();
}

#[test]
fn a_parser_may_use_its_connection_its_core_and_its_server() {
    let run = Run::tcp(small(), |conn| async move {
        let n = conn
            .with_data(|bytes| {
                conn.send_nowait(bytes).unwrap();
                let driver = annulus::serve::driver().unwrap();
                assert_eq!((driver.connections(), driver.conns().len()), (1, 1));
                let again = driver.conn(conn.id()).unwrap();
                again.send_nowait(b"!").unwrap();
                annulus::spawn(async move { again.send_nowait(b"?").unwrap() });
                conn.set_watermarks(1 << 20, 0);
                Parsed::Consumed(bytes.len())
            })
            .await;
        assert_eq!(n, 2);
        let closed = conn.with_data(|bytes| {
            conn.close();
            Parsed::Consumed(bytes.len())
        });
        assert_eq!(closed.await, 1);
        assert_eq!(conn.with_data(|_| Parsed::NeedMore).await, 0);
        Ok(())
    });
    let mut client = run.client();
    client.write_all(b"hi").unwrap();
    let mut answer = [0; 4];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hi!?");
    client.write_all(b"x").unwrap();
    assert_eq!(rest(&mut client), b"");
    assert_eq!(run.end().panicked(), 0);
}

#[test]
fn what_panics_below_a_handler_is_an_answer_to_it_and_no_hang() {
    let run = Run::tcp(small(), |conn| async move {
        let task = annulus::spawn(async { panic!("of a task") });
        assert!(task.await.unwrap_err().is_panic());
        let job = spawn_blocking(|| panic!("of a job"));
        assert!(job.await.unwrap_err().is_panic());
        let aborted = annulus::spawn(std::future::pending::<()>());
        aborted.abort();
        assert!(aborted.await.unwrap_err().is_aborted());
        // The threads for blocking work are all there still.
        assert_eq!(spawn_blocking(|| 7).await.unwrap(), 7);
        conn.send("fine").await?;
        Ok(())
    });
    assert_eq!(rest(&mut run.client()), b"fine");
    assert_eq!(run.end().panicked(), 0);
}

#[test]
fn a_socket_that_is_full_delays_gathered_sends_and_neither_fails_nor_tears_them() {
    const ROUNDS: usize = 200;
    let run = Run::tcp(small(), |conn| async move {
        conn.tcp().unwrap().set_send_buffer_size(4096)?;
        for round in 0..ROUNDS {
            let body: Vec<u8> = vec![round as u8; 20_000];
            let gathered = Gather::new().copy(&[b'<', round as u8]).guard(body).copy(b">");
            let ((), gathered) = conn.send_vectored(gathered).await?;
            drop(gathered);
            conn.tcp().unwrap().write_all_zc(vec![b'|'; 3]).await?;
        }
        Ok(())
    });
    let mut client = run.client();
    eventually("it is being served", || run.metrics().accepted() == 1);
    let all = rest(&mut client);
    let mut expected = Vec::new();
    for round in 0..ROUNDS {
        expected.extend_from_slice(&[b'<', round as u8]);
        expected.extend_from_slice(&vec![round as u8; 20_000]);
        expected.extend_from_slice(b">|||");
    }
    assert!(all == expected, "{} bytes of {}", all.len(), expected.len());
    assert_eq!(run.end().cores[0].failed, 0);
}

#[test]
fn the_end_of_one_direction_does_not_end_the_other_nor_the_handler() {
    let run = Run::tcp(small(), |conn| async move {
        assert_eq!(conn.with_data(|bytes| Parsed::Consumed(bytes.len())).await, 3);
        assert_eq!(conn.with_data(|bytes| Parsed::Consumed(bytes.len())).await, 0);
        assert_eq!(conn.ended(), Some(Ended::Eof));
        // It waits for something else, and answers then.
        sleep(Duration::from_millis(5)).await;
        conn.send("late answer").await?;
        conn.finish().await?;
        Ok(())
    });
    let mut client = run.client();
    client.write_all(b"ask").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut client), b"late answer");
    run.end();
}

#[test]
fn a_slow_reader_fills_its_own_queue_and_no_other_connection_notices() {
    let (tell, told) = mpsc::channel();
    let config = small().runtime(|core| core.send_high_bytes(64 * 1024));
    let run = Run::tcp(config, move |conn| {
        let tell = tell.clone();
        async move {
            let request = conn.recv().await?.unwrap();
            if request.as_init() != b"flood" {
                conn.send(request).await?;
                return Ok(());
            }
            let mut queued = 0;
            let full = loop {
                match conn.send_nowait(&[0; 4096]) {
                    Ok(()) => queued += 1,
                    Err(error) => break error,
                }
                annulus::task::yield_now().await;
                assert!(queued < 1_000_000, "it takes without end");
            };
            tell.send(full.kind()).unwrap();
            stopping().await;
            conn.abort();
            Ok(())
        }
    });
    let mut slow = run.client();
    slow.write_all(b"flood").unwrap();
    for _ in 0..100 {
        assert_eq!(exchange(&mut run.client(), b"others"), b"others");
    }
    assert_eq!(told.recv_timeout(BOUND).unwrap(), std::io::ErrorKind::WouldBlock);
    assert_eq!(exchange(&mut run.client(), b"and now"), b"and now");
    drop(slow);
    assert_eq!(run.end().panicked(), 0);
}

#[test]
fn a_watermark_of_one_connection_bounds_it_alone_and_room_comes_back() {
    let run = Run::tcp(small(), |conn| async move {
        conn.set_watermarks(10, 0);
        conn.send_nowait(&[b'x'; 12])?;
        let full = conn.send_nowait(b"y").unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::WouldBlock);
        conn.send_nowait(b"")?; // takes no room
        conn.room().await?;
        conn.send_nowait(b"y")?;
        conn.flush().await?;
        Ok(())
    });
    assert_eq!(rest(&mut run.client()), b"xxxxxxxxxxxxy");
    assert_eq!(run.end().cores[0].failed, 0);
}

#[test]
fn handlers_share_what_they_like_because_they_stay_on_their_core() {
    let run = Run::tcp(small(), |conn| async move {
        let shared = Rc::new(std::cell::Cell::new(0));
        let other = shared.clone();
        annulus::spawn(async move { other.set(7) }).await.unwrap();
        conn.send(vec![shared.get()]).await?;
        let waited = timeout(Duration::from_millis(1), std::future::pending::<()>()).await;
        assert!(waited.is_err());
        Ok(())
    });
    assert_eq!(rest(&mut run.client()), [7]);
    assert_eq!(run.end().panicked(), 0);
}
