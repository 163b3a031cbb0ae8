//! `annulus serve` on the open internet: limits, time limits, clients that mean no good.

use std::io::{BufReader, Read, Write};

use crate::program::{Program, ready};
use crate::site::{Files, Site, answer, ask, ends, get, large, over_tls};

#[test]
fn a_connection_too_many_of_one_address_is_closed_and_counted() {
    if !ready() {
        return;
    }
    let site = Site::start(&["--cores", "2", "--connections-per-peer", "3"]);
    let mut held: Vec<_> = (0..3).map(|_| BufReader::new(site.connect())).collect();
    for stream in &mut held {
        stream.get_mut().write_all(get("/a.txt").as_bytes()).unwrap();
        assert_eq!(answer(stream).unwrap().1, b"alpha");
    }
    assert!(ends(&mut site.connect()), "the fourth is closed");
    assert_eq!(site.count("annulus_connections_refused_total"), 1);
    assert_eq!(site.count("annulus_connections_open"), 3);
    // Those who are in go on, and one that leaves makes room.
    held[0].get_mut().write_all(get("/a.txt").as_bytes()).unwrap();
    assert_eq!(answer(&mut held[0]).unwrap().1, b"alpha");
    drop(held.pop());
    site.until("one has left", |site| site.count("annulus_connections_open") == 2);
    assert_eq!(ask(site.address, "/a.txt").unwrap().1, b"alpha");
}

#[test]
fn connections_that_a_core_may_not_have_wait_and_are_served() {
    if !ready() {
        return;
    }
    let site = Site::start(&["--cores", "1", "--connections-max", "2"]);
    let held: Vec<_> = (0..2).map(|_| site.connect()).collect();
    let mut third = BufReader::new(site.connect());
    third.get_mut().write_all(get("/a.txt").as_bytes()).unwrap();
    let pauses = "annulus_accept_pauses_total{core=\"0\",want=\"connections\"}";
    site.until("accepting pauses", |site| site.count(pauses) > 0);
    assert_eq!(site.count("annulus_connections_open"), 2);
    drop(held);
    assert_eq!(answer(&mut third).unwrap().1, b"alpha");
}

#[test]
fn who_sends_a_head_byte_by_byte_is_told_that_it_took_too_long() {
    if !ready() {
        return;
    }
    let site = Site::start(&["--cores", "1", "--header-timeout", "1"]);
    let mut slow = site.connect();
    slow.write_all(b"GET / HTTP/1.1\r\nX: ").unwrap();
    // A byte now and then does not stretch it: the timeout is that of the head. As many as a head
    // may have would end it by another way.
    let mut bytes = 0..1000;
    site.until("the head is given up", |site| {
        if bytes.next().is_some() {
            let _ = (&slow).write_all(b"x");
        }
        site.count("annulus_connections_slow_total") == 1
    });
    let mut told = [0; 12];
    slow.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 408");
    assert!(ends(&mut slow));
    assert_eq!(site.count("annulus_requests_total{core=\"0\",class=\"4xx\"}"), 1);
}

#[test]
fn who_says_nothing_is_closed() {
    if !ready() {
        return;
    }
    let site = Site::start(&["--cores", "1", "--header-timeout", "1"]);
    assert!(ends(&mut site.connect()), "before the first request");
    // Its request has time to arrive, however busy the machine is.
    let site = Site::start(&["--cores", "1", "--header-timeout", "30", "--idle-timeout", "1"]);
    let mut second = BufReader::new(site.connect());
    second.get_mut().write_all(get("/a.txt").as_bytes()).unwrap();
    assert_eq!(answer(&mut second).unwrap().1, b"alpha");
    assert!(ends(&mut second), "between two requests");
}

#[test]
fn who_takes_nothing_of_a_file_is_ended_by_the_write_timeout() {
    if !ready() {
        return;
    }
    for body in ["sendfile", "read"] {
        let site = Site::start(&["--cores", "1", "--write-timeout", "1", "--body", body]);
        let mut stuck = site.connect();
        stuck.write_all(get("/large.bin").as_bytes()).unwrap();
        site.until("it is given up", |site| site.count("annulus_connections_stuck_total") == 1);
        site.until("it has gone", |site| site.count("annulus_connections_open") == 0);
        let mut rest = Vec::new();
        let _ = stuck.read_to_end(&mut rest);
        assert!(rest.len() < large().len(), "{body}: it was cut off");
        assert_eq!(ask(site.address, "/a.txt").unwrap().1, b"alpha");
    }
}

/// It would keep its connection, or what of the file is in the kernel by then, for as long as it
/// likes: each time the write timeout is over, it has taken a little.
#[test]
fn who_takes_a_little_of_a_file_now_and_then_is_ended_and_gets_no_more_of_it() {
    use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};
    if !ready() {
        return;
    }
    let site = Site::start(&["--cores", "1", "--write-timeout", "1"]);
    let slow = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    // As little as there may be, or the kernel takes much at a time.
    sockopt::set_socket_recv_buffer_size(&slow, 2304).unwrap();
    connect(&slow, &site.address).unwrap();
    let mut slow = std::net::TcpStream::from(slow);
    slow.set_read_timeout(Some(crate::site::WATCHDOG)).unwrap();
    slow.write_all(get("/large.bin").as_bytes()).unwrap();
    let reading = std::thread::spawn(move || {
        let (mut taken, mut bytes) = (0, [0; 256]);
        loop {
            match slow.read(&mut bytes) {
                Ok(n @ 1..) => taken += n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                _ => break,
            }
            // The pace of this client.
            std::thread::park_timeout(std::time::Duration::from_millis(100));
        }
        taken
    });
    site.until("it is given up", |site| site.count("annulus_connections_stuck_total") == 1);
    site.until("it has gone", |site| site.count("annulus_connections_open") == 0);
    // It ends without what the kernel would have had for it, megabytes at this pace.
    assert!(reading.join().unwrap() < 1_000_000);
    assert_eq!(ask(site.address, "/a.txt").unwrap().1, b"alpha");
}

#[test]
fn who_takes_nothing_over_tls_is_ended_by_the_write_timeout() {
    if !ready() {
        return;
    }
    let site = Site::start_tls(&["--cores", "1", "--write-timeout", "1"]);
    let mut stuck = over_tls(&site, &[]);
    stuck.write_all(get("/large.bin").as_bytes()).unwrap();
    site.until("it is given up", |site| site.count("annulus_connections_stuck_total") == 1);
    site.until("it has gone", |site| site.count("annulus_connections_open") == 0);
    let mut other = over_tls(&site, &[]);
    other.write_all(get("/a.txt").as_bytes()).unwrap();
    assert_eq!(answer(&mut BufReader::new(other)).unwrap().1, b"alpha");
}

#[test]
fn handshakes_are_counted_and_garbage_is_no_handshake() {
    if !ready() {
        return;
    }
    // Enough for a handshake that is meant well, on a machine that is busy.
    let site = Site::start_tls(&["--cores", "1", "--header-timeout", "10"]);
    let mut plain = site.connect();
    plain.write_all(get("/a.txt").as_bytes()).unwrap();
    assert!(ends(&mut plain));
    // This one says nothing at all.
    assert!(ends(&mut site.connect()));
    let mut good = over_tls(&site, &[]);
    good.write_all(get("/a.txt").as_bytes()).unwrap();
    assert_eq!(answer(&mut BufReader::new(good)).unwrap().1, b"alpha");
    assert_eq!(site.count("annulus_tls_handshakes_failed_total"), 2);
    assert_eq!(site.count("annulus_tls_handshakes_total"), 1);
}

#[test]
fn every_way_of_accepting_serves() {
    if !ready() {
        return;
    }
    for mode in ["per-core", "steered", "round-robin", "least-connections"] {
        let cores = if mode == "steered" { "1" } else { "3" };
        let site = Site::start(&["--cores", cores, "--accept", mode]);
        let each = "annulus_connections_accepted_total";
        let of = |core| site.count(&format!("{each}{{core=\"{core}\"}}"));
        if mode == "round-robin" {
            // A core that has not started has no turn.
            site.until("every core has started", |site| {
                ask(site.address, "/a.txt").unwrap();
                (0..3).all(|core| of(core) > 0)
            });
        }
        let shares = (mode == "round-robin").then(|| [0, 1, 2].map(of));
        let before = site.count(each);
        for _ in 0..12 {
            assert_eq!(ask(site.address, "/a.txt").unwrap().1, b"alpha", "{mode}");
        }
        assert_eq!(site.count(each) - before, 12, "{mode}");
        if let Some(shares) = shares {
            assert_eq!([0, 1, 2].map(of), shares.map(|share| share + 4));
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_the_flag_that_it_is_about() {
    let files = Files::new();
    let refused = |more: &[&str], code: i32, words: &[&str]| {
        let (status, said) = Program::start(&files.args(more)).wait();
        assert_eq!(status.code(), Some(code), "{more:?}: {said}");
        for word in words {
            assert!(said.contains(word), "{more:?}: {word:?} is not in {said:?}");
        }
    };
    refused(&["--connections-max", "0"], 2, &["--connections-max", "1..=1000000"]);
    refused(&["--connections-per-peer", "x"], 2, &["--connections-per-peer"]);
    refused(&["--write-timeout", "0"], 2, &["--write-timeout"]);
    refused(&["--drain", "1000000"], 2, &["--drain", "86400"]);
    refused(&["--accept", "any"], 2, &["--accept", "per-core", "least-connections"]);
    refused(&["--metrics", "metrics"], 2, &["--metrics", "HOST:PORT"]);
    refused(&["--key-log"], 2, &["--tls-cert"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    refused(&["--addr", "127.0.0.1:0", "--metrics", &at], 1, &["another program listens", &at]);
    if ready() {
        let user = ["--addr", "127.0.0.1:0", "--user", "nobody-of-this-name"];
        refused(&user, 1, &["nobody-of-this-name", "--user"]);
        let twice = ["--addr", "127.0.0.1:0", "--accept", "steered", "--cores", "1024"];
        refused(&twice, 1, &["a CPU of its own"]);
    }
}

#[test]
fn keys_are_logged_only_where_that_was_asked_for() {
    if !ready() {
        return;
    }
    let files = Files::new();
    let keys = files.text("keys");
    let mut args = files.args(&["--addr", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]);
    args.extend(files.tls());
    args.push("--cores=1".to_owned());
    let started = |args: &[String], files| {
        Site::of(Program::start_with_env(args, &[("SSLKEYLOGFILE", &keys)]), files)
    };
    let exchange = |site: &Site| {
        let mut client = over_tls(site, &[]);
        client.write_all(get("/a.txt").as_bytes()).unwrap();
        assert_eq!(answer(&mut BufReader::new(client)).unwrap().1, b"alpha");
    };
    let site = started(&args, files);
    exchange(&site);
    let Site { program, files, .. } = site;
    assert!(program.end(libc::SIGTERM).0.success());
    assert!(!files.path("keys").exists(), "nobody asked for it");
    args.push("--key-log".to_owned());
    let site = started(&args, files);
    exchange(&site);
    let logged = std::fs::read_to_string(site.files.path("keys")).unwrap();
    assert!(logged.contains("SERVER_TRAFFIC_SECRET_0 "), "{logged}");
    let (status, said) = Program::start(&args).wait();
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("SSLKEYLOGFILE"), "{said}");
}
