//! The traits of tokio and of futures, by `Buffered`.

use std::pin::Pin;

use annulus_compat::Buffered;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{pair, pattern, run};

#[test]
fn the_traits_of_tokio_read_and_write_it() {
    run(async {
        let (client, server) = pair().await?;
        let (mut client, mut server) = (Buffered::new(client), Buffered::new(server));
        let write = async {
            client.write_all(b"one line\n").await?;
            client.write_all(&pattern(300_000)).await?;
            client.shutdown().await
        };
        let read = async {
            let mut line = String::new();
            server.read_line(&mut line).await?;
            assert_eq!(line, "one line\n");
            let mut got = Vec::new();
            server.read_to_end(&mut got).await?;
            std::io::Result::Ok(got)
        };
        let (wrote, got) = annulus::join!(write, read);
        wrote?;
        assert!(got? == pattern(300_000));
        Ok(())
    });
}

#[test]
fn a_half_of_it_is_one_of_the_wrapper_too() {
    run(async {
        let (client, server) = pair().await?;
        let (reader, writer) = client.into_split();
        let (mut reader, mut writer) = (Buffered::new(reader), Buffered::new(writer));
        writer.write_all(b"ping").await?;
        assert_eq!(&*server.recv().await?.expect("bytes"), b"ping");
        server.write_all("pong").await?;
        server.shutdown().await?;
        let mut got = String::new();
        reader.read_to_string(&mut got).await?;
        assert_eq!(got, "pong");
        Ok(())
    });
}

#[test]
fn buffers_of_one_write_share_a_record() {
    run(async {
        let (client, server) = pair().await?;
        let mut client = Buffered::new(client);
        let parts = [b"one ", b"two ", b"thr "].map(|part| std::io::IoSlice::new(part));
        assert!(tokio::io::AsyncWrite::is_write_vectored(&client));
        let n = std::future::poll_fn(|cx| {
            tokio::io::AsyncWrite::poll_write_vectored(Pin::new(&mut client), cx, &parts)
        });
        assert_eq!(n.await?, 12);
        assert_eq!(&*server.recv().await?.expect("bytes"), b"one two thr ");
        Ok(())
    });
}

#[test]
fn the_traits_of_futures_read_and_write_it() {
    run(async {
        let (client, server) = pair().await?;
        let (mut client, mut server) = (Buffered::new(client), Buffered::new(server));
        let write = async {
            futures_util::AsyncWriteExt::write_all(&mut client, &pattern(100_000)).await?;
            futures_util::AsyncWriteExt::close(&mut client).await
        };
        let read = async {
            let mut got = Vec::new();
            futures_util::AsyncReadExt::read_to_end(&mut server, &mut got).await?;
            std::io::Result::Ok(got)
        };
        let (wrote, got) = annulus::join!(write, read);
        wrote?;
        assert!(got? == pattern(100_000));
        Ok(())
    });
}
