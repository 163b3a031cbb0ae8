//! Counts of shells that say some, and of what they leave.

use super::*;

const SAMPLE: &str = r#"echo '{"ops":'$ops',"cpu_ns":0,"wall_ns":0}'"#;

/// More than any of these takes that ends.
const AMPLE: Patience =
    Patience { still: Duration::from_secs(60), whole: Duration::from_secs(300) };

fn workload(name: &str) -> &'static Workload {
    crate::WORKLOADS.iter().find(|workload| workload.name == name).unwrap()
}

/// What a shell says of itself, which knows how many operations it is asked for, and which file is
/// callgrind's.
fn counted(name: &str, script: &str) -> io::Result<Counts> {
    counted_within(AMPLE, name, script)
}

fn counted_within(patience: Patience, name: &str, script: &str) -> io::Result<Counts> {
    let place = Place::make().unwrap();
    let ops = r#"for a in "$0" "$@"; do case $a in --ops=*) ops=${a#--ops=};; esac; done"#;
    let script = format!("{ops}; out='{}'; {script}", out_file(&place.0).display());
    let before = vec!["-c".to_owned(), script];
    let shell = Program { path: "/bin/sh".into(), before, ..Program::default() };
    counted_of(patience, name, shell, place)
}

fn counted_of(
    patience: Patience,
    name: &str,
    program: Program,
    place: Place,
) -> io::Result<Counts> {
    let (load, workload) = (&Program::default(), workload(name));
    Counter { program, load, workload, place: &place.0, patience }.count(&Job::default())
}

#[test]
fn what_starting_takes_is_left_out_but_of_phases_which_say_when_they_begin() {
    let events = r#"echo "events: Ir sysCount sysTime" > $out"#;
    let totals = r#"echo "totals: $((ops * 3 + 1000)) $((ops / 4 + 7)) 99" >> $out"#;
    let malloc = r#"echo "cfn=(8) malloc" >> $out; echo "calls=$((ops * 2 + 5)) 0" >> $out"#;
    let script = format!("{SAMPLE}; {events}; {totals}; {malloc}");
    let counts = Counts { instructions: 3.0, calls: Some(0.25), allocations: Some(2.0) };
    assert_eq!(counted("nop-1", &script).unwrap(), counts);
    let all = counted("timer-fire", &script).unwrap();
    assert_eq!(all.instructions, 3.0 + 1000.0 / workload("timer-fire").lot as f64);
}

#[test]
fn what_cannot_be_counted_has_a_reason() {
    let nowhere = Program { path: "/no/valgrind".into(), ..Program::default() };
    let error = counted_of(AMPLE, "nop-1", nowhere, Place::make().unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "valgrind is not installed");
    let error = counted("nop-1", "echo unhandled syscall >&2; exit 1").unwrap_err();
    assert_eq!(error.to_string(), "unhandled syscall");
    let error = counted("nop-1", SAMPLE).unwrap_err();
    assert!(error.to_string().contains("no count of valgrind's"), "{error}");
    let error = counted("nop-1", &format!("{SAMPLE}; echo nothing > $out")).unwrap_err();
    assert!(error.to_string().contains("has no totals"), "{error}");
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
    let of = |instructions| Collected { instructions, calls: 9, allocations: 9 };
    let counts = Counts { instructions: 8.0, calls: Some(0.0), allocations: Some(0.0) };
    assert_eq!(per_operation((of(100), 10), (of(180), 20)).unwrap(), counts);
    for many in [(of(100), 20), (of(180), 10)] {
        let error = per_operation((of(100), 10), many).unwrap_err().to_string();
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
fn counts_are_found_in_what_callgrind_writes() {
    let file = "events: Ir sysCount sysTime\n\
        fn=(1) main\n1 5\ncfn=(2) malloc\ncalls=3 0\n0 90 0 0\ncfn=(4) _int_malloc\ncalls=7 0\n\
        fn=(3) calloc\n1 2\nfn=(5) grow\ncfn=(2)\ncalls=2 10\ncfn=(3)\ncalls=4 0\ncfn=(1)\n\
        calls=1 0\nsummary: 7\n\ntotals: 7402395 12 345\n";
    let collected = Collected { instructions: 7_402_395, calls: 12, allocations: 9 };
    assert_eq!(Collected::read(file), Some(collected));
    let more = "events: Ir Dr Dw sysCount sysTime\ntotals: 5 6 7 8 9\n";
    let collected = Collected { instructions: 5, calls: 8, allocations: 0 };
    assert_eq!(Collected::read(more), Some(collected));
    let of = |events: &str, rest: &str| Collected::read(&format!("events: {events}\n{rest}\n"));
    assert!(of("Ir sysCount", "totals: 5 6").is_some());
    assert_eq!(of("Ir", "totals: 5"), None);
    for broken in ["", "totals: 5", "totals: 5 6\ncalls=x 0", "totals: x 6"] {
        assert_eq!(of("Ir sysCount", broken), None, "{broken}");
    }
}
