//! Streams of any kind: what reads and writes, what is made of them, and how they fail.

use std::io::{Cursor, ErrorKind};
use std::net::Shutdown;

use annulus::buf::{BufResult, IoBuf, IoBufMut, Lease};
use annulus::io::codec::{Decoder, Encoder, LengthDelimited, LinesCodec};
use annulus::io::{
    AsyncBufRead, AsyncRead, AsyncWrite, BufReader, BufWriter, DuplexStream, Framed, copy,
    copy_bidirectional, duplex, empty, sink, split,
};
use annulus::net::{TcpStream, UnixStream};
use annulus::runtime::Runtime;
use proptest::prelude::*;

use crate::harness::{check, pair, run, share_process};

/// What no other test has: its own `read` alone, so that every provided method is used.
struct Trickle<'a> {
    bytes: &'a [u8],
    piece: usize,
}

impl AsyncRead for Trickle<'_> {
    async fn read<B: IoBufMut>(&mut self, mut buf: B) -> BufResult<usize, B> {
        let n = annulus::buf::fill(&mut buf, &self.bytes[..self.piece.min(self.bytes.len())]);
        self.bytes = &self.bytes[n..];
        Ok((n, buf))
    }
}

/// Takes a few bytes at a time, and no more than so many in all.
#[derive(Default)]
struct Narrow {
    bytes: Vec<u8>,
    piece: usize,
    room: usize,
    flushed: usize,
}

impl AsyncWrite for Narrow {
    async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
        let n = self.piece.min(buf.bytes_len()).min(self.room - self.bytes.len());
        self.bytes.extend_from_slice(&buf.as_init()[..n]);
        Ok((n, buf))
    }

    async fn flush(&mut self) -> std::io::Result<()> {
        self.flushed += 1;
        Ok(())
    }

    async fn shutdown(&mut self) -> std::io::Result<()> {
        self.flush().await
    }
}

#[test]
fn provided_reads_put_pieces_together() {
    run(async {
        let trickle = || Trickle { bytes: b"one two three", piece: 2 };
        let ((), buf) = trickle().read_exact(vec![0; 7]).await?;
        assert_eq!(buf, b"one two");
        let (n, buf) = trickle().read_to_end(b"> ".to_vec()).await?;
        assert_eq!((n, &buf[..]), (13, &b"> one two three"[..]));
        let (n, text) = trickle().read_to_string("> ".to_owned()).await?;
        assert_eq!((n, &text[..]), (13, "> one two three"));
        assert_eq!(&*trickle().recv().await?.unwrap(), b"on");
        let (_, buf) = trickle().take(5).chain(trickle().take(3)).read_to_end(Vec::new()).await?;
        assert_eq!(buf, b"one tone");
        Ok(())
    });
}

#[test]
fn a_stream_that_ends_too_early_says_how_far_it_came() {
    run(async {
        let error = Trickle { bytes: b"four", piece: 3 }.read_exact(vec![0; 7]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert_eq!(error.error().to_string(), "the stream ended after 4 of 7 bytes");
        assert_eq!(error.into_buf().unwrap()[..4], *b"four");
        Ok(())
    });
}

#[test]
fn text_that_is_none_gives_the_string_back() {
    run(async {
        let error = (&b"\xff"[..]).read_to_string("kept".to_owned()).await.unwrap_err();
        assert_eq!((error.kind(), error.into_buf()), (ErrorKind::InvalidData, Some("kept".into())));
        Ok(())
    });
}

/// Every reader refuses a buffer without room, which looks like the end otherwise.
async fn refuses_no_room(mut reader: impl AsyncRead) {
    let error = reader.read(Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.into_buf().is_some());
}

#[test]
fn a_buffer_without_room_is_an_error_at_every_reader() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        left.write_all("bytes").await?;
        refuses_no_room(&right).await;
        refuses_no_room(right.reader()).await;
        let mut held = BufReader::new(&right);
        held.fill_buf().await?;
        refuses_no_room(held).await;
        refuses_no_room(BufWriter::new(&left)).await;
        refuses_no_room(empty()).await;
        refuses_no_room(Cursor::new("bytes")).await;
        refuses_no_room(&b"bytes"[..]).await;
        refuses_no_room((&b"bytes"[..]).take(0)).await;
        refuses_no_room((&b"bytes"[..]).take(3)).await;
        refuses_no_room(empty().chain(empty())).await;
        refuses_no_room(duplex(1).0).await;
        refuses_no_room(split(left).0).await;
        Ok(())
    });
}

#[test]
fn a_destination_that_takes_no_more_is_an_error_with_the_buffer() {
    run(async {
        let mut narrow = Narrow { piece: 2, room: 5, ..Narrow::default() };
        narrow.write_all("abc").await?;
        let error = narrow.write_all("defg".to_owned()).await.unwrap_err();
        assert_eq!((error.kind(), error.into_buf()), (ErrorKind::WriteZero, Some("defg".into())));
        assert_eq!(narrow.bytes, b"abcde");
        let error = narrow.write_all_vectored(("more", "of it")).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.into_buf()),
            (ErrorKind::WriteZero, Some(("more", "of it")))
        );
        Ok(())
    });
}

#[test]
fn several_buffers_are_written_in_order_where_there_is_no_vectored_write() {
    run(async {
        let mut narrow = Narrow { piece: 3, room: 100, ..Narrow::default() };
        let ((), bufs) = narrow.write_all_vectored(("head ", vec![b'b'; 4])).await?;
        assert_eq!((&narrow.bytes[..], bufs), (&b"head bbbb"[..], ("head ", vec![b'b'; 4])));
        Ok(())
    });
}

#[test]
fn lines_end_in_both_ways_and_with_the_stream() {
    run(async {
        let mut lines = (&b"unix\nwindows\r\n\n\xff\nlone \r return\nlast"[..]).lines();
        assert_eq!(lines.next_line().await?.as_deref(), Some("unix"));
        assert_eq!(lines.next_line().await?.as_deref(), Some("windows"));
        assert_eq!(lines.next_line().await?.as_deref(), Some(""));
        assert_eq!(lines.next_line().await.unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(lines.next_line().await?.as_deref(), Some("lone \r return"));
        assert_eq!(lines.next_line().await?.as_deref(), Some("last"));
        assert_eq!((lines.next_line().await?, lines.next_line().await?), (None, None));

        let mut line = "so far: ".to_owned();
        let mut two = &b"one\r\ntwo"[..];
        assert_eq!(two.read_line(&mut line).await?, 5);
        assert_eq!((two.read_line(&mut line).await?, &line[..]), (3, "so far: one\r\ntwo"));
        assert_eq!(two.read_line(&mut line).await?, 0);
        let error = (&b"\xff\n"[..]).read_line(&mut line).await.unwrap_err();
        assert_eq!((error.kind(), line.len()), (ErrorKind::InvalidData, 16));
        Ok(())
    });
}

#[test]
fn a_buffered_reader_lends_what_was_received_and_passes_writes_through() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        let mut reader = BufReader::new(right);
        left.write_all("key=value;").await?;
        let mut key = Vec::new();
        assert_eq!(reader.read_until(b'=', &mut key).await?, 4);
        assert_eq!((&key[..], reader.buffer()), (&b"key="[..], &b"value;"[..]));
        let (n, three) = reader.read(Vec::with_capacity(3)).await?;
        assert_eq!((n, &three[..]), (3, &b"val"[..]));
        assert_eq!(&*reader.recv().await?.unwrap(), b"ue;", "what is held comes first");
        reader.write_all("back").await?;
        reader.shutdown().await?;
        assert_eq!(&*left.recv().await?.unwrap(), b"back");
        assert!(left.recv().await?.is_none());
        let (_right, held) = reader.into_parts();
        assert!(held.is_none_or(|held| held.is_empty()));
        Ok(())
    });
}

#[test]
#[should_panic(expected = "advance by 3 in a lease of 2 bytes")]
fn using_up_more_than_was_lent_is_a_mistake() {
    run(async {
        let mut reader = BufReader::new(&b"12"[..]);
        reader.fill_buf().await?;
        reader.consume(3);
        Ok(())
    });
}

#[test]
fn a_buffered_writer_collects_until_it_is_full_or_flushed() {
    run(async {
        let narrow = Narrow { piece: 100, room: 100, ..Narrow::default() };
        let mut writer = BufWriter::with_capacity(8, narrow);
        writer.write_all("123").await?;
        writer.write_all("456").await?;
        assert_eq!((writer.get_ref().bytes.len(), writer.buffer()), (0, &b"123456"[..]));
        writer.write_all("789").await?;
        assert_eq!((&writer.get_ref().bytes[..], writer.buffer()), (&b"123456"[..], &b"789"[..]));
        writer.write_all("larger than all").await?;
        assert_eq!(
            (&writer.get_ref().bytes[..], writer.buffer()),
            (&b"123456789larger than all"[..], &b""[..])
        );
        writer.write_all("end").await?;
        writer.shutdown().await?;
        let (narrow, held) = writer.into_parts();
        assert!(narrow.bytes.ends_with(b"allend") && held.is_empty());
        assert_eq!(narrow.flushed, 1);
        Ok(())
    });
}

#[test]
fn a_buffered_writer_tells_the_error_of_the_one_below() {
    run(async {
        let mut writer = BufWriter::with_capacity(8, Narrow { piece: 9, ..Narrow::default() });
        writer.write_all("123").await?;
        let error = writer.write_all("456789".to_owned()).await.unwrap_err();
        assert_eq!((error.kind(), error.into_buf()), (ErrorKind::WriteZero, Some("456789".into())));
        Ok(())
    });
}

#[test]
fn halves_work_in_two_tasks_and_come_together_again() {
    run(async {
        let (client, server) = pair().await?;
        let (mut reader, mut writer) = split(client);
        let reading = annulus::spawn(async move {
            let (_, all) = reader.read_to_end(Vec::new()).await?;
            std::io::Result::Ok((reader, all))
        });
        writer.write_all_vectored(("to ", "you")).await?;
        writer.flush().await?;
        assert_eq!(&*server.recv().await?.unwrap(), b"to you");
        server.write_all("and back").await?;
        server.shutdown(Shutdown::Write)?;
        let (reader, all) = reading.await.unwrap()?;
        assert_eq!(all, b"and back");

        let (_, stranger) = split(UnixStream::pair()?.0);
        let (own, other) = split(UnixStream::pair()?.0);
        assert!(!own.is_pair_of(&stranger) && own.is_pair_of(&other));
        let (own, _) = own.unsplit(stranger).expect_err("they are not of one stream");
        own.unsplit(other).expect("they are");
        assert!(reader.get_ref().peer_addr()? == writer.get_ref().peer_addr()?);
        let client: TcpStream = reader.unsplit(writer).expect("they are");
        client.write_all("whole").await?;
        assert_eq!(&*server.recv().await?.unwrap(), b"whole");
        Ok(())
    });
}

#[test]
fn a_connection_in_memory_holds_so_many_bytes_and_no_more() {
    run(async {
        let (mut left, right) = duplex(4);
        assert_eq!(left.write("123456").await?.0, 4);
        let waiting = annulus::spawn(async move { left.write_all("56").await.map(|_| left) });
        annulus::task::yield_now().await;
        assert!(!waiting.is_finished());
        let ((), all) = (&right).read_exact(vec![0; 6]).await?;
        assert_eq!(all, b"123456");
        let left = waiting.await.unwrap()?;
        drop(right);
        assert_eq!((&left).write("x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!((&left).read(vec![0]).await?.0, 0);
        Ok(())
    });
}

#[test]
fn what_was_written_before_the_end_is_read_before_the_end() {
    run(async {
        let (mut left, mut right) = duplex(100);
        left.write_all("last words").await?;
        left.shutdown().await?;
        assert_eq!(left.write("more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        right.write_all("still heard").await?;
        drop(right.read_exact(vec![0; 4]).await?);
        drop(left);
        let (_, rest) = right.read_to_string(String::new()).await?;
        assert_eq!(rest, " words");
        Ok(())
    });
}

#[test]
fn a_connection_in_memory_crosses_cores() {
    let _shared = share_process();
    let (mut here, mut there) = duplex(10);
    let thread = std::thread::spawn(move || {
        check(Runtime::builder(), async move {
            let mut doubled = Vec::new();
            while let Some(piece) = there.recv().await? {
                doubled.extend(piece.iter().map(|byte| byte * 2));
            }
            there.write_all(doubled).await?;
            Ok(())
        });
    });
    run(async move {
        let sent: Vec<u8> = (0..100).collect();
        let (mut reader, mut writer) = split::<DuplexStream>({
            for piece in sent.chunks(7) {
                here.write_all(piece.to_vec()).await?;
            }
            here
        });
        writer.shutdown().await?;
        let (_, doubled) = reader.read_to_end(Vec::new()).await?;
        assert!(doubled.iter().zip(0..).all(|(&byte, n)| byte == n * 2) && doubled.len() == 100);
        Ok(())
    });
    thread.join().unwrap();
}

#[test]
fn a_copy_between_sockets_is_whole_and_gives_its_length() {
    run(async {
        let ((client, here), (there, server)) = (pair().await?, pair().await?);
        let bytes: Vec<u8> = (0..2_000_000u32).map(|i| ((i * 31) >> 5) as u8).collect();
        let expected = bytes.clone();
        let sending = annulus::spawn(async move {
            client.write_all(bytes).await?;
            client.shutdown(Shutdown::Write)
        });
        let copying = annulus::spawn(async move { copy(&mut &here, &mut &there).await });
        let mut got = Vec::new();
        while got.len() < expected.len() {
            got.extend_from_slice(&server.recv().await?.expect("not the end yet"));
        }
        assert!(got == expected);
        sending.await.unwrap()?;
        assert_eq!(copying.await.unwrap()?, 2_000_000);
        assert_eq!(copy(&mut &b"into nothing"[..], &mut sink()).await?, 12);
        Ok(())
    });
}

#[test]
fn joined_connections_end_one_direction_at_a_time() {
    run(async {
        let ((client, here), (there, server)) = (pair().await?, pair().await?);
        let joined = annulus::spawn(async move { copy_bidirectional(&here, &there).await });
        client.write_all("ask").await?;
        client.shutdown(Shutdown::Write)?;
        assert_eq!(&*server.recv().await?.unwrap(), b"ask");
        assert!(server.recv().await?.is_none(), "the end was passed on");
        server.write_all("late answer").await?;
        assert_eq!(&*client.recv().await?.unwrap(), b"late answer");
        server.shutdown(Shutdown::Write)?;
        assert!(client.recv().await?.is_none());
        assert_eq!(joined.await.unwrap()?, (3, 11));
        Ok(())
    });
}

#[test]
fn an_error_of_one_direction_ends_both() {
    run(async {
        let ((client, here), (there, server)) = (pair().await?, pair().await?);
        let joined = annulus::spawn(async move { copy_bidirectional(&here, &there).await });
        client.write_all("ask").await?;
        assert_eq!(&*server.recv().await?.unwrap(), b"ask");
        let reset = client.into_std().await?;
        close_by_reset(&reset);
        drop(reset);
        let error = joined.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        Ok(())
    });
}

/// Makes closing a reset.
fn close_by_reset(stream: &std::net::TcpStream) {
    use std::os::fd::AsRawFd as _;
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let value: *const libc::linger = &linger;
    let bytes = size_of::<libc::linger>() as u32;
    // SAFETY: one option of this size.
    let set = unsafe {
        libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, value.cast(), bytes)
    };
    assert_eq!(set, 0);
}

#[test]
fn messages_are_found_however_they_are_cut() {
    run(async {
        let (mut left, right) = duplex(3);
        let sending = annulus::spawn(async move {
            let mut framed = Framed::new(&mut left, LengthDelimited::with_max_length(20));
            framed.send(bytes::Bytes::from_static(b"first")).await?;
            framed.feed(bytes::Bytes::new())?;
            framed.feed(bytes::Bytes::from_static(b"third"))?;
            framed.flush().await?;
            let error = framed.send(bytes::Bytes::from_static(&[0; 21])).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            framed.get_mut().write_all(&b"\0\0\0\x09cut"[..]).await?;
            std::io::Result::Ok(())
        });
        let mut framed = Framed::new(right, LengthDelimited::with_max_length(20));
        assert_eq!(framed.next().await?.as_deref(), Some(&b"first"[..]));
        assert_eq!(framed.next().await?.as_deref(), Some(&b""[..]));
        assert_eq!(framed.next().await?.as_deref(), Some(&b"third"[..]));
        let error = framed.next().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert_eq!(error.to_string(), "the stream ended 7 bytes into a message");
        sending.await.unwrap()?;
        Ok(())
    });
}

#[test]
fn a_message_that_is_too_long_is_refused_before_it_is_there() {
    let mut bytes = bytes::BytesMut::from(&b"\xff\xff\xff\xffx"[..]);
    let error = LengthDelimited::new().decode(&mut bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("4294967295 bytes, where 8388608 are allowed"));

    let mut lines = LinesCodec::with_max_length(4);
    let mut bytes = bytes::BytesMut::from(&b"four\r"[..]);
    assert_eq!(lines.decode(&mut bytes).unwrap(), None);
    bytes.extend_from_slice(b"\nfive!");
    assert_eq!(lines.decode(&mut bytes).unwrap().as_deref(), Some("four"));
    bytes.extend_from_slice(b"!");
    assert_eq!(lines.decode(&mut bytes).unwrap_err().kind(), ErrorKind::InvalidData);
    let two = lines.encode("a\nb", &mut bytes).unwrap_err();
    assert_eq!(two.kind(), ErrorKind::InvalidInput);
}

#[test]
fn generic_code_over_handles_crosses_threads() {
    fn is_send<T: Send>(_: T) {}
    let _ = |mut a: TcpStream, mut b: TcpStream| {
        is_send(async move {
            copy(&mut a, &mut b).await?;
            let mut lines = BufReader::new(a).lines();
            lines.next_line().await?;
            let mut framed = Framed::new(b, LinesCodec::new());
            framed.send("text").await?;
            framed.next().await
        });
    };
    is_send(Lease::from(vec![1]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Any bytes, through any pile of readers and writers, cut anyhow.
    #[test]
    fn bytes_arrive_as_they_were_sent(
        bytes in proptest::collection::vec(any::<u8>(), 0..5000),
        room in 1_usize..300,
        collect in 0_usize..400,
        pieces in proptest::collection::vec(1_usize..700, 1..20),
    ) {
        let expected = bytes.clone();
        run(async move {
            let (left, right) = duplex(room);
            let sizes = pieces.clone();
            let sending = annulus::spawn(async move {
                let mut writer = BufWriter::with_capacity(collect, left);
                let (mut rest, mut sizes) = (&bytes[..], sizes.iter().cycle());
                while !rest.is_empty() {
                    let (piece, later) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
                    writer.write_all(piece.to_vec()).await?;
                    rest = later;
                }
                writer.shutdown().await
            });
            let (mut got, mut reader) = (Vec::new(), BufReader::new(right));
            for (turn, size) in pieces.iter().cycle().enumerate() {
                let before = got.len();
                match turn % 3 {
                    0 => got.extend_from_slice(&reader.read(Vec::with_capacity(*size)).await?.1),
                    1 => {
                        let lent = reader.fill_buf().await?;
                        let n = lent.len().min(*size);
                        got.extend_from_slice(&lent[..n]);
                        reader.consume(n);
                    }
                    _ => got.extend_from_slice(&reader.recv().await?.unwrap_or(Vec::new().into())),
                }
                if got.len() == before {
                    break;
                }
            }
            sending.await.unwrap()?;
            assert!(got == expected);
            Ok(())
        });
    }
}
