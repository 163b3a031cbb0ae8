//! What a client of the cache cannot do: take memory by not reading, by asking others' shards, by
//! trickles, or by being there.

use std::io::{self, Read as _, Write as _};

use super::resp::{Client, command};
use super::{kv, kv_with};
use crate::example::{BOUND, Example, connect};

/// What the server has in memory.
fn resident(client: &mut Client<std::net::TcpStream>) -> io::Result<u64> {
    let info = String::from_utf8(client.ask(&command(&["info", "memory"]))?).expect("it is text");
    let bytes = info.lines().find_map(|line| line.strip_prefix("used_memory_rss:"));
    Ok(bytes.and_then(|bytes| bytes.parse().ok()).expect("a number"))
}

#[test]
fn kv_has_no_more_in_memory_for_pipelines_over_all_shards_that_nobody_reads() -> io::Result<()> {
    let (_server, address) = kv("2");
    let mut client = Client::new(connect(address)?);
    let keys: Vec<String> = (0..16).map(|n| format!("large:{n}")).collect();
    for key in &keys {
        client.ask(&command(&["set", key, &"x".repeat(1 << 20)]))?;
    }
    // Four clients ask for two GiB each: one key a command, and all of them in one.
    let mut stuck = Vec::new();
    for n in 0..4 {
        let mut stream = connect(address)?;
        let mut requests = Vec::new();
        while requests.len() < 60_000 {
            let all: Vec<&str> = keys.iter().map(String::as_str).collect();
            match n % 2 {
                0 => keys.iter().for_each(|key| requests.extend(command(&["get", key]))),
                _ => requests.extend(command(&[&["mget"], &all[..], &all[..]].concat())),
            }
        }
        stream.write_all(&requests)?;
        stuck.push(stream);
    }
    for _ in 0..500 {
        let bytes = resident(&mut client)?;
        assert!(bytes < 192 << 20, "{bytes} bytes are kept");
    }
    // Who reads after all gets everything, in order.
    let mut late = Client::new(stuck.swap_remove(1));
    for _ in 0..3 {
        let answer = late.answer()?;
        assert!(answer.starts_with(b"*32\r\n$1048576\r\nxx"));
        assert_eq!(answer.len(), 5 + 32 * ("$1048576\r\n\r\n".len() + (1 << 20)));
    }
    Ok(())
}

#[test]
fn kv_answers_in_order_whatever_is_large_and_wherever_it_is() -> io::Result<()> {
    for cores in ["1", "2"] {
        let (_server, address) = kv(cores);
        let mut client = Client::new(connect(address)?);
        let value = |n: usize| format!("{n}:{}", "v".repeat(n * 7919 % 200_000));
        for n in 0..40 {
            client.ask(&command(&["set", &format!("k{n}"), &value(n)]))?;
        }
        let names: Vec<String> = (0..40).map(|n| format!("k{n}")).collect();
        let mut requests = Vec::new();
        for round in 0..40 {
            requests.extend(command(&["get", &names[round]]));
            let mget: Vec<&str> =
                ["mget"].into_iter().chain(names.iter().map(String::as_str)).collect();
            requests.extend(command(&mget));
            requests.extend(command(&["exists", "k1", "k2", "k3", "none"]));
            requests.extend(command(&["append", &names[round], "!"]));
        }
        let mut writer = connect(address)?;
        let mut reader = Client::new(writer.try_clone()?);
        let writing = std::thread::spawn(move || writer.write_all(&requests));
        let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len()).into_bytes();
        for round in 0..40 {
            assert_eq!(reader.answer()?, bulk(&value(round)));
            let mut all = b"*40\r\n".to_vec();
            for n in 0..40 {
                // Those of earlier rounds have been appended to, by this connection.
                let more = if n < round { "!" } else { "" };
                all.extend(bulk(&(value(n) + more)));
            }
            assert!(reader.answer()? == all, "round {round} on {cores} cores");
            assert_eq!(reader.answer()?, b":3\r\n");
            assert_eq!(reader.answer()?, format!(":{}\r\n", value(round).len() + 1).as_bytes());
        }
        writing.join().expect("it does not panic")?;
    }
    Ok(())
}

#[test]
fn kv_takes_a_large_value_that_trickles_in_and_serves_others_meanwhile() -> io::Result<()> {
    let (_server, address) = kv("2");
    let mut other = Client::new(connect(address)?);
    let mut slow = connect(address)?;
    slow.set_nodelay(true)?;
    let value = "0123456789".repeat(400_000);
    let request = command(&["set", "slow", &value]);
    // The head byte by byte, then pieces.
    for byte in &request[..40] {
        slow.write_all(&[*byte])?;
        assert_eq!(other.ask(b"PING\r\n")?, b"+PONG\r\n");
    }
    for piece in request[40..].chunks(10_000) {
        slow.write_all(piece)?;
        assert_eq!(other.ask(b"PING\r\n")?, b"+PONG\r\n");
    }
    let mut slow = Client::new(slow);
    assert_eq!(slow.answer()?, b"+OK\r\n");
    assert_eq!(other.ask(&command(&["strlen", "slow"]))?, b":4000000\r\n");
    Ok(())
}

#[test]
fn kv_refuses_what_is_beyond_its_limits() -> io::Result<()> {
    let limits = ["--max-arg", "100", "--max-key", "10", "--max-args", "5", "--max-command", "400"];
    let (_server, address) = kv_with(&[&["--cores", "2"], &limits[..]].concat());
    let mut client = Client::new(connect(address)?);
    let (fits, long) = ("k".repeat(10), "k".repeat(11));
    assert_eq!(client.ask(&command(&["set", &fits, &"v".repeat(100)]))?, b"+OK\r\n");
    let refusal = b"-ERR a key is longer than 10 bytes\r\n";
    for words in [
        &["set", &long, "v"][..],
        &["get", &long],
        &["mget", "a", &long],
        &["mset", "a", "1", &long, "2"],
    ] {
        assert_eq!(client.ask(&command(words))?, refusal, "{words:?}");
    }
    // A value is as long as its argument, not as its key.
    assert_eq!(client.ask(&command(&["mset", "a", &"v".repeat(100)]))?, b"+OK\r\n");
    let grown = client.ask(&command(&["append", "a", "!"]))?;
    assert!(grown.starts_with(b"-ERR string exceeds maximum allowed size"));
    for (words, said) in [
        (&["set", "a", &"v".repeat(101)][..], "invalid bulk length"),
        (&["mget", "a", "b", "c", "d", "e"], "invalid multibulk length"),
    ] {
        let mut client = connect(address)?;
        client.write_all(&command(words))?;
        let mut answer = Vec::new();
        let _reset = client.read_to_end(&mut answer);
        let answer = String::from_utf8(answer).expect("it is text");
        assert_eq!(answer, format!("-ERR Protocol error: {said}\r\n"));
    }
    Ok(())
}

#[test]
fn kv_tells_one_client_too_many_and_takes_the_next_when_one_has_gone() -> io::Result<()> {
    let (_server, address) = kv_with(&["--cores", "1", "--max-clients", "2"]);
    let mut first = Client::new(connect(address)?);
    let second = connect(address)?;
    assert_eq!(first.ask(b"PING\r\n")?, b"+PONG\r\n");
    let mut told = String::new();
    connect(address)?.read_to_string(&mut told)?;
    assert_eq!(told, "-ERR max number of clients reached\r\n");
    drop(second);
    let begin = std::time::Instant::now();
    loop {
        // It takes a moment until the server has seen it go.
        match Client::new(connect(address)?).ask(b"PING\r\n") {
            Ok(answer) if answer == b"+PONG\r\n" => return Ok(()),
            _ => assert!(begin.elapsed() < BOUND, "nobody is let in any more"),
        }
    }
}

#[test]
fn kv_ends_connections_that_are_still_and_says_so_in_its_help() -> io::Result<()> {
    let (_server, address) = kv_with(&["--cores", "1", "--idle-timeout", "1"]);
    let mut silent = connect(address)?;
    let mut half = connect(address)?;
    half.write_all(b"*2\r\n$3\r\nGET\r\n")?;
    for stream in [&mut silent, &mut half] {
        assert!(matches!(stream.read(&mut [0; 8]), Ok(0) | Err(_)));
    }
    let (help, status) = Example::output("kv", &["--help".as_ref()]);
    let help = String::from_utf8(help).expect("it is text");
    assert!(status.success());
    for option in ["--idle-timeout", "--max-arg", "--max-key", "--max-args", "--max-command"] {
        assert!(help.contains(option), "{help}");
    }
    Ok(())
}
