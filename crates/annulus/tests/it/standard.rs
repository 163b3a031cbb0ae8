//! Standard streams of every kind, each in a child of this process that is forked for it.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};

use annulus::OpExt as _;
use annulus::buf::IoBufMut;
use annulus::io::{AsyncRead as _, AsyncWrite as _, copy, stderr, stdin, stdout};
use annulus::op::Cancelled;
use annulus::runtime::Runtime;
use futures_util::poll;

use crate::cancel::yield_to_kernel;
use crate::harness::{check, own_process, share_process};
use crate::hazards::fork::in_child;

/// Runs a test in a forked child that has `fd` as its standard stream `number`, and gives whether
/// the flags of the open file have stayed as they were.
fn with<F: Future<Output = io::Result<()>>>(
    fd: &impl std::os::fd::AsRawFd,
    number: RawFd,
    test: impl FnOnce() -> F,
) {
    // SAFETY: no pointers.
    let flags = || unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    let before = flags();
    let code = in_child(|| {
        // SAFETY: no pointers; this process ends after the test.
        assert_eq!(unsafe { libc::dup2(fd.as_raw_fd(), number) }, number);
        check(Runtime::builder(), test());
    });
    assert_eq!(code, 0, "the test failed in the child; what it said is above");
    assert_eq!(flags(), before, "the flags of an open file are its other owners' as well");
}

fn pipe() -> (File, File) {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
    // SAFETY: just made, and nobody else's.
    let [out, into] = ends.map(|fd| File::from(unsafe { OwnedFd::from_raw_fd(fd) }));
    (out, into)
}

/// A terminal: the side of who types, and the side of the program.
fn terminal() -> (File, File) {
    let (mut ours, mut theirs) = (0, 0);
    let none = std::ptr::null_mut();
    // SAFETY: room for two descriptors; nothing else is asked for.
    let made = unsafe { libc::openpty(&mut ours, &mut theirs, none, none.cast(), none.cast()) };
    assert_eq!(made, 0, "{}", io::Error::last_os_error());
    // SAFETY: just made, and nobody else's.
    let [ours, theirs] = [ours, theirs].map(|fd| File::from(unsafe { OwnedFd::from_raw_fd(fd) }));
    (ours, theirs)
}

async fn all_of_stdin() -> io::Result<Vec<u8>> {
    Ok(stdin()?.read_to_end(Vec::new()).await?.1)
}

#[test]
fn input_is_read_to_its_end_whatever_it_is() {
    let _own = own_process();
    let text = b"one\ntwo\n";
    let (out, mut into) = pipe();
    into.write_all(text).unwrap();
    drop(into);
    with(&out, 0, || async {
        assert_eq!(all_of_stdin().await?, text);
        Ok(())
    });

    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"before").unwrap();
    file.write_all(text).unwrap();
    file.seek(io::SeekFrom::Start(6)).unwrap();
    with(&file, 0, || async {
        assert_eq!(all_of_stdin().await?, text, "from where it stands");
        Ok(())
    });
    assert_eq!(file.stream_position().unwrap(), 14, "its position is shared");

    let null = File::open("/dev/null").unwrap();
    with(&null, 0, || async {
        assert_eq!(all_of_stdin().await?, b"");
        Ok(())
    });

    let (near, mut far) = std::os::unix::net::UnixStream::pair().unwrap();
    far.write_all(text).unwrap();
    drop(far);
    with(&near, 0, || async {
        assert_eq!(all_of_stdin().await?, text);
        Ok(())
    });

    let (mut ours, theirs) = terminal();
    ours.write_all(b"one\ntwo\n\x04").unwrap();
    with(&theirs, 0, || async {
        let mut lines = stdin()?.lines();
        assert_eq!(lines.next_line().await?.as_deref(), Some("one"));
        assert_eq!(lines.next_line().await?.as_deref(), Some("two"));
        assert_eq!(lines.next_line().await?, None);
        Ok(())
    });
}

#[test]
fn what_is_closed_is_an_error() {
    let _own = own_process();
    let code = in_child(|| {
        check(Runtime::builder(), async {
            // SAFETY: no pointers; this process ends after the test.
            unsafe { libc::close(0) };
            assert_eq!(stdin().unwrap_err().raw_os_error(), Some(libc::EBADF));
            Ok(())
        });
    });
    assert_eq!(code, 0);
}

#[test]
fn a_task_waits_for_input_without_holding_up_others() {
    let _own = own_process();
    let (out, into) = pipe();
    let (typist, theirs) = terminal();
    for (fd, peer) in [(&out, &into), (&theirs, &typist)] {
        let mut peer = peer.try_clone().unwrap();
        with(fd, 0, || async move {
            let input = stdin()?;
            let mut reading = Box::pin(input.read(Vec::with_capacity(64)));
            for _ in 0..3 {
                assert!(poll!(&mut reading).is_pending());
                yield_to_kernel().await?;
            }
            peer.write_all(b"line\n")?;
            assert_eq!(reading.await?.1, b"line\n");
            let error = input.read(Vec::new()).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            Ok(())
        });
    }
}

#[test]
fn a_read_that_is_given_up_at_any_moment_loses_no_line() {
    let _own = own_process();
    gives_reads_up(|| Vec::with_capacity(64), |buf, n| buf[..n].to_vec());
}

#[test]
fn a_read_into_uninitialised_memory_that_is_given_up_loses_no_line_either() {
    let _own = own_process();
    // SAFETY: a read has just filled so many bytes.
    gives_reads_up(
        || Box::<[u8]>::new_uninit_slice(64),
        |buf, n| buf[..n].iter().map(|byte| unsafe { byte.assume_init() }).collect(),
    );
}

fn gives_reads_up<B: IoBufMut + Send>(make: fn() -> B, filled: fn(B, usize) -> Vec<u8>) {
    let (out, into) = pipe();
    let (typist, theirs) = terminal();
    for (fd, peer) in [(&out, &into), (&theirs, &typist)] {
        let mut peer = peer.try_clone().unwrap();
        with(fd, 0, || async move {
            for round in 0..200 {
                let input = stdin()?;
                let mut reading = input.read(make());
                assert!(poll!(&mut reading).is_pending());
                if round % 2 == 0 {
                    yield_to_kernel().await?;
                }
                peer.write_all(format!("{round}\n").as_bytes())?;
                let mut got = None;
                for _ in 0..round % 7 {
                    if let std::task::Poll::Ready(read) = poll!(&mut reading) {
                        got = Some(read?);
                        break;
                    }
                    yield_to_kernel().await?;
                }
                if got.is_none() && round % 3 == 0 {
                    match reading.cancel().await {
                        Ok(read) => got = Some(read),
                        Err(error) => assert!(Cancelled::of(error.error()).is_some(), "{error}"),
                    }
                } else {
                    drop(reading);
                }
                let (n, line) = match got {
                    Some(read) => read,
                    // Another handle reads on where the first has left.
                    None => stdin()?.read(make()).await?,
                };
                assert_eq!(filled(line, n), format!("{round}\n").into_bytes());
            }
            Ok(())
        });
    }
}

#[test]
fn output_arrives_whatever_it_goes_to() {
    let _own = own_process();
    let printed = || async {
        let out = stdout()?;
        out.write_all("some ").await?;
        let mut buffered = out.buffered();
        buffered.write_all("text").await?;
        buffered.write_all("\n").await?;
        buffered.flush().await
    };
    let (mut out, into) = pipe();
    with(&into, 1, printed);
    drop(into);
    let mut text = String::new();
    out.read_to_string(&mut text).unwrap();
    assert_eq!(text, "some text\n");

    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"before ").unwrap();
    with(&file, 1, printed);
    file.rewind().unwrap();
    text.clear();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "before some text\n");

    with(&File::options().write(true).open("/dev/null").unwrap(), 1, printed);

    let (mut ours, theirs) = terminal();
    with(&theirs, 1, printed);
    let mut line = [0; 11];
    ours.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"some text\r\n");
}

#[test]
fn a_full_pipe_is_waited_for_and_one_that_nobody_reads_is_an_error() {
    let _own = own_process();
    let (out, into) = pipe();
    let peer = out.try_clone().unwrap();
    with(&into, 2, || async move {
        let to = stderr()?;
        let mut writing = Box::pin(to.write_all(vec![7; 300_000]));
        assert!(poll!(&mut writing).is_pending());
        let reader = std::thread::spawn(move || {
            let mut all = vec![0; 300_000];
            let mut peer = peer;
            peer.read_exact(&mut all).map(|()| all)
        });
        writing.await?;
        assert_eq!(reader.join().expect("it does not panic")?, [7; 300_000]);
        Ok(())
    });
    drop(out);
    let code = in_child(|| {
        // SAFETY: no pointers; this process ends after the test.
        unsafe { libc::dup2(into.as_raw_fd(), 2) };
        let kind = std::cell::Cell::new(None);
        check(Runtime::builder(), async {
            kind.set(stderr()?.write("x").await.err().map(|error| error.kind()));
            Ok(())
        });
        assert_eq!(kind.get(), Some(io::ErrorKind::BrokenPipe));
    });
    assert_eq!(code, 0);
}

#[test]
fn lines_of_many_tasks_to_a_file_are_whole() {
    let _own = own_process();
    let mut file = tempfile::tempfile().unwrap();
    with(&file, 1, || async {
        let writers = (0..16_u8).map(|number| {
            annulus::spawn(async move {
                let to = stdout()?;
                for _ in 0..20 {
                    to.write_all(format!("{}\n", char::from(b'a' + number)).repeat(50)).await?;
                }
                io::Result::Ok(())
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.expect("it does not panic")?;
        }
        Ok(())
    });
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text.len(), 16 * 20 * 100, "none was overwritten by another");
    assert!(text.as_bytes().chunks(100).all(|part| part.chunks(2).all(|line| line == &part[..2])));
}

#[test]
fn pipes_are_joined_in_the_kernel() {
    let _own = own_process();
    let (out, mut into) = pipe();
    let (mut last, target) = pipe();
    // All of it before the fork: the child would have a copy of the end to write to.
    // SAFETY: no pointers.
    assert!(unsafe { libc::fcntl(into.as_raw_fd(), libc::F_SETPIPE_SZ, 1 << 20) } >= 1 << 20);
    into.write_all(&vec![3; 500_000]).unwrap();
    drop(into);
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        last.read_to_end(&mut all).map(|_| all)
    });
    with(&out, 0, || async {
        // SAFETY: no pointers; this process ends after the test.
        assert_eq!(unsafe { libc::dup2(target.as_raw_fd(), 1) }, 1);
        let (mut from, mut to) = (stdin()?, stdout()?);
        assert!(from.as_pipe().is_some() && to.as_pipe().is_some());
        assert_eq!(copy(&mut from, &mut to).await?, 500_000);
        Ok(())
    });
    drop((out, target));
    assert_eq!(reader.join().expect("it does not panic").unwrap(), [3; 500_000]);
}

#[test]
fn streams_need_a_runtime() {
    let _shared = share_process();
    assert!(stdout().unwrap_err().to_string().contains("runtime"));
}
