//! How connections end: cleanly, in halves, cut short, by error.

use std::io;
use std::net::Shutdown;

use annulus_tls::rustls;

use crate::support::{all, ends, pair, pattern, run, sockets};

#[test]
fn one_direction_ends_and_the_other_goes_on() {
    run(async {
        let (client, server) = pair().await?;
        client.write_all("question").await?;
        client.shutdown().await?;
        client.shutdown().await?; // once more changes nothing
        let error = client.write_all("more").await.expect_err("it has ended").into_error();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(all(&server).await?, b"question");
        assert!(server.recv().await?.is_none(), "the end stays the end");
        server.write_all(pattern(100_000)).await?;
        server.shutdown().await?;
        assert!(all(&client).await? == pattern(100_000));
        Ok(())
    });
}

#[test]
fn an_end_without_close_notify_is_an_error_behind_the_bytes() {
    run(async {
        let (client, server) = pair().await?;
        client.write_all("all there w").await?;
        client.flush().await?;
        client.get_ref().shutdown(Shutdown::Write)?; // as somebody on the way would
        assert_eq!(&*server.recv().await?.expect("bytes"), b"all there w");
        for _ in 0..2 {
            let error = server.recv().await.expect_err("it was cut short");
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            assert!(error.to_string().contains("close_notify"), "{error}");
        }
        let error = server.with_data(|_| panic!("there is nothing")).await.expect_err("cut short");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        server.write_all("the other direction is whole").await?;
        server.shutdown().await?;
        assert_eq!(all(&client).await?, b"the other direction is whole");
        Ok(())
    });
}

#[test]
fn a_dropped_stream_is_cut_short_and_not_ended() {
    run(async {
        let (client, server) = pair().await?;
        server.write_all("bytes").await?;
        drop(server);
        assert_eq!(&*client.recv().await?.expect("bytes"), b"bytes");
        let error = client.recv().await.expect_err("nobody said that this was all");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        Ok(())
    });
}

#[test]
fn bytes_behind_the_end_do_not_count() {
    run(async {
        let (client, server) = pair().await?;
        client.write_all("all").await?;
        client.shutdown().await.expect("it ends");
        assert_eq!(all(&server).await?, b"all");
        let (client, server) = pair().await?;
        // The direction below is still open when close_notify has left.
        annulus_compat::Handle::check(&client)?;
        client.send_nowait(b"x")?;
        let closed = std::future::poll_fn(|cx| {
            let mut closing = std::pin::pin!(client.shutdown());
            let _first = closing.as_mut().poll(cx);
            std::task::Poll::Ready(())
        });
        closed.await;
        let _ = client.get_ref().write_all(vec![23; 100]).await;
        assert_eq!(all(&server).await?, b"x");
        Ok(())
    });
}

/// A connection on which `garbage` is sent after the handshake, and how the reader fails.
async fn broken_by(garbage: Vec<u8>) -> io::Result<rustls::Error> {
    let (client, server) = pair().await?;
    client.write_all("before").await?;
    client.get_ref().write_all(garbage).await?;
    assert_eq!(&*server.recv().await?.expect("bytes"), b"before");
    let error = server.recv().await.expect_err("it is no record");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    let again = server.recv().await.expect_err("it stays broken");
    assert_eq!(again.kind(), io::ErrorKind::InvalidData);
    let write = server.write_all("x").await.expect_err("it is broken").into_error();
    assert_eq!(write.kind(), io::ErrorKind::InvalidData);
    server.shutdown().await?; // the alert has said so; this ends what lies below
    let told = client.recv().await.expect_err("the peer was told");
    let told = told.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()).cloned();
    assert!(matches!(told, Some(rustls::Error::AlertReceived(_))), "{told:?}");
    let inner = error.into_inner().expect("an error of rustls");
    Ok(*inner.downcast::<rustls::Error>().expect("an error of rustls"))
}

#[test]
fn garbage_in_the_stream_is_an_error_and_the_peer_is_told() {
    run(async {
        // A record of application data that nobody encrypted.
        let forged = [&[23, 3, 3, 0, 40][..], &[7; 40]].concat();
        assert_eq!(broken_by(forged).await?, rustls::Error::DecryptError);
        // Longer than a record may be.
        let long = [&[23, 3, 3, 0x48, 1][..], &[7; 0x4801]].concat();
        let error = broken_by(long).await?;
        assert!(matches!(error, rustls::Error::InvalidMessage(_)), "{error:?}");
        let error = broken_by(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n".to_vec()).await?;
        assert!(matches!(error, rustls::Error::InvalidMessage(_)), "{error:?}");
        Ok(())
    });
}

#[test]
fn a_reset_is_reported_as_one() {
    run(async {
        let (acceptor, connector) = ends();
        let (left, right) = sockets().await?;
        let (client, server) =
            annulus::join!(connector.connect("localhost", left), acceptor.accept(right));
        let (client, server) = (client?, server?);
        client.get_ref().set_linger(Some(std::time::Duration::ZERO))?;
        drop(client);
        let error = server.recv().await.expect_err("it was reset");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let error = server.recv().await.expect_err("it was cut short as well");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        Ok(())
    });
}
