//! Two machines, as far as TCP can tell: two network namespaces joined by a pair of veth devices,
//! with loss, a small MTU, and a link that goes down. Needs root and ip(8), and tc(8) for the loss;
//! says so and is left out where one is missing.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd as _;
use std::process::Command;
use std::thread;
use std::time::Duration;

use annulus::net::{TcpListener, TcpSocket, TcpStream};
use annulus::runtime::Runtime;

use crate::harness::{assert_nothing_left, share_process, skip};

const HERE: &str = "10.253.77.1";
const THERE: &str = "10.253.77.2";

/// Two namespaces, removed when dropped.
struct Net {
    names: [String; 2],
    devices: [String; 2],
}

fn run(program: &str, args: &[&str]) -> io::Result<()> {
    let output = Command::new(program).args(args).output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(io::Error::other(format!("{program} {}: {text}", args.join(" "))))
}

impl Net {
    fn new(what: &str) -> io::Result<Self> {
        let id = std::process::id();
        let names = ["a", "b"].map(|end| format!("annulus-{what}-{end}-{id}"));
        // The name of a device has 15 bytes at most.
        let devices = ["a", "b"].map(|end| format!("an{what}{end}{}", id % 100_000));
        let net = Self { names, devices };
        for name in &net.names {
            run("ip", &["netns", "add", name])?;
        }
        let [a, b] = &net.devices;
        run("ip", &["link", "add", a, "type", "veth", "peer", "name", b])?;
        for ((name, device), address) in net.names.iter().zip(&net.devices).zip([HERE, THERE]) {
            run("ip", &["link", "set", device, "netns", name])?;
            let address = format!("{address}/24");
            net.ip(name, &["address", "add", &address, "dev", device])?;
            net.ip(name, &["link", "set", device, "up"])?;
            net.ip(name, &["link", "set", "lo", "up"])?;
        }
        Ok(net)
    }

    fn ip(&self, name: &str, args: &[&str]) -> io::Result<()> {
        run("ip", &[&["-n", name], args].concat())
    }

    /// Runs something with a runtime on a thread that is in a namespace.
    fn at<T: Send + 'static, F: Future<Output = io::Result<T>>>(
        &self,
        end: usize,
        what: impl FnOnce() -> F + Send + 'static,
    ) -> thread::JoinHandle<io::Result<T>> {
        let path = format!("/run/netns/{}", self.names[end]);
        thread::spawn(move || {
            let namespace = std::fs::File::open(&path)?;
            // SAFETY: the call has no pointers, and changes this thread's namespace alone.
            if unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) } != 0 {
                return Err(io::Error::last_os_error());
            }
            let runtime = Runtime::builder().build().map_err(io::Error::from)?;
            let result = runtime.block_on(async { what().await });
            let last = runtime.shutdown();
            if result.is_ok() {
                assert_nothing_left(&last);
            }
            result
        })
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = run("ip", &["netns", "delete", name]);
        }
    }
}

/// A net, or why there is none.
fn net(what: &str) -> Option<Net> {
    // SAFETY: the call cannot fail, and touches nothing.
    if unsafe { libc::geteuid() } != 0 {
        skip("network namespaces need root");
        return None;
    }
    match Net::new(what) {
        Ok(net) => Some(net),
        Err(error) => {
            skip(&format!("no network namespaces here: {error}"));
            None
        }
    }
}

/// Bytes that tell where they are.
fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Sends megabytes both ways between the ends. Gives what the sender's TCP knows then.
fn exchange(net: &Net, bytes: usize) -> annulus::net::TcpInfo {
    let (tell, told) = std::sync::mpsc::channel();
    let server = net.at(1, move || async move {
        let listener = TcpListener::bind((THERE, 0))?;
        tell.send(listener.local_addr()?).expect("the test waits for it");
        let (stream, peer) = listener.accept().await?;
        assert_eq!(peer.ip().to_string(), HERE);
        while let Some(lease) = stream.recv().await? {
            stream.write_all(lease).await?;
        }
        Ok(())
    });
    let address = told.recv().expect("the server listens");
    let client = net.at(0, move || async move {
        let stream = TcpStream::connect_timeout(address, Duration::from_secs(60)).await?;
        let (reader, writer) = stream.into_split();
        let sending = annulus::spawn(async move {
            writer.write_all(pattern(bytes)).await?;
            writer.shutdown()?;
            io::Result::Ok(writer)
        });
        let mut got = Vec::new();
        while let Some(lease) = reader.recv().await? {
            got.extend_from_slice(&lease);
        }
        assert!(got == pattern(bytes), "{} bytes came back", got.len());
        let writer = sending.await.expect("it does not panic")?;
        let info = writer.as_ref().info()?;
        drop((reader, writer));
        Ok(info)
    });
    server.join().unwrap().unwrap();
    client.join().unwrap().unwrap()
}

#[test]
fn bytes_that_the_net_loses_arrive_all_the_same() {
    let _shared = share_process();
    let Some(net) = net("ls") else { return };
    for (name, device) in net.names.iter().zip(&net.devices) {
        let lossy = ["-n", name, "qdisc", "add", "dev", device, "root", "netem", "loss", "3%"];
        if let Err(error) = run("tc", &lossy) {
            return skip(&format!("no lossy net here: {error}"));
        }
        // What is lost is a buffer of the kernel: with segments of their own there are a thousand,
        // of which some are lost, and else so few that none may be.
        net.ip(name, &["link", "set", device, "gso_max_segs", "1"]).unwrap();
    }
    let info = exchange(&net, 1_500_000);
    assert!(info.total_retransmits > 0 && info.bytes_retransmitted > 0, "{info:?}");
}

#[test]
fn segments_are_as_small_as_the_net_wants_them() {
    let _shared = share_process();
    let Some(net) = net("mt") else { return };
    for (name, device) in net.names.iter().zip(&net.devices) {
        net.ip(name, &["link", "set", device, "mtu", "600"]).unwrap();
    }
    let info = exchange(&net, 1_000_000);
    assert!(info.send_mss <= 560 && info.path_mtu <= 600, "{info:?}");
    assert!(info.segments_out > 1_000_000 / 560, "{info:?}");
}

#[test]
fn a_peer_that_the_net_has_swallowed_is_given_up_as_it_was_asked_to_be() {
    let _shared = share_process();
    let Some(net) = net("dn") else { return };
    let (tell, told) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let server = net.at(1, move || async move {
        let listener = TcpListener::bind((THERE, 0))?;
        tell.send(listener.local_addr()?).expect("the test waits for it");
        let (stream, _) = listener.accept().await?;
        // It is cut off before it can say anything.
        annulus::task::spawn_blocking(move || ended.recv()).await.expect("no panic").ok();
        drop(stream);
        Ok(())
    });
    let address = told.recv().expect("the server listens");
    let (name, device) = (net.names[0].clone(), net.devices[0].clone());
    let client = net.at(0, move || async move {
        let socket = TcpSocket::new_v4()?;
        socket.set_user_timeout(Duration::from_millis(300))?;
        let stream = socket.connect(address).await?;
        run("ip", &["-n", &name, "link", "set", &device, "down"])?;
        stream.write_all("is anybody there?").await?;
        let error = stream.recv().await.unwrap_err();
        let kinds =
            [ErrorKind::TimedOut, ErrorKind::HostUnreachable, ErrorKind::NetworkUnreachable];
        assert!(kinds.contains(&error.kind()), "{error}");
        assert!(stream.recv().await?.is_none(), "the error is given once");
        // There is no way there for others either.
        let other = TcpStream::connect(address).await.unwrap_err();
        assert!(kinds.contains(&other.kind()), "{other}");
        Ok(())
    });
    let client = client.join();
    drop(end);
    server.join().unwrap().unwrap();
    client.unwrap().unwrap();
}

#[test]
fn a_port_at_which_nobody_listens_refuses_across_the_net() {
    let _shared = share_process();
    let Some(net) = net("rf") else { return };
    let client = net.at(0, || async {
        let error = TcpStream::connect((THERE, 9)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        Ok(())
    });
    client.join().unwrap().unwrap();
}
