//! Rounds of programs that are shells.

use crate::WORKLOADS;

use super::*;

const SAMPLE: &str = r#"echo '{"ops":1,"cpu_ns":7,"wall_ns":9}'"#;

fn shell(name: &str, script: &str) -> Program {
    Program {
        name: name.to_owned(),
        path: "/bin/sh".into(),
        before: vec!["-c".to_owned(), script.to_owned()],
        families: vec!["nop".to_owned(), "direct".to_owned()],
        ..Program::default()
    }
}

fn measured(name: &str, direct: Option<io::Result<Pages>>, programs: &[Program]) -> Measured {
    let plan = Plan {
        rounds: 3,
        window: Duration::from_millis(1),
        measured: 0,
        other: 0,
        instructions: false,
        json: None,
    };
    let load = Program::default();
    let session = Session {
        plan: &plan,
        pages: Pages::at(Path::new("/file")),
        direct,
        site: None,
        load: &load,
    };
    let workload = WORKLOADS.iter().find(|workload| workload.name == name).unwrap();
    session.measure(workload, programs, &ProgressBar::hidden())
}

#[test]
fn a_program_that_fails_is_left_out_with_its_reason_and_the_rest_goes_on() {
    let programs = [
        shell("fails", "echo no ring here >&2; exit 1"),
        shell(OURS, SAMPLE),
        shell("mumbles", "echo mumble"),
        shell("is-silent", "exit 0"),
        Program { path: "/nonexistent".into(), ..shell("is-not-there", "") },
        shell("goes-on", SAMPLE),
    ];
    let measured = measured("nop-1", None, &programs);
    let rows: Vec<_> =
        measured.rows.iter().map(|row| (row.peer.as_str(), row.again, row.samples.len())).collect();
    assert_eq!(rows, [(OURS, false, 3), ("goes-on", false, 3), (OURS, true, 3)]);
    let why = |peer| measured.skipped.iter().find(|(name, _)| name == peer).unwrap().1.as_str();
    assert_eq!(measured.skipped.len(), 4);
    assert_eq!(why("fails"), "no ring here");
    assert!(why("mumbles").contains("mumble"));
    assert!(why("is-silent").contains("exit status: 0"));
    assert!(why("is-not-there").contains("No such file"));
}

#[test]
fn without_a_disk_nobody_reads_past_the_page_cache() {
    let nowhere = || Some(Err(io::Error::other("everything is in memory")));
    let programs = [shell(OURS, SAMPLE)];
    let direct = measured("direct-32", nowhere(), &programs);
    assert_eq!(direct.rows, []);
    assert_eq!(direct.skipped, [("everybody".to_owned(), "everything is in memory".to_owned())]);
    let cached = measured("nop-1", nowhere(), &programs);
    assert_eq!((cached.rows.len(), cached.skipped.len()), (2, 0));
}

#[test]
fn each_workload_has_its_own_file() {
    let says = r#"for a in "$0" "$@"; do case $a in --file=*) echo "$a" >&2; exit 1;; esac; done"#;
    let direct = || Some(Ok(Pages::at(Path::new("/direct"))));
    let file = |name| measured(name, direct(), &[shell(OURS, says)]).skipped[0].1.clone();
    assert_eq!(file("direct-1"), "--file=/direct");
    assert_eq!(file("nop-1"), "--file=/file");
}

#[test]
fn a_server_that_is_late_is_greeted_and_one_that_says_something_else_is_not() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answers = std::thread::spawn(move || {
        let mut request = [0; 64];
        // The first has nobody behind it.
        drop(listener.accept().unwrap());
        for spoil in [0, 1] {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut request).unwrap();
            request[63] ^= spoil;
            stream.write_all(&request).unwrap();
        }
    });
    greet(address, 64).unwrap();
    assert_eq!(greet(address, 64).unwrap_err().kind(), io::ErrorKind::InvalidData);
    answers.join().unwrap();
}
