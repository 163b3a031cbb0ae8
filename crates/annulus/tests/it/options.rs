//! Socket options: what is set is what the kernel does, and errors are the kernel's.

use std::io::{self, ErrorKind};
use std::time::Duration;

use annulus::net::{TcpListener, TcpSocket, TcpState, TcpStream, UnixStream};

use crate::cancel::until;
use crate::harness::{pair, run, skip};

/// Sets an option and reads it back.
macro_rules! there_and_back {
    ($socket:expr; $($set:ident, $get:ident: $value:expr;)*) => {$(
        $socket.$set($value).unwrap_or_else(|error| panic!("{}: {error}", stringify!($set)));
        assert_eq!($socket.$get()?, $value, stringify!($get));
    )*};
}

#[test]
fn options_of_a_connection_are_what_they_were_set_to() {
    run(async {
        let (client, _server) = pair().await?;
        there_and_back! { client;
            set_nodelay, nodelay: true;
            set_nodelay, nodelay: false;
            set_cork, cork: true;
            set_cork, cork: false;
            set_keepalive, keepalive: true;
            set_keepalive_idle, keepalive_idle: Duration::from_secs(61);
            set_keepalive_interval, keepalive_interval: Duration::from_secs(7);
            set_keepalive_retries, keepalive_retries: 3;
            set_user_timeout, user_timeout: Duration::from_millis(12_345);
            set_notsent_low_water, notsent_low_water: 16_384;
            set_fin_timeout, fin_timeout: Duration::from_secs(9);
            set_syn_retries, syn_retries: 2;
            set_thin_linear_timeouts, thin_linear_timeouts: true;
            set_ttl, ttl: 33;
            set_min_ttl, min_ttl: 1;
            set_tos_v4, tos_v4: 0x10;
            set_priority, priority: 5;
            set_max_pacing_rate, max_pacing_rate: 3_000_000_000;
            set_linger, linger: Some(Duration::from_secs(4));
            set_linger, linger: None;
        }
        client.set_quickack(false)?;
        assert!(!client.quickack()?);
        client.set_quickack(true)?;
        client.set_congestion("reno")?;
        assert_eq!(client.congestion()?, "reno");
        client.set_send_buffer_size(20_000)?;
        assert_eq!(client.send_buffer_size()?, 40_000, "the kernel doubles it");
        client.set_recv_buffer_size(30_000)?;
        assert_eq!(client.recv_buffer_size()?, 60_000);
        client.set_window_clamp(20_000)?;
        assert!(client.window_clamp()? > 0 && client.max_segment()? > 500);
        assert!(!client.prefer_busy_poll()?);
        client.set_busy_poll(Duration::ZERO)?;
        assert_eq!(client.busy_poll()?, Duration::ZERO);
        Ok(())
    });
}

#[test]
fn options_that_need_a_right_work_with_it_and_say_so_without() {
    run(async {
        let (client, _server) = pair().await?;
        match client.set_mark(0xffff_fff7) {
            Ok(()) => assert_eq!(client.mark()?, 0xffff_fff7),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::PermissionDenied);
                skip("marks need CAP_NET_ADMIN");
            }
        }
        let socket = TcpSocket::new_v4()?;
        match socket.set_transparent(true) {
            Ok(()) => assert!(socket.transparent()?),
            Err(error) => assert_eq!(error.kind(), ErrorKind::PermissionDenied),
        }
        Ok(())
    });
}

#[test]
fn sockets_of_ipv6_have_options_of_their_own() {
    run(async {
        let socket = match TcpSocket::new_v6() {
            Ok(socket) => socket,
            Err(error) => {
                skip(&format!("no IPv6: {error}"));
                return Ok(());
            }
        };
        there_and_back! { socket;
            set_only_v6, only_v6: true;
            set_hop_limit, hop_limit: 44;
            set_tclass_v6, tclass_v6: 0x20;
        }
        Ok(())
    });
}

#[test]
fn values_that_the_kernel_cannot_hold_are_refused() {
    run(async {
        let (client, _server) = pair().await?;
        let ages = Duration::from_secs(1 << 40);
        let refused = |result: io::Result<()>| {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        };
        refused(client.set_keepalive_idle(ages));
        refused(client.set_user_timeout(ages));
        refused(client.set_linger(Some(ages)));
        refused(client.set_recv_buffer_size(u32::MAX));
        refused(client.set_ttl(0));
        refused(client.set_keepalive_idle(Duration::ZERO));
        refused(client.bind_device(Some(b"a name that is far too long")));
        let error = client.set_congestion("no such algorithm").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        Ok(())
    });
}

#[test]
fn a_connection_can_be_bound_to_a_device() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let socket = TcpSocket::new_v4()?;
        assert_eq!(socket.device()?, None);
        let error = socket.bind_device(Some(b"no-such-dev")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
        socket.bind_device(Some(b"lo"))?;
        assert_eq!(socket.device()?.as_deref(), Some(&b"lo"[..]));
        let stream = socket.connect(listener.local_addr()?).await?;
        assert_eq!(stream.device()?.as_deref(), Some(&b"lo"[..]));
        Ok(())
    });
}

#[test]
fn connections_inherit_the_options_of_their_listener() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        there_and_back! { listener;
            set_nodelay, nodelay: true;
            set_keepalive, keepalive: true;
            set_keepalive_idle, keepalive_idle: Duration::from_secs(50);
        }
        listener.set_fastopen_queue(16)?;
        assert_eq!(listener.fastopen_queue()?, 16);
        let _client = TcpStream::connect(listener.local_addr()?).await?;
        let (server, _) = listener.accept().await?;
        assert!(server.nodelay()? && server.keepalive()?);
        assert_eq!(server.keepalive_idle()?, Duration::from_secs(50));
        Ok(())
    });
}

#[test]
fn a_deferred_connection_is_accepted_with_its_first_bytes() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_defer_accept(Duration::from_secs(60))?;
        assert!(listener.defer_accept()? >= Duration::from_secs(60), "it is rounded up");
        let silent = TcpStream::connect(listener.local_addr()?).await?;
        let loud = TcpStream::connect(listener.local_addr()?).await?;
        loud.write_all("hello").await?;
        let (server, peer) = listener.accept().await?;
        assert_eq!(peer, loud.local_addr()?, "the silent one came first, and waits");
        assert_eq!(&*server.recv().await?.unwrap(), b"hello");
        drop(silent);
        Ok(())
    });
}

#[test]
fn what_tcp_knows_is_of_this_connection() {
    run(async {
        let (client, server) = pair().await?;
        assert_ne!(client.cookie()?, server.cookie()?);
        let before = client.info()?;
        assert_eq!(before.state, TcpState::Established);
        client.write_all(vec![7; 100_000]).await?;
        server.read_exact(vec![0; 100_000]).await?;
        // The acknowledgement is on its way.
        let acked = || client.info().unwrap().bytes_acked - before.bytes_acked;
        until("everything is acknowledged", || acked() == 100_000).await?;
        let (sent, got) = (client.info()?, server.info()?);
        assert_eq!(
            (sent.bytes_sent - sent.bytes_retransmitted, got.bytes_received),
            (100_000, 100_000)
        );
        assert!(sent.rtt > Duration::ZERO && sent.rtt < Duration::from_secs(60), "{sent:?}");
        assert!(sent.send_mss > 500 && sent.congestion_window_segments > 0, "{sent:?}");
        assert!(sent.segments_out > 0 && got.segments_in > 0 && sent.bytes_unsent == 0);
        server.shutdown(std::net::Shutdown::Write)?;
        assert!(client.recv().await?.is_none());
        assert_eq!(client.info()?.state, TcpState::CloseWait);
        Ok(())
    });
}

#[test]
fn a_connection_that_was_not_redirected_has_no_other_destination() {
    run(async {
        let (client, _server) = pair().await?;
        let error = client.original_dst().unwrap_err();
        let known = [libc::ENOENT, libc::ENOPROTOOPT];
        assert!(known.contains(&error.raw_os_error().unwrap()), "{error}");
        Ok(())
    });
}

#[test]
fn an_error_that_nobody_was_told_can_be_taken() {
    run(async {
        let (client, server) = pair().await?;
        assert!(client.take_error()?.is_none());
        server.set_zero_linger()?;
        drop(server);
        let mut error = None;
        until("the reset arrives", || {
            error = client.take_error().unwrap();
            error.is_some()
        })
        .await?;
        assert_eq!(error.unwrap().kind(), ErrorKind::ConnectionReset);
        assert!(client.take_error()?.is_none(), "it was taken");
        Ok(())
    });
}

#[test]
fn closing_without_lingering_resets() {
    run(async {
        let (client, server) = pair().await?;
        server.set_zero_linger()?;
        assert_eq!(server.linger()?, Some(Duration::ZERO));
        drop(server);
        let error = client.recv().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        Ok(())
    });
}

#[test]
fn a_close_that_lingers_does_not_hold_up_the_core() {
    run(async {
        let (client, server) = pair().await?;
        client.set_linger(Some(Duration::from_secs(1000)))?;
        // More than the peer's window takes while it does not read, all of it with the kernel.
        client.set_send_buffer_size(4 << 20)?;
        let mut sent = 0;
        while client.send_nowait(&[9; 50_000]).is_ok() {
            sent += 50_000;
        }
        drop(client);
        // If the close waited on this thread, nobody would ever read.
        let mut got = 0;
        while let Some(lease) = server.recv().await? {
            got += lease.len();
        }
        assert_eq!(got, sent);
        Ok(())
    });
}

#[test]
fn a_socket_of_std_that_lingers_does_not_hold_up_the_core_either() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let theirs = std::net::TcpStream::connect(listener.local_addr()?)?;
        let linger = libc::linger { l_onoff: 1, l_linger: 1000 };
        // SAFETY: the option is a `struct linger`, and that is what is passed.
        let set = unsafe {
            libc::setsockopt(
                std::os::fd::AsRawFd::as_raw_fd(&theirs),
                libc::SOL_SOCKET,
                libc::SO_LINGER,
                (&raw const linger).cast(),
                size_of::<libc::linger>() as u32,
            )
        };
        assert_eq!(set, 0);
        let client = TcpStream::from_std(theirs)?;
        let (server, _) = listener.accept().await?;
        client.send_nowait(&vec![9; 200_000])?;
        drop(client);
        server.read_exact(vec![0; 200_000]).await?;
        assert!(server.recv().await?.is_none());
        Ok(())
    });
}

#[test]
fn unix_sockets_have_buffers_too() {
    run(async {
        let (left, _right) = UnixStream::pair()?;
        left.set_send_buffer_size(50_000)?;
        assert_eq!(left.send_buffer_size()?, 100_000);
        assert!(left.recv_buffer_size()? > 0 && left.take_error()?.is_none());
        Ok(())
    });
}
