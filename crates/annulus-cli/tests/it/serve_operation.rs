//! `annulus serve` as it is run: metrics, inherited listeners, drain, users, signals.

use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::thread;

use crate::crowd::Crowd;
use crate::program::{Program, ready, skip};
use crate::sandbox::is_root;
use crate::site::{Files, Site, answer, ask, connect, ends, get, large, listening};

#[test]
fn the_page_of_metrics_tells_what_has_happened() {
    if !ready() {
        return;
    }
    let site = Site::start(&["--cores", "2"]);
    assert_eq!(ask(site.address, "/a.txt").unwrap().1, b"alpha");
    assert!(ask(site.address, "/nothing").unwrap().0.starts_with("HTTP/1.1 404"));
    assert!(ask(site.address, "/large.bin").unwrap().1 == large());
    site.until("all have gone", |site| {
        site.count("annulus_connections_open") == 0
            && site.count("annulus_connections_finished_total") == 3
    });
    let page = site.page();
    let count = |series: &str| crate::site::sum(&page, series);
    assert_eq!(count("annulus_connections_accepted_total"), 3);
    assert_eq!(count("annulus_connections_finished_total"), 3);
    assert_eq!(count("annulus_connections_refused_total"), 0);
    assert!(count("annulus_sent_bytes_total") > large().len() as u64);
    let of_class = |class: &str| {
        let lines = page.lines().filter(|line| line.contains(class));
        lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum::<u64>()
    };
    let classes = ["2xx", "3xx", "4xx", "5xx"].map(of_class);
    assert_eq!(classes, [2, 0, 1, 0], "{page}");
    assert!(count("annulus_ring_sqes_total") > 0 && count("annulus_ring_enters_total") > 0);
    assert_eq!(count("annulus_ring_stale_cqes_total"), 0);
    assert!(count("annulus_receive_buffers{core=\"1\",state=\"all\"}") > 0);
    assert!(page.contains("annulus_build_info{version=\""), "{page}");
    // It is a page of its own, and not of the files.
    let metrics = site.metrics.unwrap();
    assert!(ask(metrics, "/").is_some_and(|(head, _)| head.starts_with("HTTP/1.1 404 ")));
    assert!(ask(site.address, "/metrics").unwrap().0.starts_with("HTTP/1.1 404 "));
    let mut post = connect(metrics);
    post.write_all(b"POST /metrics HTTP/1.1\r\n\r\n").unwrap();
    assert!(answer(&mut BufReader::new(post)).unwrap().0.starts_with("HTTP/1.1 405 "));
}

#[test]
fn metrics_are_told_while_the_server_is_full_and_a_scraper_that_says_nothing_waits_alone() {
    if !ready() {
        return;
    }
    let site = Site::start(&["--cores", "1", "--connections-max", "1"]);
    let _silent: Vec<_> = (0..3).map(|_| connect(site.metrics.unwrap())).collect();
    let _held = site.connect();
    let _waits = site.connect();
    site.until("it is full", |site| site.count("annulus_accept_pauses_total") > 0);
    let mut endless = connect(site.metrics.unwrap());
    let _ = endless.write_all(&[b'x'; 64 * 1024]);
    assert!(ends(&mut endless), "a request has an end");
}

#[test]
fn a_drain_under_load_answers_every_request_that_was_read() {
    if !ready() {
        return;
    }
    let files = Files::new();
    let args = files.args(&["--addr", "127.0.0.1:0", "--cores", "2", "--log"]);
    let mut program = Program::start(&args);
    let crowd = Crowd::start(listening(&program.line()), 16);
    let log = program.lines();
    crowd.until_answered(400);
    program.signal(libc::SIGTERM);
    let (answered, refused) = crowd.joined();
    let (status, said) = program.wait();
    assert!(status.success(), "{said}");
    assert!(!said.contains("cut off"), "{said}");
    assert_eq!(refused, 16, "all clients were turned away in the end");
    // A line is written when an answer is made: each was made for a request, and arrived whole.
    assert_eq!(log.join().unwrap() as u64, answered);
}

#[test]
fn a_request_on_its_way_at_the_end_is_answered_as_the_last_one() {
    if !ready() {
        return;
    }
    let site = Site::start(&["--cores", "1"]);
    let mut fresh = BufReader::new(site.connect());
    site.until("it is there", |site| site.count("annulus_connections_open") == 1);
    site.program.signal(libc::SIGTERM);
    let begun = std::time::Instant::now();
    while TcpStream::connect(site.address).is_ok() {
        assert!(begun.elapsed() < crate::site::WATCHDOG, "connections are still taken");
        thread::yield_now();
    }
    let _ = fresh.get_mut().write_all(get("/a.txt").as_bytes());
    // It may have taken more than the second that it has; then it is closed without a word.
    if let Some((head, content)) = answer(&mut fresh) {
        assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
        assert_eq!(content, b"alpha");
    }
    assert!(ends(&mut fresh));
    assert!(site.program.wait().0.success());
}

#[test]
fn the_drain_cuts_off_what_does_not_end() {
    if !ready() {
        return;
    }
    let site = Site::start(&["--cores", "1", "--drain", "0"]);
    let mut stuck = site.connect();
    stuck.write_all(get("/large.bin").as_bytes()).unwrap();
    stuck.read_exact(&mut [0; 64]).unwrap();
    let (status, said) = site.program.end(libc::SIGTERM);
    assert!(status.success(), "{said}");
    assert!(said.contains("1 connection(s) were cut off"), "{said}");
}

#[test]
fn a_hangup_ends_nothing() {
    if !ready() {
        return;
    }
    let mut site = Site::start(&["--cores", "1"]);
    site.program.signal(libc::SIGHUP);
    let said = site.program.complaint();
    assert!(said.contains("SIGHUP") && said.contains("no certificates"), "{said}");
    assert_eq!(ask(site.address, "/a.txt").unwrap().1, b"alpha");
    assert!(site.program.end(libc::SIGTERM).0.success());
}

#[test]
fn signals_are_obeyed_where_nobody_listens_to_what_is_said_of_them() {
    if !ready() {
        return;
    }
    let mut files = Files::new();
    let args = files.args(&["--addr", "127.0.0.1:0", "--cores", "1"]);
    for tls in [false, true] {
        let args = if tls { [args.clone(), files.tls().to_vec()].concat() } else { args.clone() };
        let mut program = Program::start(&args);
        let address = listening(&program.line());
        program.hang_up();
        for _ in 0..2 {
            program.signal(libc::SIGHUP);
            if tls {
                let site = Site { program, address, metrics: None, files };
                let mut client = crate::site::over_tls(&site, &[]);
                client.write_all(get("/a.txt").as_bytes()).unwrap();
                assert_eq!(answer(&mut BufReader::new(client)).unwrap().1, b"alpha");
                Site { program, files, .. } = site;
            } else {
                assert_eq!(ask(address, "/a.txt").unwrap().1, b"alpha");
            }
        }
        let (status, _) = program.end(libc::SIGTERM);
        assert!(status.success(), "{status}");
    }
}

#[test]
fn listeners_of_a_service_manager_are_served_with_what_waits_in_them() {
    if !ready() {
        return;
    }
    let (files, listener) = (Files::new(), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    // It comes before the server does.
    let mut early = BufReader::new(connect(address));
    early.get_mut().write_all(get("/a.txt").as_bytes()).unwrap();
    let mut program = Program::start_with_listener(&files.args(&["--cores", "2"]), listener);
    assert_eq!(listening(&program.line()), address);
    assert_eq!(answer(&mut early).unwrap().1, b"alpha");
    assert_eq!(ask(address, "/a.txt").unwrap().1, b"alpha");
    assert!(program.end(libc::SIGTERM).0.success());
}

#[test]
fn the_unit_of_systemd_starts_what_it_says() {
    if !ready() {
        return;
    }
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/annulus-serve.service");
    let unit = std::fs::read_to_string(unit).unwrap().replace("\\\n", " ");
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let (files, listener) = (Files::new(), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    let site = files.text("site");
    let args: Vec<&str> = line
        .split_whitespace()
        .skip(1)
        .map(|word| match word {
            "/srv/www" => &site,
            "127.0.0.1:9100" => "127.0.0.1:0",
            word => word,
        })
        .collect();
    let site = Site::of(Program::start_with_listener(&args, listener), files);
    assert_eq!(site.address, address);
    assert_eq!(ask(site.address, "/a.txt").unwrap().1, b"alpha");
    assert!(site.program.end(libc::SIGTERM).0.success());
}

#[test]
fn an_inherited_listener_serves_tls_and_further_addresses_may_be_given() {
    if !ready() {
        return;
    }
    let (mut files, listener) = (Files::new(), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    let mut args = files.args(&["--cores", "1", "--addr", "127.0.0.1:0"]);
    args.extend(files.tls());
    let mut program = Program::start_with_listener(&args, listener);
    let lines = [program.line(), program.line()];
    assert!(lines.iter().all(|line| line.starts_with("Listening on https://")), "{lines:?}");
    assert_eq!(listening(&lines[1]), address, "those that nobody asked for come last");
    for line in &lines {
        let site = Site { program, address: listening(line), metrics: None, files };
        let mut client = crate::site::over_tls(&site, &[]);
        client.write_all(get("/a.txt").as_bytes()).unwrap();
        assert_eq!(answer(&mut BufReader::new(client)).unwrap().1, b"alpha");
        Site { program, files, .. } = site;
    }
    assert!(program.end(libc::SIGTERM).0.success());
}

#[test]
fn an_inherited_socket_of_another_kind_is_refused_by_its_name() {
    if !ready() {
        return;
    }
    let files = Files::new();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let (status, said) = Program::start_with_listener(&files.args(&[]), socket).wait();
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("over TCP only") && said.contains("(UDP)"), "{said}");
}

/// Files that everybody may search for, and the command line of a server that becomes nobody;
/// nothing for who cannot do that.
fn of_nobody(cores: &str) -> Option<(Files, Vec<String>)> {
    if !is_root() {
        skip("only root can become somebody else");
        return None;
    }
    let files = Files::new();
    // The directories above it are open to everybody already, or it could not be searched.
    std::fs::set_permissions(files.path(""), PermissionsExt::from_mode(0o755)).unwrap();
    let more = ["--addr", "127.0.0.1:0", "--cores", cores, "--user", "65534", "--group", "65534"];
    let args = files.args(&more);
    Some((files, args))
}

#[test]
fn a_place_that_the_user_may_not_write_is_said_once() {
    if !ready() {
        return;
    }
    let Some((files, mut args)) = of_nobody("1") else { return };
    args.extend(["--hand-over".to_owned(), files.text("hand-over")]);
    let mut program = Program::start(&args);
    let address = listening(&program.line());
    let said = program.complaint();
    assert!(said.contains("cannot wait for a successor at"), "{said}");
    assert_eq!(ask(address, "/a.txt").unwrap().1, b"alpha");
    let (status, said) = program.end(libc::SIGTERM);
    assert!(status.success() && !said.contains("successor"), "{said}");
}

#[test]
fn a_place_that_cannot_be_waited_at_is_said_and_the_server_goes_on() {
    if !ready() {
        return;
    }
    let site = Site::start(&["--cores", "1", "--hand-over", "/proc/no/such/place"]);
    let Site { mut program, address, .. } = site;
    let said = program.complaint();
    assert!(said.contains("cannot wait for a successor at /proc/no/such/place"), "{said}");
    assert_eq!(ask(address, "/a.txt").unwrap().1, b"alpha");
    assert!(program.end(libc::SIGTERM).0.success());
}

#[test]
fn rights_are_given_up_once_it_listens() {
    if !ready() {
        return;
    }
    let Some((files, mut args)) = of_nobody("2") else { return };
    let secret = files.path("site/secret");
    std::fs::write(&secret, "root's").unwrap();
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    args.extend(files.tls().map(String::from));
    std::fs::set_permissions(files.path("key"), PermissionsExt::from_mode(0o600)).unwrap();
    args.extend(["--metrics", "127.0.0.1:0"].map(str::to_owned));
    let site = Site::of(Program::start(&args), files);
    let status = std::fs::read_to_string(format!("/proc/{}/status", site.program.pid())).unwrap();
    for line in ["Uid:\t65534\t65534\t65534\t65534", "Gid:\t65534\t65534\t65534\t65534"] {
        assert!(status.contains(line), "{status}");
    }
    for (target, code) in [("/a.txt", "200"), ("/secret", "403")] {
        let mut client = crate::site::over_tls(&site, &[]);
        client.write_all(get(target).as_bytes()).unwrap();
        let (head, _) = answer(&mut BufReader::new(client)).unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {code} ")), "{target}: {head}");
    }
    assert_eq!(site.count("annulus_tls_handshakes_total"), 2);
    // The key is root's: it stays as it is in memory.
    let Site { mut program, .. } = site;
    program.signal(libc::SIGHUP);
    let said = program.complaint();
    assert!(said.contains("stay what they were"), "{said}");
    assert!(program.end(libc::SIGTERM).0.success());
}

#[test]
fn who_may_not_become_somebody_else_is_told_so() {
    if !ready() {
        return;
    }
    if is_root() {
        skip("root may become anybody");
        return;
    }
    let files = Files::new();
    let (status, said) = Program::start(&files.args(&["--addr", "0", "--user", "0"])).wait();
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("--user"), "{said}");
}
