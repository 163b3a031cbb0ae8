//! Types that may cross threads, and futures that hold them, by what they are for.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use annulus::buf::{AlignedBuf, DirectBuf, DirectPool, Gather, Guard, Registered};
use annulus::fs::{
    Advice, Alignment, Append, AtomicFile, AtomicWrites, Chunk, CommitError, CommitLog,
    CommitStage, DirBuilder, DirEntry, Direct, DirectPolled, DirectWith, File, FileType, FileWith,
    Level, Merge, Misaligned, Part, PathError, PersistError, Priority, Ranges, ReadDir, ReadStream,
    RwOptions, SetXattr, Space, Synced, TempDir, TempFile, TryLockError, Walk, WalkEntry,
    WriteBack,
};
use annulus::io::codec::{LengthDelimited, LinesCodec};
use annulus::io::{AsyncFd, AsyncFdReadyGuard, AsyncFdReadyMutGuard, Framed, TryIoError};
use annulus::net::{
    Datagram, Datagrams, OwnedReadHalf, OwnedWriteHalf, Parsed, PathMtu, Received, ReuniteError,
    Segments, TcpInfo, TcpSocket, TcpState, TcpStream, UCred, UdpOptions, UdpSocket, UnixDatagram,
    UnixListenOptions, UnixListener, UnixSeqpacket, UnixSeqpacketListener, UnixStream, control,
};
use annulus::runtime::{self};
use annulus::serve;
use annulus::sync::{
    self, Acquire, Barrier, Mutex, MutexGuard, Notified, Notify, OwnedPermit, Permit, RwLock,
    RwLockReadGuard, RwLockWriteGuard, Semaphore, SendError, TryAcquireError, TryRecvError,
    TrySendError, Wait, cross, mpsc, oneshot, watch,
};

use futures_util::TryStreamExt as _;

use super::{Stays, crosses, is_send};

#[test]
fn what_storage_engines_use_crosses_threads() {
    crosses::<(DirectBuf, DirectPool, Registered)>();
    crosses::<(DirectPolled<'_>, runtime::DevicePolling)>();
    crosses::<(Direct, DirectWith<'_>, FileWith<'_>, RwOptions, Priority, Level)>();
    crosses::<(Alignment, Misaligned, Part, AtomicWrites, Synced)>();
    crosses::<(ReadStream<'_>, Chunk, Merge, Ranges, ReadStream<'_, AlignedBuf>)>();
    crosses::<(CommitLog, CommitError, CommitStage, Append<'_, String>)>();
}

#[test]
fn what_directories_and_trees_are_made_of_crosses_threads() {
    crosses::<DirBuilder>();
    crosses::<DirEntry>();
    crosses::<FileType>();
    crosses::<PathError>();
    crosses::<ReadDir>();
    crosses::<Space>();
    crosses::<Walk>();
    crosses::<WalkEntry>();
}

#[test]
fn sockets_of_messages_and_their_futures_cross_threads() {
    crosses::<UdpSocket>();
    crosses::<UdpOptions>();
    crosses::<UnixDatagram>();
    crosses::<UnixSeqpacket>();
    crosses::<UnixSeqpacketListener>();
    crosses::<Datagram>();
    crosses::<Datagrams<'_>>();
    crosses::<Received>();
    crosses::<Segments<'_>>();
    crosses::<control::Control>();
    crosses::<control::ControlMessage<'_>>();
    crosses::<control::ControlMessages<'_>>();
    crosses::<control::Ecn>();
    crosses::<control::PacketInfoV4>();
    crosses::<control::PacketInfoV6>();

    async fn holds(udp: &UdpSocket, unix: &UnixDatagram) -> io::Result<()> {
        let datagram = udp.recv().await?;
        let to = *datagram.sender();
        udp.send_to(datagram.into_lease(), to).await?;
        udp.send_batch([("a", to)]).await;
        let (_, (_, control)) = udp.recv_msg(vec![0; 8], control::Control::new()).await?;
        udp.send_msg(("a",), Some(to), control).await?;
        let mut datagram = unix.recv().await?;
        unix.send("text").await?;
        drop(datagram.take_rights());
        unix.read(vec![0; 8]).await.map(drop)?;
        drop(udp.datagrams().try_next().await?);
        udp.connect("localhost:1").await
    }
    let _ = |udp: &UdpSocket, unix: &UnixDatagram| is_send(holds(udp, unix));
}

#[test]
fn pipes_processes_signals_and_memory_cross_threads() {
    use annulus::{fs::notify, futex, io, mem, pipe, process, signal};
    use std::sync::{Arc, atomic::AtomicU32};
    crosses::<pipe::Sender>();
    crosses::<pipe::Receiver>();
    crosses::<pipe::OpenOptions>();
    crosses::<io::Stdin>();
    crosses::<io::Stdout>();
    crosses::<io::Stderr>();
    crosses::<process::Command>();
    crosses::<process::Child>();
    crosses::<(process::ChildStdin, process::ChildStdout, process::ChildStderr)>();
    crosses::<(process::ExitStatus, process::Output, process::Stdio)>();
    crosses::<signal::Signal>();
    crosses::<signal::SignalKind>();
    crosses::<notify::Inotify>();
    crosses::<notify::Event>();
    crosses::<notify::Events>();
    crosses::<notify::Kind>();
    crosses::<notify::WatchId>();
    crosses::<futex::Futex<Arc<AtomicU32>>>();
    crosses::<mem::SharedWords>();
    crosses::<mem::SharedWord>();
    crosses::<mem::Advice>();

    async fn holds(sender: &pipe::Sender, receiver: &pipe::Receiver) -> std::io::Result<()> {
        sender.write_all("text").await?;
        receiver.read(vec![0; 8]).await?;
        receiver.splice_to(sender, 1).await?;
        receiver.tee_all(&[sender]).await?;
        annulus::io::copy(&mut &*receiver, &mut &*sender).await?;
        io::stdin()?.read(vec![0; 8]).await?;
        io::stdout()?.write_all("text").await?;
        process::Command::new("true").output().await?;
        signal::ctrl_c().await?;
        notify::Inotify::new()?.add("/", notify::Events::ALL).await?;
        let futex = futex::Futex::of_process(Arc::new(AtomicU32::new(0)));
        futex.wait(0).await?;
        futex::wait_any(&[(&futex, 0)]).await?;
        mem::advise(vec![0; 8], mem::Advice::Normal).await?;
        Ok(())
    }
    let _ = |sender: &pipe::Sender, receiver: &pipe::Receiver| is_send(holds(sender, receiver));
}

#[test]
fn files_and_their_futures_cross_threads() {
    crosses::<AtomicFile>();
    crosses::<TempFile>();
    crosses::<TempDir>();
    crosses::<PersistError>();
    crosses::<PathError>();
    crosses::<TryLockError>();
    crosses::<Advice>();
    crosses::<SetXattr>();
    crosses::<WriteBack>();

    async fn holds(file: &mut File, lock: &File) -> io::Result<()> {
        lock.lock().await?;
        let (_, buf) = file.read(vec![0; 8]).await?;
        file.write_all(buf).await?;
        file.read_exact(vec![0; 8]).await?;
        file.read_to_end(Vec::new()).await?;
        file.read_to_string(String::new()).await?;
        file.write_vectored(("a", "b")).await?;
        file.set_len(5).await?;
        file.advise(.., Advice::Random).await?;
        file.set_xattr("user.a", "b", SetXattr::Always).await?;
        file.xattr("user.a").await?;
        file.seek_data(0).await?;
        let next = AtomicFile::create("a").await?;
        next.write_all_at("text", 0).await?;
        next.commit().await?;
        annulus::fs::replace("a", "text").await?;
        TempFile::new().await?.persist("b").await?.close().await?;
        TempDir::new().await?.close().await?;
        annulus::fs::write("a", annulus::fs::read("b").await?).await
    }
    let _ = |file: &mut File, lock: &File| is_send(holds(file, lock));
}

#[test]
fn servers_and_their_parts_cross_threads() {
    crosses::<Gather>();
    crosses::<Guard>();
    crosses::<serve::Accept>();
    crosses::<serve::Bound>();
    crosses::<serve::Builder>();
    crosses::<serve::Config>();
    crosses::<serve::ConfigError>();
    crosses::<serve::Conn>();
    crosses::<serve::ConnId>();
    crosses::<serve::CoreMetrics>();
    crosses::<serve::Ended>();
    crosses::<serve::Error>();
    crosses::<serve::HandOver>();
    crosses::<serve::Handle>();
    crosses::<serve::Inherited>();
    crosses::<serve::Metrics>();
    crosses::<serve::Peer>();
    crosses::<serve::Permit>();
    crosses::<serve::Server>();
    crosses::<serve::Service<fn()>>();
    crosses::<serve::Signal>();
    crosses::<serve::Succession>();
    crosses::<serve::Trouble<'static>>();
    crosses::<serve::Worker>();
    crosses::<serve::Workers>();
    is_send(serve::Notice::new(()));
    <serve::Driver as Stays<_>>::stays();

    async fn holds(conn: &serve::Conn) -> io::Result<()> {
        conn.with_data(|bytes| Parsed::Consumed(bytes.len())).await;
        let Some(lease) = conn.recv().await? else { return Ok(()) };
        conn.send(lease).await?;
        conn.send_vectored(Gather::new().copy(b"a").guard("b")).await?;
        conn.room().await?;
        conn.flush().await?;
        conn.finish().await
    }
    let _ = |conn: &serve::Conn| is_send(holds(conn));
}

#[test]
fn sockets_and_their_parts_cross_threads() {
    crosses::<TcpSocket>();
    crosses::<TcpInfo>();
    crosses::<TcpState>();
    crosses::<UnixListener>();
    crosses::<UnixListenOptions>();
    crosses::<UCred>();
    crosses::<PathMtu>();
    crosses::<OwnedReadHalf<TcpStream>>();
    crosses::<OwnedWriteHalf<UnixStream>>();
    crosses::<ReuniteError<TcpStream>>();
    crosses::<AsyncFd<std::os::fd::OwnedFd>>();
    crosses::<AsyncFdReadyGuard<'_, std::os::fd::OwnedFd>>();
    crosses::<AsyncFdReadyMutGuard<'_, std::os::fd::OwnedFd>>();
    crosses::<TryIoError>();
}

#[test]
fn codecs_cross_threads() {
    crosses::<(LengthDelimited, LinesCodec)>();
    crosses::<Framed<TcpStream, LengthDelimited>>();
}

#[test]
fn what_goes_between_cores_asks_of_its_values_that_they_may_go() {
    crosses::<(cross::Sender<Cell<u8>>, cross::Receiver<Cell<u8>>)>();
    crosses::<(cross::OneSender<Cell<u8>>, cross::OneReceiver<Cell<u8>>)>();
    crosses::<cross::Sending<'_, u8>>();
    crosses::<(sync::Closed, SendError<u8>, TryAcquireError, TryRecvError, TrySendError<u8>)>();
    let _ = |sender: &cross::Sender<Cell<u8>>| is_send(sender.send(Cell::new(1)));
    let _ = |receiver: &mut cross::Receiver<Cell<u8>>| is_send(receiver.recv());
    <cross::Sender<Rc<()>> as Stays<_>>::stays();
    <cross::Receiver<Rc<()>> as Stays<_>>::stays();
    <cross::Sending<'_, Rc<()>> as Stays<_>>::stays();
    <cross::OneSender<Rc<()>> as Stays<_>>::stays();
    <cross::OneReceiver<Rc<()>> as Stays<_>>::stays();
}

#[test]
fn what_serves_one_core_stays_there() {
    <mpsc::Sender<u8> as Stays<_>>::stays();
    <mpsc::UnboundedSender<u8> as Stays<_>>::stays();
    <mpsc::Receiver<u8> as Stays<_>>::stays();
    <mpsc::Slot<'_, u8> as Stays<_>>::stays();
    <oneshot::Sender<u8> as Stays<_>>::stays();
    <oneshot::Receiver<u8> as Stays<_>>::stays();
    <watch::Sender<u8> as Stays<_>>::stays();
    <watch::Receiver<u8> as Stays<_>>::stays();
    <MutexGuard<'_, u8> as Stays<_>>::stays();
    <RwLockReadGuard<'_, u8> as Stays<_>>::stays();
    <RwLockWriteGuard<'_, u8> as Stays<_>>::stays();
    <Permit<'_> as Stays<_>>::stays();
    <OwnedPermit as Stays<_>>::stays();
    <Acquire<'_> as Stays<_>>::stays();
    <Notified<'_> as Stays<_>>::stays();
    <Wait<'_> as Stays<_>>::stays();
    // These may be moved to another thread, and used by one at a time.
    <&Mutex<u8> as Stays<_>>::stays();
    <&RwLock<u8> as Stays<_>>::stays();
    <&Semaphore as Stays<_>>::stays();
    <&Notify as Stays<_>>::stays();
    <&Barrier as Stays<_>>::stays();
}
