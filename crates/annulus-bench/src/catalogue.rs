//! Which workloads there are.
//!
//! Owns: names, sizes, and what an operation of each is. A name is a family, which is a function of
//! each program, and how much of it at once.

use crate::meter::BATCH;
use crate::pages::FILE_MIB;

/// How a workload is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The program measures itself.
    Alone,
    /// The program is a server; a load in another process, on another CPU, measures latency.
    Server,
    /// The program is a server, and what decides is its memory for each connection.
    Memory,
}

/// One table: the same work, done by each program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Workload {
    /// As it is named on the command line.
    pub name: &'static str,
    /// Which function of each program.
    pub family: &'static str,
    /// The families that belong together.
    pub group: &'static str,
    /// For people.
    pub title: &'static str,
    /// What one operation is.
    pub operation: &'static str,
    /// How it is measured.
    pub kind: Kind,
    /// The other side of a server.
    pub load: &'static str,
    /// Tasks, operations in flight, or connections.
    pub tasks: u32,
    /// Bytes of a message or of a block.
    pub bytes: usize,
    /// Requests that a connection has outstanding.
    pub depth: u32,
    /// Whether its file is read past the page cache.
    pub direct: bool,
    /// Operations between two looks at the clock.
    pub batch: u64,
    /// Operations of which the instructions are counted, or compared with those of twice as many.
    pub lot: u64,
}

/// Operations of a lot: many, because starting some runtimes takes millions of instructions, and
/// not always the same number of them.
const LOT: u64 = 200_000;
/// The same of operations that move much or wait for another thread.
const LOT_OF_LONG: u64 = 20_000;
/// Requests of a lot, for as many connections at most as half of them.
const REQUESTS: u64 = 4_000;
/// Timers of a lot: a tenth of those that are measured, as callgrind takes its time.
const LOT_OF_TIMERS: u64 = 100_000;

const fn alone(name: &'static str, family: &'static str, group: &'static str) -> Workload {
    Workload {
        name,
        family,
        group,
        title: "",
        operation: "",
        kind: Kind::Alone,
        load: "load",
        tasks: 1,
        bytes: 64,
        depth: 1,
        direct: false,
        batch: BATCH,
        lot: LOT,
    }
}

const fn server(name: &'static str, family: &'static str, group: &'static str) -> Workload {
    let workload = alone(name, family, group);
    Workload { kind: Kind::Server, operation: "request", lot: REQUESTS, ..workload }
}

/// What is sent over TLS comes back.
const fn tls_echo(name: &'static str, title: &'static str, tasks: u32, bytes: usize) -> Workload {
    let workload = server(name, "tls", "net").titled(title, "request");
    workload.load("tls").tasks(tasks).bytes(bytes)
}

/// Connections that a server of two cores accepts, echoes once on, and closes.
const fn accept(name: &'static str, title: &'static str, operation: &'static str) -> Workload {
    server(name, "accept", "net").titled(title, operation)
}

/// A server as it is installed, which sends a file again and again.
const fn site(name: &'static str, title: &'static str, connections: u32, bytes: usize) -> Workload {
    let workload = server(name, "static", "servers").titled(title, "request");
    workload.load("static").tasks(connections).bytes(bytes)
}

/// A server as it is installed, which keeps small values by their keys.
const fn cache(name: &'static str, title: &'static str, depth: u32) -> Workload {
    let workload = server(name, "kv", "servers").titled(title, "request");
    workload.load("kv").tasks(50).bytes(3).depth(depth)
}

/// A file from its beginning to its end: an operation is a MiB, so that blocks of any size compare.
const fn whole(name: &'static str, title: &'static str, bytes: usize) -> Workload {
    let workload = alone(name, name, "files").titled(title, "MiB").bytes(bytes);
    Workload { batch: FILE_MIB, lot: 2 * FILE_MIB, ..workload }
}

/// Reads past the page cache take as long as a device does.
const fn direct(name: &'static str, title: &'static str, tasks: u32) -> Workload {
    let workload = alone(name, "direct", "files").titled(title, "read").tasks(tasks).bytes(4096);
    Workload { direct: true, batch: 128, lot: 4_000, ..workload }
}

impl Workload {
    const fn titled(mut self, title: &'static str, operation: &'static str) -> Self {
        self.title = title;
        self.operation = operation;
        self
    }

    const fn load(mut self, load: &'static str) -> Self {
        self.load = load;
        self
    }

    const fn tasks(mut self, tasks: u32) -> Self {
        self.tasks = tasks;
        self
    }

    const fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    const fn depth(mut self, depth: u32) -> Self {
        self.depth = depth;
        self
    }

    const fn lot(mut self, lot: u64) -> Self {
        self.lot = lot;
        self
    }

    const fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Whether what is sent to its server over TCP comes back.
    pub fn echoes(&self) -> bool {
        matches!(self.family, "echo" | "accept")
    }

    /// Whether files are asked for, which the server finds in the directory of its job.
    pub fn is_site(&self) -> bool {
        self.family == "static"
    }

    /// Whether its connections come to several cores, which may share them unevenly.
    pub fn is_shared(&self) -> bool {
        self.load == "crowd"
    }

    /// Whether the program that is measured is one that others made, and not this process.
    pub fn is_started(&self) -> bool {
        self.group == "servers"
    }

    /// Whether there is another process that asks.
    pub fn is_served(&self) -> bool {
        self.kind != Kind::Alone
    }
}

/// The groups, in the order of the tables.
pub const GROUPS: &[&str] = &["tasks", "time", "files", "net", "servers"];

/// Timers at once.
const TIMERS: u32 = 1_000_000;

/// All workloads, in the order of the tables.
pub const WORKLOADS: &[Workload] = &[
    alone("spawn-1", "spawn", "tasks").titled("spawn and join, one at a time", "task"),
    alone("spawn-1000", "spawn", "tasks")
        .titled("spawn 1000 tasks, then join them", "task")
        .tasks(1000),
    alone("yield-1", "yield", "tasks").titled("yield, 1 task", "yield"),
    alone("yield-32", "yield", "tasks").titled("yield, 32 tasks", "yield").tasks(32),
    alone("wake-1", "wake", "tasks").titled("wake, 1 pair of tasks on a core", "round trip"),
    alone("wake-32", "wake", "tasks")
        .titled("wake, 32 pairs of tasks on a core", "round trip")
        .tasks(32),
    alone("channel", "channel", "tasks").titled("channel between two tasks of a core", "message"),
    alone("cross", "cross", "tasks")
        .titled("round trip between two pinned threads, both CPUs counted", "round trip")
        .lot(LOT_OF_LONG),
    alone("timer-insert", "timer-insert", "time")
        .titled("insert 1 M timers", "timer")
        .tasks(TIMERS)
        .lot(LOT_OF_TIMERS),
    alone("timer-cancel", "timer-cancel", "time")
        .titled("cancel 1 M timers", "timer")
        .tasks(TIMERS)
        .lot(LOT_OF_TIMERS),
    alone("timer-fire", "timer-fire", "time")
        .titled("1 M timers fire", "timer")
        .tasks(TIMERS)
        .lot(LOT_OF_TIMERS),
    alone("nop-1", "nop", "files").titled("awaited no-op, 1 in flight", "no-op"),
    alone("nop-32", "nop", "files").titled("awaited no-op, 32 in flight", "no-op").tasks(32),
    alone("read-1", "read", "files")
        .titled("random read of 4 KiB from the page cache, 1 task", "read")
        .bytes(4096),
    alone("read-32", "read", "files")
        .titled("random read of 4 KiB from the page cache, 32 tasks", "read")
        .tasks(32)
        .bytes(4096),
    direct("direct-1", "random read of 4 KiB past the page cache, 1 task", 1),
    direct("direct-32", "random read of 4 KiB past the page cache, 32 tasks", 32),
    direct("direct-128", "random read of 4 KiB past the page cache, 128 tasks", 128),
    whole("cat", "read a file of 100 MiB, 64 KiB at a time", 65536),
    whole("cat-default", "read a file of 100 MiB, each in its own way", 0),
    whole("copy", "copy a file of 100 MiB, 64 KiB at a time", 65536),
    whole("copy-default", "copy a file of 100 MiB, each in its own way", 0),
    server("echo-1", "echo", "net").titled("TCP echo of 64 B, 1 connection", "request"),
    server("echo-64", "echo", "net")
        .titled("TCP echo of 64 B, 64 connections", "request")
        .tasks(64),
    server("echo-1000", "echo", "net")
        .titled("TCP echo of 64 B, 1000 connections", "request")
        .tasks(1000),
    server("echo-8000", "echo", "net")
        .titled("TCP echo of 64 B, 8000 connections", "request")
        .tasks(8000)
        .lot(4 * REQUESTS),
    server("echo-4k-1", "echo", "net")
        .titled("TCP echo of 4 KiB, 1 connection", "request")
        .bytes(4096),
    server("echo-4k", "echo", "net")
        .titled("TCP echo of 4 KiB, 64 connections", "request")
        .tasks(64)
        .bytes(4096),
    server("echo-4k-1000", "echo", "net")
        .titled("TCP echo of 4 KiB, 1000 connections", "request")
        .tasks(1000)
        .bytes(4096),
    server("echo-4k-8000", "echo", "net")
        .titled("TCP echo of 4 KiB, 8000 connections", "request")
        .tasks(8000)
        .lot(4 * REQUESTS)
        .bytes(4096),
    server("echo-64k-1", "echo", "net")
        .titled("TCP echo of 64 KiB, 1 connection", "request")
        .bytes(65536),
    server("echo-64k", "echo", "net")
        .titled("TCP echo of 64 KiB, 64 connections", "request")
        .tasks(64)
        .bytes(65536),
    server("echo-64k-1000", "echo", "net")
        .titled("TCP echo of 64 KiB, 1000 connections", "request")
        .tasks(1000)
        .bytes(65536),
    server("echo-64k-8000", "echo", "net")
        .titled("TCP echo of 64 KiB, 8000 connections", "request")
        .tasks(8000)
        .lot(4 * REQUESTS)
        .bytes(65536),
    server("pipeline-1", "echo", "net")
        .titled("16 requests of 64 B outstanding, 1 connection", "request")
        .depth(16),
    server("pipeline-64", "echo", "net")
        .titled("16 requests of 64 B outstanding, 64 connections", "request")
        .tasks(64)
        .depth(16),
    server("unix-1", "unix", "net").titled("Unix-socket echo of 64 B, 1 connection", "request"),
    server("unix-64", "unix", "net")
        .titled("Unix-socket echo of 64 B, 64 connections", "request")
        .tasks(64),
    server("http-hello", "http", "net")
        .titled("HTTP/1.1 with hyper, a greeting of 14 B, 64 connections", "request")
        .load("http")
        .tasks(64),
    tls_echo("tls-echo-1", "TLS 1.3 echo of 64 B, 1 connection", 1, 64),
    tls_echo("tls-echo-64", "TLS 1.3 echo of 64 B, 64 connections", 64, 64),
    tls_echo("tls-echo-4k-1", "TLS 1.3 echo of 4 KiB, 1 connection", 1, 4096),
    tls_echo("tls-echo-4k", "TLS 1.3 echo of 4 KiB, 64 connections", 64, 4096),
    tls_echo("tls-echo-16k-1", "TLS 1.3 echo of 16 KiB, 1 connection", 1, 16384),
    tls_echo("tls-echo-16k", "TLS 1.3 echo of 16 KiB, 64 connections", 64, 16384),
    tls_echo("tls-echo-64k-1", "TLS 1.3 echo of 64 KiB, 1 connection", 1, 65536),
    tls_echo("tls-echo-64k", "TLS 1.3 echo of 64 KiB, 64 connections", 64, 65536),
    server("tls-idle-5000", "tls", "net")
        .titled("memory of 5000 TLS connections that have spoken", "connection")
        .load("tls")
        .tasks(5000)
        .kind(Kind::Memory),
    server("udp-echo-1", "udp-echo", "net").titled("UDP echo of 64 B, 1 client", "request"),
    server("udp-echo-64", "udp-echo", "net")
        .titled("UDP echo of 64 B, 64 clients", "request")
        .tasks(64),
    alone("udp-plain", "udp-plain", "net")
        .titled("send datagrams of 1200 B, one by one", "datagram")
        .bytes(1200),
    alone("udp-gso", "udp-gso", "net")
        .titled("send datagrams of 1200 B, 32 at once as segments", "datagram")
        .bytes(1200),
    server("connect", "echo", "net")
        .titled("connect, echo 64 B, close; one connection at a time", "connection")
        .load("connect"),
    server("requests-100", "echo", "net")
        .titled("100 times connect, echo 64 B, close; one after the other", "100 requests")
        .load("requests")
        .tasks(100)
        .lot(REQUESTS / 100),
    server("requests-1000", "echo", "net")
        .titled("1000 times connect, echo 64 B, close; all at once", "1000 requests")
        .load("storm")
        .tasks(1000)
        .lot(REQUESTS / 1000),
    accept("accept-1", "connections to two cores, one at a time", "connection").load("connect"),
    accept("accept-1000", "1000 connections to two cores, open at once", "1000 connections")
        .load("crowd")
        .tasks(1000)
        .lot(REQUESTS / 1000),
    server("idle-9000", "echo", "net")
        .titled("memory of 9000 idle connections that have spoken", "connection")
        .load("idle")
        .tasks(9000)
        .kind(Kind::Memory),
    site("static-1k", "a file of 1 KiB over HTTP/1.1, 64 connections", 64, 1024),
    site("static-100k", "a file of 100 KiB over HTTP/1.1, 64 connections", 64, 100 << 10),
    site("static-10m", "a file of 10 MiB over HTTP/1.1, 8 connections", 8, 10 << 20),
    cache("kv-1", "a cache that speaks Redis's protocol, as many GET as SET, 50 connections", 1),
    cache("kv-16", "the same, 16 requests outstanding on each of 50 connections", 16),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_groups_exist() {
        for (index, workload) in WORKLOADS.iter().enumerate() {
            assert!(GROUPS.contains(&workload.group), "{}", workload.name);
            assert!(!workload.title.is_empty() && !workload.operation.is_empty());
            assert!(workload.batch > 0 && workload.lot > 0, "{}", workload.name);
            let again = WORKLOADS[index + 1..].iter().find(|other| other.name == workload.name);
            assert_eq!(again, None);
        }
    }
}
