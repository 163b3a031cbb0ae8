//! The page of metrics, in the text format of Prometheus.
//!
//! Owns: names, help and form. Does not own: the numbers, which are those of `annulus::serve`
//! (connections), of the handlers (`counts`: requests) and of the rings (`annulus::runtime`).

use std::fmt::Write;
use std::sync::{Arc, OnceLock};

use annulus::runtime::Metrics;
use annulus::serve::{CoreMetrics, Handle};

use super::counts::{Board, Count, Counts};

/// Where the numbers come from.
pub struct Source {
    /// The server, once it runs.
    pub serving: Arc<OnceLock<Handle>>,
    /// What its handlers count.
    pub board: Arc<Board>,
}

/// The numbers of one core.
struct Core {
    connections: CoreMetrics,
    http: Arc<Counts>,
    ring: Metrics,
}

/// A line for each core, and what it says.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    /// Further labels, each with its number.
    of: fn(&Core) -> Vec<(&'static str, u64)>,
}

impl Source {
    /// The page, as things are now; nothing before the server runs.
    pub fn page(&self) -> Option<String> {
        let handle = self.serving.get()?;
        let served = handle.metrics().cores.into_iter();
        let rings = handle.cores().iter();
        let cores: Vec<Core> = served
            .zip(rings)
            .enumerate()
            .map(|(index, (connections, ring))| Core {
                connections,
                http: self.board.of(index),
                ring: ring.metrics().unwrap_or_default(),
            })
            .collect();
        Some(write(&cores))
    }
}

fn write(cores: &[Core]) -> String {
    let mut page = String::with_capacity(16 * 1024);
    // Writing to a string does not fail.
    let _ = writeln!(
        page,
        "# HELP annulus_build_info The version of the server.\n# TYPE annulus_build_info gauge\n\
         annulus_build_info{{version=\"{}\"}} 1",
        env!("CARGO_PKG_VERSION")
    );
    for family in CONNECTIONS.iter().chain(HTTP).chain(RING) {
        let Family { name, kind, help, of } = family;
        let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (index, core) in cores.iter().enumerate() {
            for (labels, number) in of(core) {
                let comma = if labels.is_empty() { "" } else { "," };
                let _ = writeln!(page, "{name}{{core=\"{index}\"{comma}{labels}}} {number}");
            }
        }
    }
    page
}

macro_rules! families {
    ($($name:ident: $kind:ident, $help:literal, $of:expr;)*) => {
        &[$(Family {
            name: concat!("annulus_", stringify!($name)),
            kind: stringify!($kind),
            help: $help,
            of: $of,
        },)*]
    };
}

fn one(number: u64) -> Vec<(&'static str, u64)> {
    vec![("", number)]
}

const CONNECTIONS: &[Family] = families! {
    connections_open: gauge, "Connections that are open.", |core| one(core.connections.open);
    connections_accepted_total: counter, "Connections that this core was given.",
        |core| one(core.connections.accepted);
    connections_handed_over_total: counter, "Connections that this core accepted for others.",
        |core| one(core.connections.handed_over);
    connections_refused_total: counter, "Connections closed because their peer had too many.",
        |core| one(core.connections.refused);
    connections_finished_total: counter, "Connections that were served to their end.",
        |core| one(core.connections.finished);
    connections_cut_off_total: counter, "Connections that the end of the drain cut off.",
        |core| one(core.connections.cancelled);
    connections_panicked_total: counter, "Connections that a bug has ended.",
        |core| one(core.connections.panicked);
    connections_slow_total: counter, "Requests whose head took too long.",
        |core| one(core.http.slow.now());
    connections_stuck_total: counter, "Connections ended because the client took no answer.",
        |core| one(core.http.stuck.now());
    listeners_resting: gauge, "Listeners that accept nothing for want of descriptors or memory.",
        |core| one(core.connections.resting);
    accept_pauses_total: counter, "Times that no connection was taken, and for want of what.",
        |core| vec![
            ("want=\"connections\"", core.connections.pauses),
            ("want=\"descriptors\"", core.connections.exhausted),
        ];
};

const HTTP: &[Family] = families! {
    requests_total: counter, "Requests that were answered, by the class of the status.",
        |core| LABELS.into_iter().zip(core.http.answers.iter().map(Count::now)).collect();
    sent_bytes_total: counter, "Bytes of answers, before TLS; of HTTP/2 without heads.",
        |core| one(core.http.sent_bytes.now());
    tls_handshakes_total: counter, "Handshakes that succeeded.",
        |core| one(core.http.handshakes.now());
    tls_handshakes_failed_total: counter, "Handshakes that failed or took too long.",
        |core| one(core.http.handshakes_failed.now());
    http2_connections_total: counter, "Connections that speak HTTP/2.",
        |core| one(core.http.http2.now());
    http2_held_bytes: gauge, "Bytes of answers that HTTP/2 holds in memory.",
        |core| one(core.http.http2_held_bytes.now());
};

/// By the first digit of the status less one.
const LABELS: [&str; 5] =
    ["class=\"1xx\"", "class=\"2xx\"", "class=\"3xx\"", "class=\"4xx\"", "class=\"5xx\""];

const RING: &[Family] = families! {
    receive_buffers: gauge, "Buffers of the receive pool: with the kernel, on lease, in all.",
        |core| vec![
            ("state=\"published\"", core.ring.buffers_published.into()),
            ("state=\"leased\"", core.ring.leases_out.into()),
            ("state=\"all\"", core.ring.buffers.into()),
        ];
    receive_starvations_total: counter, "Receives that found no buffer.",
        |core| one(core.ring.starvations);
    ring_turns_total: counter, "Turns of the loop.", |core| one(core.ring.turns);
    ring_enters_total: counter, "Calls of io_uring_enter.", |core| one(core.ring.enters);
    ring_waits_total: counter, "Of these, the ones that waited.", |core| one(core.ring.waits);
    ring_sqes_total: counter, "Requests to the kernel.", |core| one(core.ring.sqes);
    ring_cqes_total: counter, "Completions.", |core| one(core.ring.cqes);
    ring_sq_full_total: counter, "Times that the submission queue was full.",
        |core| one(core.ring.sq_full);
    ring_cq_overflows_total: counter, "Times that completions overflowed their queue.",
        |core| one(core.ring.cq_overflows);
    ring_stale_cqes_total: counter, "Completions that belonged to nothing: a bug, if any.",
        |core| one(core.ring.stale_cqes);
    ring_cancels_total: counter, "Cancels of requests.", |core| one(core.ring.cancels);
    ring_ops_in_flight: gauge, "Requests in flight.", |core| one(core.ring.ops_in_flight.into());
    ring_descriptors: gauge, "Descriptors that the core owns.",
        |core| one(core.ring.descriptors.into());
    ring_timers: gauge, "Timers that are armed.", |core| one(core.ring.timers as u64);
    ring_tasks: gauge, "Tasks that are alive.", |core| one(core.ring.tasks as u64);
    ring_stalls_total: counter, "Times that the core was kept for too long.",
        |core| one(core.ring.stalls);
};

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> String {
        let http = Arc::new(Counts::default());
        http.answer(404);
        http.sent_bytes.add(12);
        let of = |http: &Arc<Counts>| Core {
            connections: CoreMetrics::default(),
            http: http.clone(),
            ring: Metrics::default(),
        };
        write(&[of(&http), of(&Arc::default())])
    }

    #[test]
    fn each_core_has_a_line_in_each_family() {
        let page = page();
        assert!(page.contains("annulus_requests_total{core=\"0\",class=\"4xx\"} 1\n"), "{page}");
        assert!(page.contains("annulus_requests_total{core=\"1\",class=\"4xx\"} 0\n"), "{page}");
        assert!(page.contains("annulus_sent_bytes_total{core=\"0\"} 12\n"), "{page}");
        assert!(page.contains("annulus_accept_pauses_total{core=\"1\",want=\"descriptors\"} 0\n"));
    }

    #[test]
    fn the_form_is_that_of_prometheus() {
        let (page, mut families) = (page(), Vec::new());
        for line in page.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, text) = help.split_once(' ').unwrap();
                assert!(!families.contains(&name) && text.ends_with('.'), "{line}");
                families.push(name);
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert_eq!(Some(&name), families.last());
                // What only grows says so by its name, and nothing else does.
                assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            } else {
                let (series, number) = line.rsplit_once(' ').unwrap();
                let (name, labels) = series.split_once('{').unwrap();
                assert_eq!(Some(&name), families.last());
                assert!(labels.ends_with('}') && number.parse::<u64>().is_ok(), "{line}");
            }
        }
        assert!(families.len() > 25);
    }
}
