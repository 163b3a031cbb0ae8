//! What others built on the traits works on ours.

use std::io::{self, Write as _};

use annulus::io::duplex;
use annulus::net::UnixStream;
use annulus_compat::{Buffered, Direct, FileStream};
use futures_util::{SinkExt as _, StreamExt as _, TryStreamExt as _};
use tokio_util::codec::{Framed, LengthDelimitedCodec, LinesCodec};

use crate::support::{pattern, run, tcp_pair};

#[test]
fn frames_of_tokio_util_cross() {
    run(async {
        let (client, server) = tcp_pair().await?;
        let mut client = Framed::new(Buffered::new(client), LengthDelimitedCodec::new());
        let mut server = Framed::new(Buffered::new(server), LengthDelimitedCodec::new());
        let echo = annulus::spawn(async move {
            while let Some(frame) = server.try_next().await? {
                server.send(frame.freeze()).await?;
            }
            io::Result::Ok(())
        });
        for len in [0, 1, 1000, 300_000] {
            client.send(tokio_util::bytes::Bytes::from(pattern(len))).await?;
            let frame = client.next().await.expect("the echo goes on")?;
            assert!(frame == pattern(len)[..], "{len} bytes");
        }
        drop(client);
        echo.await.expect("the echo does not panic")
    });
}

#[test]
fn lines_of_tokio_and_of_futures_are_the_same() {
    const TEXT: &str = "one\n\nthree\r\nand no end";
    const LINES: [&str; 4] = ["one", "", "three", "and no end"];
    run(async {
        for round in 0..3 {
            let (left, right) = UnixStream::pair()?;
            left.write_all(TEXT).await?;
            drop(left);
            let right = Buffered::new(right);
            let lines: Vec<String> = match round {
                0 => {
                    let mut lines = tokio::io::AsyncBufReadExt::lines(right);
                    let mut all = Vec::new();
                    while let Some(line) = lines.next_line().await? {
                        all.push(line);
                    }
                    all
                }
                1 => futures_util::AsyncBufReadExt::lines(right).try_collect().await?,
                _ => {
                    let framed = Framed::new(right, LinesCodec::new());
                    framed.try_collect().await.map_err(io::Error::other)?
                }
            };
            assert_eq!(lines, LINES);
        }
        Ok(())
    });
}

#[test]
fn tokio_copies_in_both_directions_between_any_two() {
    run(async {
        let (client, here) = tcp_pair().await?;
        let (there, server) = std::os::unix::net::UnixStream::pair()?;
        let proxy = annulus::spawn(async move {
            let (mut here, mut there) = (Buffered::new(here), Direct::new(there)?);
            tokio::io::copy_bidirectional(&mut here, &mut there).await
        });
        let backend = annulus::spawn(async move {
            let (reader, mut writer) = tokio::io::split(Direct::new(server)?);
            let mut reader = tokio::io::BufReader::new(reader);
            tokio::io::copy(&mut reader, &mut writer).await?;
            tokio::io::AsyncWriteExt::shutdown(&mut writer).await
        });
        let bytes = pattern(700_000);
        let (reader, writer) = annulus::io::split(client);
        let sent = bytes.clone();
        let sending = annulus::spawn(async move {
            let mut writer = Buffered::new(writer);
            tokio::io::AsyncWriteExt::write_all(&mut writer, &sent).await?;
            tokio::io::AsyncWriteExt::shutdown(&mut writer).await
        });
        let mut back = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut Buffered::new(reader), &mut back).await?;
        assert!(back == bytes, "{} bytes came back", back.len());
        sending.await.expect("the sender does not panic")?;
        backend.await.expect("the backend does not panic")?;
        let len = bytes.len() as u64;
        assert_eq!(proxy.await.expect("the proxy does not panic")?, (len, len));
        Ok(())
    });
}

#[test]
fn futures_copies_from_a_file_to_a_socket_and_back_into_a_file() {
    run(async {
        let dir = tempfile::tempdir()?;
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        let bytes = pattern(300_001);
        std::fs::File::create(&from)?.write_all(&bytes)?;
        let (left, right) = UnixStream::pair()?;
        let sending = annulus::spawn(async move {
            let file = FileStream::new(annulus::fs::File::open(&from).await?);
            let mut left = Buffered::new(left);
            futures_util::io::copy(file, &mut left).await?;
            futures_util::AsyncWriteExt::close(&mut left).await
        });
        let mut file = FileStream::new(annulus::fs::File::create(&to).await?);
        let copied = futures_util::io::copy_buf(Buffered::new(right), &mut file).await?;
        futures_util::AsyncWriteExt::close(&mut file).await?;
        sending.await.expect("the sender does not panic")?;
        assert_eq!(copied, bytes.len() as u64);
        assert!(std::fs::read(&to)? == bytes);
        Ok(())
    });
}

#[test]
fn the_bridge_of_tokio_util_finds_nothing_to_bridge() {
    use tokio_util::compat::{FuturesAsyncReadCompatExt as _, TokioAsyncReadCompatExt as _};
    run(async {
        let (left, right) = duplex(16);
        let mut left = futures_util::io::BufReader::new(Buffered::new(left)).compat();
        let mut right = tokio::io::BufReader::new(Buffered::new(right)).compat();
        let both = annulus::try_join!(
            async {
                tokio::io::AsyncWriteExt::write_all(&mut left, &pattern(1000)).await?;
                tokio::io::AsyncWriteExt::shutdown(&mut left).await
            },
            async {
                let mut all = Vec::new();
                futures_util::AsyncReadExt::read_to_end(&mut right, &mut all).await?;
                assert_eq!(all, pattern(1000));
                Ok(())
            }
        );
        both.map(drop)
    });
}
