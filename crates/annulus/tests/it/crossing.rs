//! What may cross threads, what stays, and what a handle does on a core that is not its own
//! (`abroad`).
//!
//! The lists below name every type of the public interface; a type that is in none fails a test.

mod abroad;
mod lists;

use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use annulus::OpExt as _;
use annulus::buf::{AlignedBuf, BufError, IoVecBuf, Lease, Slice};
use annulus::fs::{Dir, File, Metadata, OpenOptions, Synced};
use annulus::io::codec::LinesCodec;
use annulus::io::{
    BufReader, BufWriter, DuplexStream, Empty, Events, Framed, Lines, ReadHalf, Readiness, Sink,
    Take, WriteHalf,
};
use annulus::net::{
    Accept, Destination, Incoming, Leases, ListenOptions, Parsed, Polled, Portable, Reader, Recv,
    TcpListener, TcpStream, UnixStream,
};
use annulus::op::{Cancel, Cancelled, Chain, Deadline, Step, chain};
use annulus::runtime::{
    self, Builder, CoreHandle, CoreId, CoreLocal, Cores, Cpu, Error, Launched, LaunchedCore,
    Metrics as CoreMetrics, OnPanic, Runtime, Stopping, Topology,
};
use annulus::sync::cross;
use annulus::task::{
    AbortHandle, BlockingHandle, Closed, JoinError, JoinHandle, JoinSet, LocalKey, Name, NotSet,
    Payload, RemoteJoinHandle, Scope, TaskId, TaskLocalFuture,
};
use annulus::time::{Elapsed, Instant, Interval, MissedTicks, Sleep, Timeout};
use futures_util::TryStreamExt as _;

use crate::cancel::until;
use crate::harness::{pair, run};

fn crosses<T: Send + Sync>() {}
fn is_send<T: Send>(_: T) {}

/// Compiles only for a type that is not `Send`: else two implementations would fit.
trait Stays<Which> {
    fn stays() {}
}

impl<T: ?Sized> Stays<()> for T {}
impl<T: ?Sized + Send> Stays<u8> for T {}

#[test]
fn handles_and_values_cross_threads() {
    crosses::<TcpStream>();
    crosses::<TcpListener>();
    crosses::<UnixStream>();
    crosses::<Destination>();
    crosses::<ListenOptions>();
    crosses::<Polled>();
    crosses::<Portable<TcpStream>>();
    crosses::<Portable<UnixStream>>();
    crosses::<Parsed>();
    crosses::<File>();
    crosses::<Dir>();
    crosses::<Metadata>();
    crosses::<OpenOptions>();
    crosses::<Lease>();
    crosses::<AlignedBuf>();
    crosses::<Slice<Vec<u8>>>();
    crosses::<BufError<Vec<u8>>>();
    crosses::<Instant>();
    crosses::<MissedTicks>();
    crosses::<Elapsed>();
    crosses::<CoreHandle>();
    crosses::<CoreId>();
    crosses::<CoreLocal<Rc<()>>>();
    crosses::<Cores>();
    crosses::<Cpu>();
    crosses::<Topology>();
    crosses::<Error>();
    crosses::<Builder>();
    crosses::<CoreMetrics>();
    crosses::<OnPanic>();
    crosses::<LaunchedCore>();
    crosses::<Launched<u8>>();
    crosses::<AbortHandle>();
    crosses::<runtime::MetricsHandle>();
    crosses::<runtime::Dump>();
    crosses::<runtime::DescriptorDump>();
    crosses::<runtime::DescriptorKind>();
    crosses::<runtime::RequestDump>();
    crosses::<runtime::RequestState>();
    crosses::<runtime::TaskDump>();
    crosses::<runtime::TaskState>();
    crosses::<runtime::WaitsFor>();
    crosses::<runtime::Armed>();
    crosses::<runtime::Since>();
    crosses::<runtime::DumpError>();
    crosses::<runtime::Stuck>();
    crosses::<runtime::StuckAt>();
    crosses::<Closed>();
    crosses::<JoinError>();
    crosses::<Payload>();
    crosses::<Name>();
    crosses::<NotSet>();
    crosses::<TaskId>();
    crosses::<LocalKey<Rc<()>>>();
    crosses::<BufReader<TcpStream>>();
    crosses::<BufWriter<TcpStream>>();
    crosses::<Take<Empty>>();
    crosses::<annulus::io::Chain<Empty, Sink>>();
    crosses::<Lines<BufReader<UnixStream>>>();
    crosses::<Framed<TcpStream, LinesCodec>>();
    crosses::<DuplexStream>();
    crosses::<ReadHalf<TcpStream>>();
    crosses::<WriteHalf<TcpStream>>();
    crosses::<cross::Sender<u8>>();
    crosses::<cross::Receiver<u8>>();
    crosses::<cross::OneSender<u8>>();
    crosses::<cross::OneReceiver<u8>>();
}

#[test]
fn futures_cross_threads() {
    crosses::<Recv<'_>>();
    crosses::<Reader<'_>>();
    crosses::<Sleep>();
    crosses::<Interval>();
    crosses::<Timeout<Sleep>>();
    crosses::<Stopping>();
    crosses::<Accept<'_>>();
    crosses::<Incoming<'_>>();
    crosses::<Leases<'_>>();
    crosses::<Readiness>();
    crosses::<Events>();
    crosses::<Cancel<Recv<'_>>>();
    crosses::<Deadline<Recv<'_>>>();
    crosses::<Cancelled>();
    crosses::<Chain<(Step<Recv<'_>, u8>, Step<Recv<'_>, u8>)>>();
    is_send::<Option<runtime::Dumping>>(None);
    fn of_handles<T: Send>()
    where
        RemoteJoinHandle<T>: Send,
        BlockingHandle<T>: Send + Sync,
    {
    }
    of_handles::<Vec<u8>>();

    async fn holds(stream: &TcpStream, file: &File, listener: &TcpListener) -> io::Result<()> {
        let (_, buf) = file.read_at(vec![0; 8], 0).await?;
        let (_, buf) = file.write_at(buf, 0).await?;
        file.read_exact_at(vec![0; 8], 0).await?;
        file.write_all_at("text", 0).await?;
        file.sync_data().await?;
        stream.write_all(buf).await?;
        stream.write("text").await?;
        stream.recv().await?;
        stream.read(vec![0; 8]).await?;
        stream.read_exact(vec![0; 8]).await?;
        stream.with_data(|bytes| Parsed::Consumed(bytes.len())).await?;
        let mut reader = stream.reader();
        reader.fill_buf().await?;
        reader.fill_more().await?;
        drop(reader);
        annulus::time::timeout(Duration::from_secs(1), stream.flush()).await??;
        file.sync_all().await?;
        stream.send_file(file, 0..8).await?;
        stream.send_file_after("text", file, 0..8).await?;
        listener.accept().await?;
        annulus::time::interval(Duration::from_secs(1)).tick().await;
        Ok(())
    }
    async fn by_value(stream: TcpStream, other: UnixStream, file: File) -> io::Result<()> {
        let stream = stream.into_portable().await?.attach()?;
        drop(stream.into_std().await?);
        drop(other.into_std().await?);
        file.close().await?;
        Dir::open("/").await?.open_beneath("tmp", &OpenOptions::new()).await?;
        annulus::fs::metadata("/").await.map(drop)
    }
    let _ = |stream: &TcpStream, file: &File, listener: &TcpListener| {
        is_send(holds(stream, file, listener));
        is_send(TcpStream::connect("127.0.0.1:1"));
        is_send(File::open("/"));
    };
    let _ = |stream, other, file| is_send(by_value(stream, other, file));
}

#[test]
fn futures_that_can_be_asked_to_end_cross_threads() {
    async fn bounds(stream: &TcpStream, file: &File) -> io::Result<()> {
        let second = Duration::from_secs(1);
        stream.read(vec![0; 8]).timeout(second).await?;
        stream.read_exact(vec![0; 8]).cancel().await?;
        stream.write_all("text").timeout(second).await?;
        stream.write_all_vectored(("te", "xt")).cancel().await?;
        stream.leases().try_next().await?;
        file.write_all_at("text", 0).timeout(second).await?;
        file.read_vectored_at((vec![0; 8], vec![0; 8]), 0).cancel().await?;
        File::open("/").timeout(second).await?;
        TcpStream::connect_timeout("127.0.0.1:1", second).await?;
        let (wrote, synced) = chain((file.write_at("text", 0), file.sync_all())).await;
        wrote?;
        synced
    }
    fn is_both<T: Send + Sync>(_: T) {}
    let _ = |stream: &TcpStream, file: &File| {
        is_send(bounds(stream, file));
        is_both(file.read_at(vec![0; 8], 0).timeout(Duration::from_secs(1)));
        is_both(file.read_exact_at(vec![0; 8], 0).cancel());
        is_both(file.write_all_at("text", 0));
        is_both(file.write_synced_at("text", 0, Synced::Data));
        is_both(file.copy_block(0, file, 8, vec![0; 8]));
        is_both(annulus::fs::read_once("/", vec![0; 8]));
        is_both(chain((file.write_at("text", 0), file.sync_all())));
        is_both(stream.read(vec![0; 8]).cancel());
        is_both(stream.write_all("text").cancel());
        is_both(TcpStream::connect("127.0.0.1:1"));
        is_both(File::open("/"));
        is_both(annulus::fs::metadata("/"));
        is_both(annulus::fs::rename("/x", "/y").timeout(Duration::from_secs(1)));
        is_both(annulus::fs::set_xattr("/x", "user.x", "y", annulus::fs::SetXattr::Always));
        is_send(annulus::fs::remove_dir_all("/x"));
        is_send(annulus::fs::read_dir("/x"));
        is_send(annulus::fs::copy("/x", "/y"));
    };
}

#[test]
fn what_belongs_to_a_thread_stays_there() {
    <Runtime as Stays<_>>::stays();
    <JoinHandle<u8> as Stays<_>>::stays();
    <JoinSet<u8> as Stays<_>>::stays();
    <Scope as Stays<_>>::stays();
    <TaskLocalFuture<Rc<()>, Sleep> as Stays<_>>::stays();
    <BufError<Rc<()>> as Stays<_>>::stays();
}

/// In the public interface, and in no list above, and why.
const UNLISTED: &[(&str, &str)] = &[
    ("Chained", "a trait"),
    ("Outcome", "a trait"),
    ("Steps", "a trait"),
    ("ToAddress", "a trait"),
    ("Halved", "a trait"),
    ("Accepted", "a trait"),
    ("AsyncRead", "a trait"),
    ("SpliceTarget", "a trait"),
    ("Word", "a trait"),
    ("W", "a parameter"),
    ("C", "a parameter"),
    ("AsyncBufRead", "a trait"),
    ("AsyncWrite", "a trait"),
    ("IoBuf", "a trait"),
    ("IoBufMut", "a trait"),
    ("IoVecBuf", "a trait"),
    ("IoVecBufMut", "a trait"),
    ("Handler", "a trait"),
    ("Layer", "a trait"),
    ("Transport", "a trait"),
    ("Wrapping", "stays on the core of its connection"),
    ("BufResult", "another name of Result"),
    ("Shutdown", "of std"),
    ("FileTimes", "of std"),
    ("Permissions", "of std"),
    ("Stall", "lent to a callback"),
    ("StalledBy", "lent to a callback"),
    ("Metrics", "listed under another name"),
];

#[test]
fn every_public_type_is_in_one_of_the_lists() {
    let modules = [
        include_str!("../../src/net.rs"),
        include_str!("../../src/fs.rs"),
        include_str!("../../src/time.rs"),
        include_str!("../../src/buf.rs"),
        include_str!("../../src/runtime.rs"),
        include_str!("../../src/task.rs"),
        include_str!("../../src/op.rs"),
        include_str!("../../src/io.rs"),
        include_str!("../../src/io/codec.rs"),
        include_str!("../../src/net/control.rs"),
        include_str!("../../src/pipe.rs"),
        include_str!("../../src/process.rs"),
        include_str!("../../src/signal.rs"),
        include_str!("../../src/fs/notify.rs"),
        include_str!("../../src/futex.rs"),
        include_str!("../../src/mem.rs"),
        include_str!("../../src/serve.rs"),
        include_str!("../../../annulus-sync/src/lib.rs"),
        include_str!("../../../annulus-sync/src/cross.rs"),
        include_str!("../../../annulus-sync/src/mpsc.rs"),
        include_str!("../../../annulus-sync/src/oneshot.rs"),
        include_str!("../../../annulus-sync/src/watch.rs"),
    ];
    let own = include_str!("crossing.rs");
    let general =
        &own[own.find("fn handles_and_values").unwrap()..own.find("const UNLISTED").unwrap()];
    let lists = include_str!("crossing/lists.rs");
    let lists = &lists[lists.find("fn what_storage").unwrap()..];
    let mut seen = 0;
    for name in modules.into_iter().flat_map(public_types) {
        seen += 1;
        let is_listed = words(general).chain(words(lists)).any(|word| word == name)
            || UNLISTED.iter().any(|(unlisted, _why)| *unlisted == name);
        assert!(is_listed, "{name}: may it cross threads?");
    }
    assert!(seen > 200, "only {seen} names were found: the test does not read what is there");
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
}

/// The types that a module makes public, and their parameters.
fn public_types(module: &str) -> Vec<&str> {
    let (mut names, mut in_use) = (Vec::new(), false);
    for line in module.lines().filter(|line| !line.trim().starts_with("//")) {
        in_use |= line.starts_with("pub use ");
        if in_use || line.starts_with("pub struct ") || line.starts_with("pub enum ") {
            names.extend(words(line).filter(|word| word.starts_with(char::is_uppercase)));
        }
        in_use &= !line.contains(';');
    }
    names
}

#[test]
fn a_reference_to_a_stream_is_held_across_an_await_by_a_future_that_may_cross() {
    fn boxed<'a>(
        future: impl Future<Output = io::Result<Vec<u8>>> + Send + 'a,
    ) -> std::pin::Pin<Box<dyn Future<Output = io::Result<Vec<u8>>> + Send + 'a>> {
        Box::pin(future)
    }
    async fn ask(stream: &TcpStream) -> io::Result<Vec<u8>> {
        stream.write_all("question").await?;
        annulus::task::yield_now().await;
        Ok(stream.recv().await?.expect("no end yet").to_vec())
    }
    run(async {
        let (client, server) = pair().await?;
        let asking = boxed(ask(&client));
        let answering = async {
            let ((), got) = server.read_exact(vec![0; 8]).await?;
            server.write_all(got).await.map(drop)?;
            io::Result::Ok(())
        };
        let (answer, answered) = annulus::join!(asking, answering);
        answered?;
        assert_eq!(answer?, b"question");
        Ok(())
    });
}

#[test]
fn whatever_is_dropped_on_a_foreign_thread_goes_back_to_its_core() {
    run(async {
        let (client, server) = pair().await?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let file = File::open("/proc/self/exe").await?;
        let dir = Dir::open("/").await?;
        let (left, right) = UnixStream::pair()?;
        let (third, fourth) = UnixStream::pair()?;
        let portable = third.into_portable().await?;
        client.write_all("leased").await?;
        let lease = server.recv().await?.expect("no end yet");
        let mut sleep = Box::pin(annulus::time::sleep(Duration::from_secs(1000)));
        assert!(futures_util::poll!(&mut sleep).is_pending());
        let mut reading = Box::pin(async move { left.read(vec![0; 8]).await.map(drop) });
        assert!(futures_util::poll!(&mut reading).is_pending());
        let mut opening = Box::pin(File::open("/proc/self/exe"));
        assert!(futures_util::poll!(&mut opening).is_pending());
        let pieces = (vec![0; 4], "tail");
        assert_eq!(pieces.total_len(), 8);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                drop((client, server, listener, file, dir, right, portable, lease));
                drop((sleep, reading, opening));
            });
        });
        assert!(fourth.recv().await?.is_none(), "the portable one was closed there and then");
        drop(fourth);
        until("the core has got everything back", || {
            let now = annulus::runtime::metrics().expect("a runtime runs");
            (now.ops_in_flight, now.descriptors, now.leases_out, now.timers) == (0, 0, 0, 0)
        })
        .await
    });
}
