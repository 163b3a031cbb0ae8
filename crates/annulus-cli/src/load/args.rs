//! The arguments of `annulus load`, and what they come to.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::target::{Scheme, Target, wrong};

/// Arguments of `annulus load`.
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = "\
Without --rate each connection sends its next request when an answer has come (closed loop). With \
--rate requests start on a schedule whatever the server does (open loop), and latency counts from \
when a request had to start, so that one that had to wait for a slow server shows.

SIGINT ends it with the summary.")]
pub struct Args {
    /// A URL (http://HOST:PORT/PATH) or an address; or the protocol (tcp, http, redis), then it.
    #[arg(value_name = "TARGET", num_args = 1..=2, required = true)]
    pub target: Vec<String>,

    /// Connections at once, over all cores.
    #[arg(short, long, value_name = "N", default_value_t = 64)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connections: u32,

    /// Requests that a connection has outstanding.
    #[arg(short, long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub pipeline: u32,

    /// Threads that make the load, with a ring each.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=512))]
    pub cores: u16,

    /// For how long; 10 seconds if neither this nor --requests is given. As 500ms, 10s, 2m.
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,

    /// How many requests in all.
    #[arg(short = 'n', long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub requests: Option<u64>,

    /// Requests a second, over all connections: an open loop.
    #[arg(short = 'R', long, value_name = "N", value_parser = rate)]
    pub rate: Option<f64>,

    /// How long a request may take.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub timeout: Duration,

    /// A connection for each request.
    #[arg(long)]
    pub no_keep_alive: bool,

    /// Bytes of a message (tcp), or of a value (redis).
    #[arg(long, value_name = "BYTES")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=64 << 20))]
    pub size: Option<u32>,

    /// The method of requests.
    #[arg(short = 'X', long, value_name = "METHOD", default_value = "GET")]
    pub method: String,

    /// A header of requests, as "Name: value"; may be given again.
    #[arg(short = 'H', long, value_name = "HEADER")]
    pub header: Vec<String>,

    /// The body of requests.
    #[arg(long, value_name = "TEXT", conflicts_with = "body_file")]
    pub body: Option<String>,

    /// A file with the body of requests.
    #[arg(long, value_name = "FILE")]
    pub body_file: Option<PathBuf>,

    /// Of ten requests of redis, how many set a value; the others get one.
    #[arg(long, value_name = "N", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(u8).range(0..=10))]
    pub sets: u8,

    /// Different keys that requests of redis name.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub keys: u64,

    /// Tells the CPU time that this process took for each request: the server's.
    #[arg(long, value_name = "PID")]
    pub server_pid: Option<u32>,

    /// Writes everything that was measured.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Draws latency by percentile, and requests over time.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,

    /// Shows no progress.
    #[arg(short, long)]
    pub quiet: bool,
}

/// What is to be done, checked.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is loaded.
    pub target: Target,
    /// Connections at once.
    pub connections: u32,
    /// Requests outstanding on each.
    pub pipeline: u32,
    /// Threads.
    pub cores: u32,
    /// When no request starts any more.
    pub duration: Option<Duration>,
    /// How many requests start.
    pub requests: Option<u64>,
    /// How many start each second.
    pub rate: Option<f64>,
    /// How long one may take.
    pub timeout: Duration,
    /// Whether a connection serves more than one.
    pub keep_alive: bool,
}

/// How long if nothing is said.
const DURATION: Duration = Duration::from_secs(10);

impl Args {
    /// What these arguments come to.
    ///
    /// # Errors
    /// `InvalidInput` if they make no sense together, in words for people.
    pub fn plan(&self) -> io::Result<Plan> {
        let target = Target::parse(&self.target)?;
        let http = !self.header.is_empty() || self.body.is_some() || self.body_file.is_some();
        if target.scheme != Scheme::Http && (http || self.method != "GET") {
            return Err(wrong("--method, --header and --body are for http"));
        }
        if target.scheme == Scheme::Http && self.size.is_some() {
            return Err(wrong("--size is for tcp and redis: give http a --body"));
        }
        if target.scheme != Scheme::Redis && (self.sets > 0 || self.keys > 1) {
            return Err(wrong("--sets and --keys are for redis"));
        }
        if self.no_keep_alive && self.pipeline > 1 {
            return Err(wrong("--pipeline needs connections that are kept"));
        }
        let (cores, connections) = (u32::from(self.cores), self.connections);
        if cores > connections {
            let text = format!("{cores} cores cannot share {connections} connections");
            return Err(wrong(&text));
        }
        let duration = match (self.duration, self.requests) {
            (None, None) => Some(DURATION),
            (duration, _) => duration,
        };
        Ok(Plan {
            target,
            connections,
            pipeline: self.pipeline,
            cores,
            duration,
            requests: self.requests,
            rate: self.rate,
            timeout: self.timeout,
            keep_alive: !self.no_keep_alive,
        })
    }
}

impl Plan {
    /// How many requests start on a schedule; nothing for a closed loop.
    pub fn scheduled(&self) -> Option<u64> {
        let rate = self.rate?;
        let within = self.duration.map(|duration| (duration.as_secs_f64() * rate).round() as u64);
        match (within, self.requests) {
            (Some(within), Some(requests)) => Some(within.min(requests)),
            (within, requests) => within.or(requests),
        }
    }
}

/// A time as people write it: `500ms`, `10s`, `2m`, or seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1e-3), ("us", 1e-6), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let with = |&(unit, seconds): &(&str, f64)| Some((text.strip_suffix(unit)?, seconds));
    let (number, seconds) = units.iter().find_map(with).unwrap_or((text, 1.0));
    let seconds = number.trim().parse::<f64>().map(|number| number * seconds);
    match seconds {
        Ok(seconds) if seconds > 0.0 && seconds <= 1e6 => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("a time is 500ms, 10s or 2m, and more than nothing".to_owned()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && rate <= 1e9 => Ok(rate),
        _ => Err("a rate is a number of requests a second, and more than nothing".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn plan(line: &str) -> Result<Plan, String> {
        let words = std::iter::once("load").chain(line.split(' '));
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        line.args.plan().map_err(|error| error.to_string())
    }

    #[test]
    fn a_closed_loop_of_ten_seconds_is_the_default() {
        let plan = plan("http://host/").unwrap();
        assert_eq!((plan.duration, plan.requests, plan.rate), (Some(DURATION), None, None));
        assert_eq!((plan.connections, plan.pipeline, plan.cores), (64, 1, 1));
        assert!(plan.keep_alive && plan.scheduled().is_none());
    }

    #[test]
    fn an_open_loop_knows_how_many_requests_it_starts() {
        let scheduled = |line: &str| plan(line).unwrap().scheduled();
        assert_eq!(scheduled("tcp h:1 --rate 250 --duration 2s"), Some(500));
        assert_eq!(scheduled("tcp h:1 --rate 250 --requests 70"), Some(70));
        assert_eq!(scheduled("tcp h:1 --rate 250 --requests 70 --duration 200ms"), Some(50));
        assert_eq!(scheduled("tcp h:1 -R 0.5 -d 1m"), Some(30));
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (line, complaint) in [
            ("tcp h:1 --header a:b", "are for http"),
            ("tcp h:1 -X POST", "are for http"),
            ("http h --size 3", "give http a --body"),
            ("tcp h:1 --sets 3", "are for redis"),
            ("tcp h:1 --no-keep-alive --pipeline 2", "connections that are kept"),
            ("tcp h:1 --connections 2 --cores 3", "3 cores cannot share 2 connections"),
            ("tcp h:1 --rate 0", "more than nothing"),
            ("tcp h:1 --duration 5x", "a time is 500ms"),
            ("tcp h:1 --connections 0", "0 is not in 1..=1000000"),
            ("http h --body a --body-file b", "cannot be used with"),
        ] {
            let error = plan(line).unwrap_err();
            assert!(error.contains(complaint), "{line}: {error}");
        }
    }

    #[test]
    fn times_have_units() {
        for (text, ms) in [("500ms", 500), ("10s", 10_000), ("2m", 120_000), ("1.5", 1500)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)));
        }
        assert!(duration("0s").is_err() && duration("-1s").is_err() && duration("1e300").is_err());
    }
}
