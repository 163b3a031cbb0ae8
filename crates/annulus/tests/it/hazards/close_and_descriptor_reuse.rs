//! A descriptor is closed under a request, and its number serves somebody else.
//!
//! *Evidence*: liburing#363, #782, #932; ntex#911.
//!
//! *Answer*: a record counts the requests on its descriptor, and closes it at zero, never earlier.
//! A handle names a record and its generation, never a number.
//!
//! *Also proven*: `files::a_file_in_use_is_not_closed_under_its_operation`; `cancel`. The simulated
//! kernel, as Linux, gives the lowest free number.

use std::io;

use annulus::fs::File;
use annulus::net::{TcpListener, TcpStream, UnixStream};

use crate::cancel::{at_rest, yield_to_kernel};
use crate::harness::ground::on_both;

#[test]
fn a_file_that_gets_a_number_again_has_its_own_bytes() {
    on_both(60, |ground| async move {
        for generation in 0..30u8 {
            let old = File::open(ground.file("old", &[generation; 50])).await?;
            let mut reading = Box::pin(old.read_at(vec![0; 50], 0));
            assert!(futures_util::poll!(&mut reading).is_pending());
            if generation % 3 == 0 {
                yield_to_kernel().await?;
            }
            drop(reading);
            drop(old); // with its read under way
            let new = File::open(ground.file("new", &[generation ^ 0x80; 50])).await?;
            assert_eq!(new.read_exact_at(vec![0; 50], 0).await?.1, [generation ^ 0x80; 50]);
            new.close().await?;
        }
        Ok(())
    });
}

#[test]
fn a_stream_that_gets_a_number_again_has_its_own_bytes() {
    on_both(60, |_| async {
        for generation in 0..30u8 {
            let (left, right) = UnixStream::pair()?;
            let mut waiting = Box::pin(right.recv());
            assert!(futures_util::poll!(&mut waiting).is_pending());
            left.send_nowait(&[generation; 40])?;
            if generation % 3 == 0 {
                yield_to_kernel().await?;
            }
            drop(waiting);
            drop((left, right)); // with bytes under way in one direction
            let (left, right) = UnixStream::pair()?;
            left.write_all(vec![generation ^ 0x80; 40]).await?;
            drop(left);
            assert_eq!(super::read_to_end(&right).await?, [generation ^ 0x80; 40]);
        }
        Ok(())
    });
}

#[test]
fn a_listener_that_gets_a_number_again_has_its_own_connections() {
    on_both(40, |_| async {
        for _ in 0..8 {
            let old = TcpListener::bind("127.0.0.1:0")?;
            let address = old.local_addr()?;
            let mut accepting = Box::pin(old.accept());
            assert!(futures_util::poll!(&mut accepting).is_pending());
            let connecting = annulus::spawn(TcpStream::connect(address));
            yield_to_kernel().await?;
            drop(accepting);
            drop(old); // with its accept armed, and perhaps a connection in its queue
            let new = TcpListener::bind("127.0.0.1:0")?;
            let (client, accepted) =
                annulus::try_join!(TcpStream::connect(new.local_addr()?), new.accept())?;
            assert_eq!(accepted.1, client.local_addr()?);
            client.write_all("for the new one").await?;
            let ((), got) = accepted.0.read_exact(vec![0; 15]).await?;
            assert_eq!(got, b"for the new one");
            drop(connecting.await.expect("no panic"));
        }
        at_rest().await
    });
}

#[test]
fn a_close_with_operations_in_flight_says_so_and_waits_for_them() {
    on_both(40, |ground| async move {
        let file = std::rc::Rc::new(File::open(ground.file("busy", &[3; 80])).await?);
        let mut reading = Box::pin({
            let file = file.clone();
            async move { file.read_exact_at(vec![0; 80], 0).await }
        });
        assert!(futures_util::poll!(&mut reading).is_pending());
        drop(reading);
        // The future is gone, and with it its share of the file; the request is not.
        let file = std::rc::Rc::into_inner(file).expect("nobody else has it");
        let error = file.close().await.expect_err("a read is in flight");
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        at_rest().await
    });
}
