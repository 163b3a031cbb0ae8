//! Programs of others on loopback: nc(1), socat(1), iperf3(1). Each test says so and is left out
//! where its program is missing.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use annulus::io::copy_bidirectional;
use annulus::net::{TcpListener, TcpStream, UdpSocket, UnixListener, UnixSeqpacketListener};
use annulus::task::spawn_blocking;

use crate::harness::{Scratch, run, skip};

fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn is_installed(program: &str) -> bool {
    let is = std::env::var_os("PATH").is_some_and(|paths| {
        std::env::split_paths(&paths).any(|path| path.join(program).is_file())
    });
    if !is {
        skip(&format!("{program} is not installed"));
    }
    is
}

/// Gives a program a file as its input, and what it prints.
async fn fed(program: &'static str, args: Vec<String>, input: Vec<u8>) -> io::Result<Vec<u8>> {
    // Not on the other thread, which would have to wait for who waits for this one.
    let scratch = Scratch::new();
    let path = scratch.file("input", &input);
    let fed = spawn_blocking(move || {
        let mut command = Command::new(program);
        let output = command.args(args).stdin(std::fs::File::open(path)?).output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(output.stdout) } else { Err(io::Error::other(said)) }
    });
    fed.await.expect("it does not panic")
}

/// Sends everything back, and ends after the peer.
macro_rules! echo {
    ($stream:expr) => {{
        let stream = $stream;
        while let Some(lease) = stream.recv().await? {
            stream.write_all(lease).await?;
        }
        stream.shutdown(std::net::Shutdown::Write)?;
    }};
}

#[test]
fn nc_gets_back_what_it_sent() {
    if !is_installed("nc") {
        return;
    }
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port().to_string();
        let sent = pattern(3_000_000);
        let args = ["-N", "127.0.0.1", &port].map(str::to_owned).to_vec();
        let got = annulus::spawn(fed("nc", args, sent.clone()));
        echo!(listener.accept().await?.0);
        assert!(got.await.expect("it does not panic")? == sent);
        Ok(())
    });
}

#[test]
fn socat_gets_back_what_it_sent_over_tcp_and_unix() {
    if !is_installed("socat") {
        return;
    }
    run(async {
        // It does not read while it cannot write, so all of it must fit into the sockets.
        let sent = pattern(60_000);
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let to = format!("TCP:{}", listener.local_addr()?);
        let args = ["-t60", "-", &to].map(str::to_owned).to_vec();
        let got = annulus::spawn(fed("socat", args, sent.clone()));
        echo!(listener.accept().await?.0);
        assert!(got.await.expect("it does not panic")? == sent);

        let scratch = Scratch::new();
        let path = scratch.path().join("socket");
        let listener = UnixListener::bind(&path)?;
        let to = format!("UNIX-CONNECT:{}", path.display());
        let args = ["-t60", "-", &to].map(str::to_owned).to_vec();
        let got = annulus::spawn(fed("socat", args, sent.clone()));
        echo!(listener.accept().await?.0);
        assert!(got.await.expect("it does not panic")? == sent);
        Ok(())
    });
}

#[test]
fn socat_sends_packets_and_datagrams() {
    if !is_installed("socat") {
        return;
    }
    run(async {
        let sent = pattern(100_000);
        let scratch = Scratch::new();
        let path = scratch.path().join("packets");
        let listener = UnixSeqpacketListener::bind(&path)?;
        let to = format!("UNIX-CONNECT:{},type=5", path.display());
        let args = ["-u", "-b1000", "-", &to].map(str::to_owned).to_vec();
        let sending = annulus::spawn(fed("socat", args, sent.clone()));
        let (server, _) = listener.accept().await?;
        let mut got = Vec::new();
        while let Some(packet) = server.recv().await? {
            assert!(packet.len() <= 1000);
            got.extend_from_slice(&packet);
        }
        sending.await.expect("it does not panic")?;
        assert!(got == sent, "{} bytes came", got.len());

        let socket = UdpSocket::bind("127.0.0.1:0")?;
        // All of it may wait.
        socket.set_recv_buffer_size(1 << 20)?;
        let to = format!("UDP:{}", socket.local_addr()?);
        let args = ["-u", "-b500", "-", &to].map(str::to_owned).to_vec();
        let sending = annulus::spawn(fed("socat", args, sent[..50_000].to_vec()));
        let mut got = Vec::new();
        while got.len() < 50_000 {
            let datagram = socket.recv().await?;
            assert_eq!(datagram.len(), 500);
            got.extend_from_slice(&datagram);
        }
        sending.await.expect("it does not panic")?;
        assert!(got == sent[..50_000]);
        Ok(())
    });
}

/// An `iperf3 -s` for one client: what waits for its end, and its port.
fn iperf3_server() -> io::Result<(impl FnOnce() -> io::Result<()> + Send, u16)> {
    for _ in 0..10 {
        // Somebody else may take the port in between; then it is tried again.
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut child = Command::new("iperf3")
            .args(["-s", "-1", "--forceflush", "-B", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        while out.read_line(&mut line)? > 0 {
            if line.contains("listening") {
                // What it says later must have somewhere to go.
                let ended = move || {
                    out.read_to_end(&mut Vec::new())?;
                    child.wait().map(drop)
                };
                return Ok((ended, port));
            }
            line.clear();
        }
        child.wait()?;
    }
    Err(io::Error::other("no port for iperf3"))
}

#[test]
fn iperf3_measures_through_a_proxy() {
    if !is_installed("iperf3") {
        return;
    }
    run(async {
        let started = spawn_blocking(iperf3_server).await.expect("it does not panic");
        let (ended, port) = started?;
        let ended = spawn_blocking(ended);
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let ours = listener.local_addr()?.port().to_string();
        let proxy = annulus::spawn(async move {
            loop {
                let (client, _) = listener.accept().await?;
                annulus::spawn(async move {
                    let upstream = TcpStream::connect(("127.0.0.1", port)).await?;
                    copy_bidirectional(&client, &upstream).await
                });
            }
            #[allow(unreachable_code, reason = "it says what the loop gives")]
            io::Result::Ok(())
        });
        let measured = spawn_blocking(move || {
            Command::new("iperf3")
                .args(["-c", "127.0.0.1", "-p", &ours, "-n", "64M", "-J"])
                .output()
        });
        let measured = measured.await.expect("it does not panic")?;
        let report = String::from_utf8_lossy(&measured.stdout);
        assert!(measured.status.success(), "{report}");
        let received = report.split("\"sum_received\"").nth(1).expect("it says what came");
        let bytes = received.split("\"bytes\":").nth(1).and_then(|rest| rest.split(',').next());
        let bytes: u64 = bytes.and_then(|text| text.trim().parse().ok()).expect("a number");
        // What was on the way when the client ended is not counted.
        assert!(bytes > 0 && bytes <= 65 << 20, "{bytes} bytes came");
        ended.await.expect("it does not panic")?;
        proxy.abort();
        while annulus::runtime::metrics()?.tasks > 0 {
            crate::harness::turns(1).await;
        }
        Ok(())
    });
}
