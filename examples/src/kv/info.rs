//! The text that `INFO` gives.
//!
//! Owns: its sections. Keys are counted by their cores, which tell after each batch, so what others
//! did this moment may be missing.

use std::fmt::Write as _;

use super::about::REDIS_VERSION;
use super::parser::Args;
use super::shards::Place;

/// The sections that are asked for; all of them if none is.
pub(super) fn text(args: Args<'_>, place: &Place) -> String {
    let is_asked = |section: &str| {
        let all = |name: &[u8]| {
            [&b"all"[..], b"default", b"everything"]
                .iter()
                .any(|all| name.eq_ignore_ascii_case(all))
        };
        args.len() == 1
            || args.rest(1).any(|name| all(name) || name.eq_ignore_ascii_case(section.as_bytes()))
    };
    let sections = ["Server", "Clients", "Memory", "Stats", "Keyspace"];
    let mut text = String::new();
    for section in sections.into_iter().filter(|section| is_asked(section)) {
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        let _ = write!(text, "# {section}\r\n");
        for (name, value) in lines(section, place) {
            let _ = write!(text, "{name}:{value}\r\n");
        }
    }
    text
}

fn lines(section: &str, place: &Place) -> Vec<(&'static str, String)> {
    let board = &place.board;
    match section {
        "Server" => vec![
            ("redis_version", REDIS_VERSION.to_owned()),
            ("redis_mode", "standalone".to_owned()),
            ("annulus_version", env!("CARGO_PKG_VERSION").to_owned()),
            ("multiplexing_api", "io_uring".to_owned()),
            ("process_id", std::process::id().to_string()),
            ("tcp_port", board.port.to_string()),
            ("uptime_in_seconds", board.began.elapsed().as_secs().to_string()),
            ("cores", place.shards().to_string()),
        ],
        "Clients" => vec![("connected_clients", board.sum(|core| &core.connected).to_string())],
        "Memory" => vec![("used_memory_rss", resident_bytes().to_string())],
        "Stats" => vec![
            ("total_connections_received", board.sum(|core| &core.accepted).to_string()),
            ("total_commands_processed", board.sum(|core| &core.commands).to_string()),
        ],
        _ => {
            let keys = board.sum(|core| &core.keys);
            let expires = board.sum(|core| &core.expiring);
            let line = ("db0", format!("keys={keys},expires={expires},avg_ttl=0"));
            if keys > 0 { vec![line] } else { Vec::new() }
        }
    }
}

/// Bytes of memory that are there; 0 if the kernel does not say.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
