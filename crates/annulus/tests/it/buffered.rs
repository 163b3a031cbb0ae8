//! What a buffered writer says after its bytes may have been lost: nothing is written behind a gap.

use std::io::{self, ErrorKind};

use annulus::buf::{BufError, BufResult, IoBuf};
use annulus::io::{AsyncRead, AsyncWrite, BufWriter, duplex};

use crate::harness::run;

/// Fails with the first write that it is told to fail, and takes its time to flush.
#[derive(Default)]
struct Moody {
    bytes: Vec<u8>,
    fails: bool,
    shut: bool,
}

impl AsyncWrite for Moody {
    async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
        if std::mem::take(&mut self.fails) {
            return Err(BufError::new(ErrorKind::TimedOut.into(), buf));
        }
        self.bytes.extend_from_slice(buf.as_init());
        Ok((buf.bytes_len(), buf))
    }

    async fn flush(&mut self) -> io::Result<()> {
        annulus::task::yield_now().await;
        Ok(())
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        self.shut = true;
        Ok(())
    }
}

/// Every way to go on is refused, with what can be done instead.
async fn assert_refuses<W: AsyncWrite>(writer: &mut BufWriter<W>) {
    let errors = [
        writer.write("small").await.expect_err("it would be behind a gap").into_error(),
        writer.write(vec![0; 10_000]).await.expect_err("it would be behind a gap").into_error(),
        writer.flush().await.expect_err("not all has arrived"),
        writer.shutdown().await.expect_err("not all has arrived"),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Other);
        let text = error.to_string();
        assert!(text.contains("may be lost") && text.contains("into_parts"), "{text}");
    }
}

#[test]
fn a_flush_dropped_in_the_middle_is_told_by_every_later_call() {
    run(async {
        let (near, mut far) = duplex(2);
        let mut writer = BufWriter::new(near);
        writer.write_all("1234").await?;
        let mut flushing = Box::pin(writer.flush());
        assert!(futures_util::poll!(&mut flushing).is_pending());
        drop(flushing);
        assert_refuses(&mut writer).await;
        // Whoever can do with the gap goes on below.
        let (mut near, held) = writer.into_parts();
        assert!(held.is_empty());
        let ((), first) = far.read_exact(vec![0; 2]).await?;
        near.write_all("!").await?;
        drop(near);
        let (_, all) = far.read_to_end(first).await?;
        assert_eq!(all, b"12!");
        Ok(())
    });
}

#[test]
fn a_write_dropped_while_it_makes_room_is_told_by_every_later_call() {
    run(async {
        let (near, _far) = duplex(2);
        let mut writer = BufWriter::with_capacity(4, near);
        writer.write_all("123").await?;
        let mut writing = Box::pin(writer.write("45"));
        assert!(futures_util::poll!(&mut writing).is_pending());
        drop(writing);
        assert_refuses(&mut writer).await;
        Ok(())
    });
}

#[test]
fn a_flush_that_is_kept_and_awaited_again_loses_nothing() {
    run(async {
        let (near, mut far) = duplex(2);
        let mut writer = BufWriter::new(near);
        writer.write_all("1234").await?;
        let mut flushing = Box::pin(writer.flush());
        assert!(futures_util::poll!(&mut flushing).is_pending());
        let ((), first) = far.read_exact(vec![0; 2]).await?;
        flushing.await?;
        writer.shutdown().await?;
        let (_, all) = far.read_to_end(first).await?;
        assert_eq!(all, b"1234");
        Ok(())
    });
}

#[test]
fn a_flush_dropped_when_all_was_passed_on_loses_nothing() {
    run(async {
        let mut writer = BufWriter::new(Moody::default());
        writer.write_all("123").await?;
        let mut flushing = Box::pin(writer.flush());
        assert!(futures_util::poll!(&mut flushing).is_pending());
        drop(flushing);
        assert_eq!(writer.get_ref().bytes, b"123");
        writer.write_all("456").await?;
        writer.flush().await?;
        assert_eq!(writer.get_ref().bytes, b"123456");
        Ok(())
    });
}

#[test]
fn an_error_in_the_middle_is_told_and_not_forgotten() {
    run(async {
        let mut writer = BufWriter::new(Moody { fails: true, ..Moody::default() });
        writer.write_all("123").await?;
        assert_eq!(writer.flush().await.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_refuses(&mut writer).await;
        let (moody, held) = writer.into_parts();
        assert!(moody.bytes.is_empty() && held.is_empty() && !moody.shut);
        Ok(())
    });
}

#[test]
fn an_error_of_a_large_piece_loses_nothing_that_was_collected() {
    run(async {
        let mut writer = BufWriter::with_capacity(4, Moody::default());
        writer.write_all("123").await?;
        writer.flush().await?;
        writer.get_mut().fails = true;
        let error = writer.write("larger".to_owned()).await.unwrap_err();
        assert_eq!((error.kind(), error.into_buf()), (ErrorKind::TimedOut, Some("larger".into())));
        writer.write_all("456").await?;
        writer.shutdown().await?;
        assert_eq!(writer.get_ref().bytes, b"123456");
        Ok(())
    });
}
