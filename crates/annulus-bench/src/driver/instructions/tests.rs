//! Counts of shells that say some, and of what they leave.

use super::*;

const SAMPLE: &str = r#"echo '{"ops":'$ops',"cpu_ns":0,"wall_ns":0}'"#;

/// More than any of these takes that ends.
const AMPLE: Patience =
    Patience { still: Duration::from_secs(60), whole: Duration::from_secs(300) };

fn workload(name: &str) -> &'static Workload {
    crate::WORKLOADS.iter().find(|workload| workload.name == name).unwrap()
}

/// What a shell says of itself, which knows how many operations it is asked for.
fn counted(name: &str, script: &str) -> io::Result<f64> {
    counted_within(AMPLE, name, script)
}

fn counted_within(patience: Patience, name: &str, script: &str) -> io::Result<f64> {
    let ops = r#"for a in "$0" "$@"; do case $a in --ops=*) ops=${a#--ops=};; esac; done"#;
    let before = vec!["-c".to_owned(), format!("{ops}; {script}")];
    counted_of(patience, name, Program { path: "/bin/sh".into(), before, ..Program::default() })
}

fn counted_of(patience: Patience, name: &str, program: Program) -> io::Result<f64> {
    let place = Place::make().unwrap();
    let (load, workload) = (&Program::default(), workload(name));
    Counter { program, load, workload, place: &place.0, patience }.count(&Job::default())
}

#[test]
fn what_starting_takes_is_left_out_but_of_phases_which_say_when_they_begin() {
    let script = format!("{SAMPLE}; echo \"==7== Collected : $((ops * 3 + 1000))\" >&2");
    assert_eq!(counted("nop-1", &script).unwrap(), 3.0);
    let all = counted("timer-fire", &script).unwrap();
    assert_eq!(all, 3.0 + 1000.0 / workload("timer-fire").lot as f64);
}

#[test]
fn what_cannot_be_counted_has_a_reason() {
    let nowhere = Program { path: "/no/valgrind".into(), ..Program::default() };
    let error = counted_of(AMPLE, "nop-1", nowhere).unwrap_err();
    assert_eq!(error.to_string(), "valgrind is not installed");
    let error = counted("nop-1", "echo unhandled syscall >&2; exit 1").unwrap_err();
    assert_eq!(error.to_string(), "unhandled syscall");
    let error = counted("nop-1", SAMPLE).unwrap_err();
    assert!(error.to_string().contains("has not said a count"), "{error}");
}

#[test]
fn what_stands_still_or_never_ends_is_given_up() {
    // Before its sample, and after it.
    let soon = Patience { still: Duration::from_millis(200), ..AMPLE };
    let late = |script: &str| counted_within(soon, "nop-1", script).unwrap_err();
    for script in ["exec sleep 60", &format!("{SAMPLE}; exec sleep 60")] {
        let error = late(script);
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{script}: {error}");
        assert!(error.to_string().contains("stood still"), "{script}: {error}");
    }
    // It moves as often as a busy machine lets it.
    let soon = Patience { whole: Duration::from_secs(2), ..AMPLE };
    let error = counted_within(soon, "nop-1", "while :; do :; done").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(error.to_string().contains("not ended after 2 seconds"), "{error}");
}

#[test]
fn a_command_that_does_not_end_is_ended() {
    let limit = Duration::from_millis(100);
    bounded(&mut Command::new("false"), Duration::from_secs(60)).unwrap();
    let error = bounded(Command::new("sleep").arg("60"), limit).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let error = bounded(&mut Command::new("/no/vgdb"), limit).unwrap_err();
    assert!(error.to_string().contains("/no/vgdb does not start"), "{error}");
}

/// With fewer, two runs of different lots would do the same number of operations.
#[test]
fn a_lot_is_more_than_what_is_asked_at_first() {
    for workload in crate::WORKLOADS.iter().filter(|workload| are_countable(workload)) {
        let at_first = match workload.load {
            "load" if workload.is_served() => workload.tasks * workload.depth,
            _ => 1,
        };
        assert!(workload.lot > u64::from(at_first), "{}", workload.name);
    }
    assert!(!are_countable(workload("idle-9000")));
}

#[test]
fn what_two_runs_do_not_tell_apart_is_said() {
    assert_eq!(per_operation((100, 10), (180, 20)).unwrap(), 8.0);
    for many in [(100, 20), (180, 10)] {
        let error = per_operation((100, 10), many).unwrap_err().to_string();
        assert!(error.contains("100 instructions for 10 operations"), "{error}");
    }
}

#[test]
fn servers_can_be_reached_and_timers_begin_silent() {
    let arguments = |name: &str| {
        under_valgrind(&Program::default(), workload(name), Path::new("/here")).before.join(" ")
    };
    assert!(arguments("echo-64").contains("--vgdb-prefix=/here/vgdb"));
    assert!(arguments("timer-fire").contains("--vgdb=no --collect-atstart=no"));
    assert!(!arguments("nop-1").contains("collect-atstart"));
}

#[test]
fn a_place_is_gone_with_what_is_in_it() {
    let (one, other) = (Place::make().unwrap(), Place::make().unwrap());
    let paths = [one.0.clone(), other.0.clone()];
    assert_ne!(paths[0], paths[1]);
    std::fs::write(out_file(&one.0), "totals: 1\n").unwrap();
    drop((one, other));
    assert!(paths.iter().all(|path| !path.exists()));
}

#[test]
fn the_count_is_found_in_what_callgrind_writes_and_prints() {
    assert_eq!(total("summary: 7\n\ntotals: 7402395\n"), Some(7_402_395));
    assert_eq!(total("events: Ir\n"), None);
    let text = "==7== Events    : Ir\n==7== Collected : 1234567\n==7== \n";
    assert_eq!(collected(text), Some(1_234_567));
    assert_eq!(collected("==7== Events    : Ir\n"), None);
}
