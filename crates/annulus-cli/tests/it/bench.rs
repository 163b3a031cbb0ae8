//! `annulus bench`: every table comes, and what cannot be measured is said. No figure is judged.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Output};

use crate::program::{Program, ready};

fn bench(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_annulus")).arg("bench").args(args).output().unwrap()
}

/// The tables of a run that succeeds.
fn tables(workloads: &[&str]) -> String {
    let output = bench(&[workloads, &["--rounds", "1", "--seconds", "0.1"]].concat());
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    assert_eq!(complaints, "", "progress is for terminals");
    String::from_utf8(output.stdout).unwrap()
}

/// The second cell of each row with this label.
fn figures(text: &str, label: &str) -> Vec<f64> {
    let rows = text.lines().filter_map(|line| line.trim().strip_prefix(label));
    rows.filter(|rest| rest.starts_with("  "))
        .filter_map(|rest| rest.split_whitespace().next()?.parse().ok())
        .collect()
}

#[test]
fn nops_are_measured_beside_the_limit() {
    if !ready() {
        return;
    }
    let text = tables(&["nop"]);
    for title in ["awaited no-op, 1 in flight", "awaited no-op, 32 in flight"] {
        assert!(text.contains(title), "{text}");
    }
    for label in ["limit", "annulus"] {
        let figures = figures(&text, label);
        assert_eq!(figures.len(), 2, "{label}: {text}");
        assert!(figures.iter().all(|&ns| ns > 0.0), "{text}");
    }
    assert!(!text.contains("limit-fixed"), "there is nothing to register: {text}");
    assert_eq!(text.matches("noise band").count(), 2, "{text}");
}

#[test]
fn reads_are_measured_beside_registered_and_plain_buffers() {
    if !ready() {
        return;
    }
    let text = tables(&["read"]);
    for label in ["limit-fixed", "limit", "annulus"] {
        assert_eq!(figures(&text, label).len(), 2, "{label}: {text}");
    }
}

#[test]
fn servers_are_measured_with_every_load() {
    if !ready() {
        return;
    }
    let workloads =
        ["echo-64", "echo-1000", "connect", "pipeline-64", "unix-64", "requests-1000", "idle-9000"];
    let text = tables(&workloads);
    for title in ["64 connections", "1000 connections", "connect, echo", "outstanding", "idle"] {
        assert!(text.contains(title), "{text}");
    }
    assert_eq!(figures(&text, "annulus").len(), workloads.len(), "{text}");
    // A latency that was not measured, or is cut off by its histogram.
    assert!(!text.contains("NaN") && !text.contains(" 0.0 "), "{text}");
}

#[test]
fn echoes_of_datagrams_are_measured_beside_the_limit() {
    if !ready() {
        return;
    }
    let text = tables(&["udp-echo"]);
    for label in ["limit", "annulus"] {
        assert_eq!(figures(&text, label).len(), 2, "{label}: {text}");
    }
}

#[test]
fn each_way_of_accepting_is_measured_with_its_balance() {
    if !ready() {
        return;
    }
    let text = tables(&["accept"]);
    let mut ways = vec!["", "-per-core", "-round-robin", "-least"];
    if std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1) {
        ways.push("-steered");
    }
    for way in ways {
        assert_eq!(figures(&text, &format!("annulus{way}")).len(), 2, "{way}: {text}");
    }
    // Who deals out in turn is the only one that is exact.
    let dealt = text.lines().filter(|line| line.contains("annulus-round-robin"));
    let dealt: Vec<&str> = dealt.filter(|line| line.ends_with(" %")).collect();
    assert!(dealt.len() == 1 && dealt[0].ends_with(" 0.0 %"), "{text}");
}

/// The limit is only worth comparing with if it does the whole work.
#[test]
fn the_limit_echoes_long_messages_and_both_ends_of_many_connections() {
    if !ready() {
        return;
    }
    let mut server = Program::start(&["bench-child", "limit", "--workload=echo", "--tasks=4"]);
    let line = server.line();
    let address = line.strip_prefix("{\"listening\":\"").unwrap().strip_suffix("\"}").unwrap();
    let long: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
    // More than it has slots for at once, so that they are used again.
    for round in 0..200 {
        let mut stream = TcpStream::connect(address).unwrap();
        let message = if round % 50 == 0 { &long[..] } else { &long[..64] };
        let mut answers = stream.try_clone().unwrap();
        let reader = std::thread::spawn(move || {
            let mut answer = Vec::new();
            answers.read_to_end(&mut answer).unwrap();
            answer
        });
        stream.write_all(message).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert!(reader.join().unwrap() == message, "round {round}");
    }
    let (status, complaints) = server.wait();
    assert!(status.success(), "{status}: {complaints}");
}

#[test]
fn the_load_sees_a_wrong_answer_and_a_missing_one() {
    if !ready() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("--address={}", listener.local_addr().unwrap());
    for (answer, complaint) in
        [(&[0; 64][..], "other bytes came back"), (&[][..], "unexpected end of file")]
    {
        let load =
            Program::start(&["bench-child", "load", "--workload=load", "--seconds=1", &address]);
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 64]).unwrap();
        stream.write_all(answer).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let (status, complaints) = load.wait();
        assert_eq!(status.code(), Some(1));
        assert!(complaints.contains(complaint), "{complaints}");
    }
}

/// With several requests outstanding, each answer is compared with its own request, wherever the
/// stream was cut.
#[test]
fn the_load_that_pipelines_sees_answers_that_were_exchanged_and_too_many_of_them() {
    if !ready() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("--address={}", listener.local_addr().unwrap());
    for spoil in [0, 1, 2] {
        let args = ["bench-child", "load", "--workload=load", "--depth=4", "--seconds=1", &address];
        let load = Program::start(&args);
        let (mut stream, _) = listener.accept().unwrap();
        let mut requests = [0; 256];
        stream.read_exact(&mut requests).unwrap();
        let mut answers = requests.to_vec();
        match spoil {
            0 => answers.rotate_left(64),
            1 => answers.extend_from_slice(&requests[..64]),
            _ => answers[255] ^= 1,
        }
        let (first, rest) = answers.split_at(100);
        stream.write_all(first).unwrap();
        // The load may have seen enough already.
        let _ = stream.write_all(rest);
        let (status, complaints) = load.wait();
        assert_eq!(status.code(), Some(1), "{spoil}");
        assert!(complaints.contains("other bytes came back"), "{spoil}: {complaints}");
    }
}

#[test]
fn what_none_of_its_programs_takes_part_in_is_not_listed() {
    let text = String::from_utf8(bench(&["--list"]).stdout).unwrap();
    assert!(text.contains("spawn-1000 ") && text.contains("echo-64 "), "{text}");
    for name in ["http-hello", "tls-echo-64", "tls-idle-5000", "static-1k", "kv-16", "servers"] {
        assert!(!text.contains(name), "{name}: {text}");
    }
}

#[test]
fn what_cannot_be_measured_is_refused_before_anything_runs() {
    let output = bench(&["nop", "cold-fusion"]);
    assert_eq!(output.status.code(), Some(1));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        complaint.contains("\"cold-fusion\"") && complaint.contains("spawn-1000"),
        "{complaint}"
    );
    for args in [["--rounds", "0"], ["--seconds", "0"]] {
        assert_eq!(bench(&args).status.code(), Some(2), "{args:?}");
    }
}
