//! Child processes: real programs, their pipes and statuses, and that nothing of them is left.

use std::io::{self, ErrorKind};
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use annulus::io::{AsyncBufRead as _, AsyncRead as _, BufReader};
use annulus::pipe::pipe;
use annulus::process::{Child, Command, Stdio};
use annulus::runtime::Runtime;
use annulus::signal::SignalKind;
use annulus::time::timeout;
use futures_util::poll;

use crate::cancel::yield_to_kernel;
use crate::harness::{
    NOTHING, check, descriptors, made, opened_since, own_process, run, share_process,
};

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 13 + (at >> 8)) as u8).collect()
}

/// Waits until the thread is gone that reaps the children of tests before; not for ever. It is
/// known by its name, which it gives itself: one that has just been started may be missed.
pub fn reaper_ends() {
    no_thread_is(|name, _| name == "annulus-reaper");
}

/// Waits until a forked child has no thread but this one, and those of the kernel; not for ever. A
/// thread that has just been started does not have its name yet.
pub fn others_end() {
    // SAFETY: no preconditions.
    let own = unsafe { libc::gettid() }.to_string();
    no_thread_is(|name, thread| thread != own && !name.starts_with("iou-"));
}

/// Waits until the threads of cores are gone that nobody joins, with their rings; not for ever.
pub fn cores_end() {
    no_thread_is(|name, _| name.starts_with("annulus-core-"));
}

/// Waits until no thread is like this, by its name and its number.
fn no_thread_is(like: impl Fn(&str, &str) -> bool) {
    let is_like = |task: std::fs::DirEntry| {
        let name = std::fs::read_to_string(task.path().join("comm"));
        name.is_ok_and(|name| like(name.trim_end(), &task.file_name().to_string_lossy()))
    };
    let over = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while std::time::Instant::now() < over {
        let mut tasks = std::fs::read_dir("/proc/self/task").expect("procfs is mounted");
        if !tasks.any(|task| task.is_ok_and(is_like)) {
            return;
        }
        std::thread::yield_now();
    }
}

#[test]
fn statuses_are_those_of_std() {
    run(async {
        for script in ["exit 0", "exit 1", "exit 255", "kill -9 $$", "kill -15 $$"] {
            let ours = sh(script).status().await?;
            let theirs = std::process::Command::new("sh").args(["-c", script]).status()?;
            assert_eq!(ours, theirs, "{script}");
        }
        Ok(())
    });
}

#[test]
fn output_is_that_of_std() {
    run(async {
        let script = "echo out; echo err >&2; cat; exit 7";
        let ours = sh(script).output().await?;
        let theirs = std::process::Command::new("sh").args(["-c", script]).output()?;
        assert_eq!(ours, theirs);
        assert_eq!(ours.stdout, b"out\n", "its input is nothing");
        let quiet = sh(script).stdout(Stdio::null()).output().await?;
        assert_eq!((&quiet.stdout[..], &quiet.stderr[..]), (&b""[..], &b"err\n"[..]));
        // A command can be started again, and its streams are as they were.
        let mut again = sh("echo again");
        assert_eq!(again.output().await?.stdout, b"again\n");
        let mut child = again.stdout(Stdio::piped()).spawn()?;
        assert!(child.stdin.is_none() && child.stderr.is_none());
        assert!(child.wait().await?.success());
        Ok(())
    });
}

#[test]
fn what_it_is_started_with_reaches_it() {
    let directory = crate::harness::Scratch::new();
    run(async {
        let script = "echo \"$0\" \"$1\" \"$SOME\" \"$OTHER\" \"$PATH\"; pwd -P; \
                      ps -o pgid= -p $$ | tr -d ' '; echo $$";
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "zero"]).arg("one").env_clear().env("SOME", "set");
        command.envs([("OTHER", "too"), ("PATH", "/usr/bin:/bin")]).env_remove("NONE");
        command.current_dir(directory.path()).process_group(0);
        let output = command.output().await?;
        let text = String::from_utf8(output.stdout).expect("it prints text");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "zero one set too /usr/bin:/bin");
        assert_eq!(std::path::Path::new(lines[1]), directory.path().canonicalize()?);
        if lines.len() == 4 {
            assert_eq!(lines[2], lines[3], "it leads its own group");
        }
        Ok(())
    });
}

#[test]
fn users_and_code_before_exec_are_those_of_std() {
    // SAFETY: no pointers.
    if unsafe { libc::geteuid() } != 0 {
        crate::harness::skip("only root can become somebody else");
        return;
    }
    run(async {
        let output = sh("id -u; id -g").uid(65534).gid(65533).output().await?;
        assert_eq!(output.stdout, b"65534\n65533\n");
        let mut command = sh("umask");
        let before = || {
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o027));
            Ok(())
        };
        // SAFETY: umask(2) may be called after fork(2).
        unsafe { command.pre_exec(before) };
        assert_eq!(command.output().await?.stdout, b"0027\n");
        // SAFETY: it does nothing.
        unsafe { command.pre_exec(|| Err(io::Error::from_raw_os_error(libc::EDOM))) };
        assert_eq!(command.spawn().unwrap_err().raw_os_error(), Some(libc::EDOM));
        Ok(())
    });
}

#[test]
fn what_cannot_be_started_is_an_error_and_leaves_nothing() {
    let _own = own_process();
    let before = descriptors();
    check(Runtime::builder(), async {
        let missing = Command::new("/nonexistent/program").spawn().unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        let denied = Command::new("/etc/passwd").status().await.unwrap_err();
        assert_eq!(denied.kind(), ErrorKind::PermissionDenied);
        let nul = Command::new("nul\0").output().await.unwrap_err();
        assert_eq!(nul.kind(), ErrorKind::InvalidInput);
        Ok(())
    });
    assert!(sh("exit 0").spawn().unwrap_err().to_string().contains("runtime"));
    assert_eq!(opened_since(&before), NOTHING);
}

#[test]
fn much_goes_through_a_child_both_ways_at_once() {
    run(async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let bytes = 5_000_001;
        let sending = annulus::spawn(async move { stdin.write_all(pattern(bytes)).await });
        let (n, all) = stdout.read_to_end(Vec::new()).await?;
        assert_eq!(n, bytes);
        assert!(all == pattern(bytes));
        sending.await.expect("it does not panic")?;
        assert!(child.wait().await?.success());
        Ok(())
    });
}

#[test]
fn both_outputs_are_read_while_it_is_waited_for() {
    run(async {
        // More on each than a pipe holds, in an order in which reading one to its end hangs.
        let script = "head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero; \
                      head -c 300000 /dev/zero >&2";
        let child = sh(script).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let output = child.wait_with_output().await?;
        assert_eq!((output.stdout.len(), output.stderr.len()), (300_000, 600_000));
        assert!(output.status.success());
        Ok(())
    });
}

#[test]
fn a_reader_that_has_enough_ends_who_writes() {
    run(async {
        let mut yes = Command::new("yes").stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(yes.stdout.take().unwrap()).lines();
        for _ in 0..1000 {
            assert_eq!(lines.next_line().await?.as_deref(), Some("y"));
        }
        drop(lines);
        let status = yes.wait().await?;
        assert!(status.signal() == Some(libc::SIGPIPE) || status.code() == Some(1), "{status}");
        Ok(())
    });
}

#[test]
fn children_are_joined_by_pipes_and_by_ends_of_pipes() {
    run(async {
        let (into, from) = pipe()?;
        let mut yes = Command::new("yes").stdout(Stdio::try_from(into)?).spawn()?;
        let head = {
            let mut command = Command::new("head");
            command.args(["-n", "3"]).stdin(Stdio::try_from(from)?).stdout(Stdio::piped());
            let child = command.spawn()?;
            // The command has its copy of the end, which would keep `yes` from seeing its own.
            drop(command);
            child
        };
        assert_eq!(head.wait_with_output().await?.stdout, b"y\ny\ny\n");
        assert!(!yes.wait().await?.success());

        let file = tempfile::tempfile()?;
        let status = sh("echo into a file").stdout(file.try_clone()?).status().await?;
        assert!(status.success());
        use std::io::{Read as _, Seek as _};
        let (mut file, mut text) = (file, String::new());
        file.rewind()?;
        file.read_to_string(&mut text)?;
        assert_eq!(text, "into a file\n");
        Ok(())
    });
}

#[test]
fn a_child_that_closes_its_output_early_is_still_waited_for() {
    run(async {
        let script = "exec >&-; read line; exit 4";
        let mut child = sh(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut stdout = child.stdout.take().unwrap();
        assert_eq!(stdout.read_to_end(Vec::new()).await?.0, 0, "it has closed it");
        assert_eq!(child.try_wait()?, None, "and waits for a line");
        assert!(child.id().is_some());
        child.stdin.as_ref().unwrap().write_all("line\n").await?;
        assert_eq!(child.wait().await?.code(), Some(4));
        assert_eq!(child.wait().await?.code(), Some(4), "again");
        assert_eq!(child.try_wait()?.and_then(|status| status.code()), Some(4));
        assert_eq!(child.id(), None);
        let error = child.start_kill().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(child.kill().await.is_ok(), "it has ended");
        Ok(())
    });
}

#[test]
fn waiting_ends_its_input() {
    run(async {
        let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        assert!(cat.wait().await?.success());
        Ok(())
    });
}

#[test]
fn a_wait_that_is_dropped_or_late_loses_no_status() {
    run(async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let stdin = child.stdin.take();
        for _ in 0..3 {
            assert!(poll!(Box::pin(child.wait())).is_pending());
            yield_to_kernel().await?;
        }
        let late = timeout(Duration::from_millis(1), child.wait()).await;
        assert!(late.is_err());
        drop(stdin);
        assert!(child.wait().await?.success());
        Ok(())
    });
}

#[test]
fn signals_reach_it_and_only_it() {
    run(async {
        let script =
            "trap 'echo got; exit 5' USR1; echo ready; while :; do sleep 1000 & wait; done";
        let mut child = sh(script).stdout(Stdio::piped()).process_group(0).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next_line().await?.as_deref(), Some("ready"));
        child.signal(SignalKind::from_raw(0))?;
        let error = child.signal(SignalKind::from_raw(1000)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        child.signal(SignalKind::USER_DEFINED1)?;
        assert_eq!(lines.next_line().await?.as_deref(), Some("got"));
        let group = child.id().expect("it was not waited for");
        assert_eq!(child.wait().await?.code(), Some(5));
        // Its own child, which was started by it and is in its group.
        let group = rustix::process::Pid::from_raw(group as i32).unwrap();
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);

        let mut sleep = Command::new("sleep").arg("1000").spawn()?;
        sleep.kill().await?;
        assert_eq!(sleep.wait().await?.signal(), Some(libc::SIGKILL));
        Ok(())
    });
}

/// Children of this process that have ended and were not waited for, and those that run.
fn children() -> (usize, usize) {
    let mut found = (0, 0);
    for task in std::fs::read_dir("/proc/self/task").expect("procfs is mounted") {
        let path = task.expect("it can be listed").path().join("children");
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        for child in text.split_whitespace() {
            let Ok(stat) = std::fs::read_to_string(format!("/proc/{child}/stat")) else { continue };
            let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
            if state == Some('Z') { found.0 += 1 } else { found.1 += 1 }
        }
    }
    found
}

/// Waits for what another thread does, without a bound in time.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..10_000_000 {
        if is_so() {
            return;
        }
        std::thread::yield_now();
    }
    panic!("it never happens that {what}");
}

#[test]
fn a_thousand_short_children_leave_neither_a_zombie_nor_a_descriptor() {
    let _own = own_process();
    until("earlier children are gone", || children() == (0, 0));
    let before = descriptors();
    check(Runtime::builder(), async {
        for round in 0..125 {
            let started = (0..8).map(|number| {
                let mut command = Command::new("true");
                if number % 2 == 0 {
                    command.stdout(Stdio::piped());
                }
                command.spawn()
            });
            let started = started.collect::<io::Result<Vec<Child>>>()?;
            for (number, mut child) in started.into_iter().enumerate() {
                // Some are waited for, some only dropped.
                if (round + number) % 3 > 0 {
                    assert!(child.wait().await?.success());
                }
            }
        }
        Ok(())
    });
    until("all are reaped", || children() == (0, 0));
    until("the reaper is gone", || descriptors() == before);
}

#[test]
fn a_dropped_child_is_killed_if_that_was_asked_for() {
    let _own = own_process();
    until("earlier children are gone", || children() == (0, 0));
    check(Runtime::builder(), async {
        let child = Command::new("sleep").arg("1000").kill_on_drop(true).spawn()?;
        drop(child);
        until("it is killed and reaped", || children() == (0, 0));
        // A future that owns a child drops it, too.
        let mut command = Command::new("sleep");
        command.arg("1000").kill_on_drop(true);
        assert!(poll!(Box::pin(command.status())).is_pending());
        assert!(poll!(Box::pin(command.output())).is_pending());
        until("they are killed and reaped", || children() == (0, 0));
        Ok(())
    });
}

#[test]
fn a_dropped_child_goes_on_and_is_reaped_when_it_ends() {
    let _own = own_process();
    until("earlier children are gone", || children() == (0, 0));
    let runtime = made(Runtime::builder());
    let stdin = runtime.block_on(async {
        let mut child =
            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        drop(child);
        yield_to_kernel().await.unwrap();
        assert_eq!(children(), (0, 1), "it goes on");
        stdin.into_nonblocking_fd().unwrap()
    });
    drop(stdin);
    until("it is reaped", || children() == (0, 0));
}

#[test]
fn a_child_may_be_dropped_on_any_thread_and_after_its_runtime() {
    let _own = own_process();
    until("earlier children are gone", || children() == (0, 0));
    let start = || {
        let mut command = Command::new("sleep");
        command.arg("1000").kill_on_drop(true).spawn().unwrap()
    };
    let runtime = made(Runtime::builder());
    let (here, there) = runtime.block_on(async { (start(), start()) });
    std::thread::spawn(move || drop(there)).join().expect("it does not panic");
    runtime.shutdown();
    assert!(here.signal(SignalKind::KILL).is_err(), "its descriptor is closed");
    drop(here);
    until("both are killed and reaped", || children() == (0, 0));
}

#[test]
fn a_child_of_std_is_taken_over() {
    run(async {
        let mut command = std::process::Command::new("cat");
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let child = Child::from_std(child)?;
        child.stdin.as_ref().unwrap().write_all("taken over").await?;
        let mut child = child;
        child.stdin = None;
        assert_eq!(child.wait_with_output().await?.stdout, b"taken over");
        Ok(())
    });
}

#[test]
fn a_child_of_another_core_is_an_error_that_says_so() {
    let _shared = share_process();
    let (first, second) = (made(Runtime::builder()), made(Runtime::builder()));
    let mut child = first
        .block_on(async { Command::new("sleep").arg("1000").kill_on_drop(true).spawn().unwrap() });
    second.block_on(async {
        let error = child.wait().await.unwrap_err();
        assert!(error.to_string().contains("was used on"), "{error}");
        assert!(child.signal(SignalKind::KILL).is_err());
    });
    first.block_on(async { child.kill().await }).unwrap();
    first.block_on(async { drop(child) });
}
