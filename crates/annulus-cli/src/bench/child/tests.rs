//! Orders and samples survive the way between two processes.

use clap::Parser;

use super::*;
use crate::cli::{Cli, Command};

#[test]
fn a_process_understands_its_order() {
    let order = Order {
        program: Program::ReadLimitRegistered,
        parallel: 32,
        seconds: Duration::from_millis(150),
        ops: Some(7),
        cpu: Some(1),
        file: Some(Path::new("/proc/1/fd/3")),
        address: Some(SocketAddr::from(([127, 0, 0, 1], 80))),
        spin_us: 50,
        tick: true,
    };
    let words = [vec!["annulus".to_owned()], order.to_arguments()].concat();
    let Command::BenchChild(args) = Cli::try_parse_from(words).unwrap().command else {
        panic!("another subcommand");
    };
    assert_eq!(args.program, order.program);
    assert_eq!((args.parallel, args.seconds), (32, order.seconds));
    assert_eq!((args.ops, args.cpu), (Some(7), Some(1)));
    assert_eq!(Some(&*args.file), order.file);
    assert_eq!(Some(args.address), order.address);
    assert_eq!((args.spin, args.tick), (50, true));
}

#[test]
fn a_sample_survives_the_pipe() {
    let mut sample = Sample { ops: 1024, cpu_ns: 2, wall_ns: 3, latency: None };
    assert_eq!(Sample::from_line(&sample.to_line()), Some(sample));
    sample.latency = Some(Latency { p50_ns: 4, p99_ns: 5 });
    assert_eq!(Sample::from_line(&sample.to_line()), Some(sample));
}

#[test]
fn what_is_no_sample_is_not_taken_for_one() {
    for line in ["", "sample", "sample 1 2", "sample 1 2 x", "ready", "sample 1 2 3 4"] {
        assert_eq!(Sample::from_line(line), None, "{line:?}");
    }
}
