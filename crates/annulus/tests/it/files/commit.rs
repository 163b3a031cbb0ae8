//! The log of many tasks: who was told that a record is durable finds it, and after a failure
//! nobody is told so.
//!
//! A process that is killed loses nothing that the kernel has; a power cut would also take what the
//! device has not written, and cannot be tested here.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use annulus::fs::{CommitLog, CommitStage, File, OpenOptions, Synced};
use annulus::runtime::Runtime;
use annulus::task::JoinSet;
use annulus_ring::abi::Opcode;
use annulus_sim::Fault as SimFault;
use futures_util::poll;

use super::faulty::{Fault, Faults};
use crate::harness::ground::{on_both_with, tiny};
use crate::harness::{Scratch, made, own_process, run, run_on, share_process};

/// A record that can be told from a torn one.
fn record(task: u64, number: u64, bytes: usize) -> Vec<u8> {
    let fill = (task * 31 + number) as u8;
    let mut record = format!("[{task}.{number}:{bytes}:").into_bytes();
    record.resize(record.len() + bytes, fill);
    record.push(b']');
    record
}

/// Takes the records of a log apart, up to the first that is torn: the place of each, by its name.
fn parse(log: &[u8]) -> BTreeMap<(u64, u64), u64> {
    let mut found = BTreeMap::new();
    let mut rest = log;
    while let Some(stripped) = rest.strip_prefix(b"[") {
        let Some((head, body)) = head(stripped) else { break };
        let [task, number, bytes] = head;
        let bytes = bytes as usize;
        let fill = (task * 31 + number) as u8;
        if body.get(bytes) != Some(&b']') || body[..bytes].iter().any(|&byte| byte != fill) {
            break;
        }
        let place = (log.len() - rest.len()) as u64;
        assert_eq!(found.insert((task, number), place), None, "a record is there twice");
        rest = &body[bytes + 1..];
    }
    found
}

fn head(rest: &[u8]) -> Option<([u64; 3], &[u8])> {
    let mut parts = rest.splitn(3, |&byte| byte == b':');
    let (name, bytes, _) = (parts.next()?, parts.next()?, parts.next()?);
    let body = &rest[name.len() + bytes.len() + 2..];
    let (task, number) = std::str::from_utf8(name).ok()?.split_once('.')?;
    let bytes = std::str::from_utf8(bytes).ok()?;
    Some(([task.parse().ok()?, number.parse().ok()?, bytes.parse().ok()?], body))
}

/// Appends from several tasks; checks that each record is where it was said to be.
async fn fill(log: &CommitLog, tasks: u64, records: u64) -> BTreeMap<(u64, u64), u64> {
    let mut all = JoinSet::new();
    for task in 0..tasks {
        let log = log.clone();
        all.spawn(async move {
            let mut places = Vec::new();
            for number in 0..records {
                let bytes = ((task * 37 + number * 101) % 300) as usize;
                let place = log.append(record(task, number, bytes)).await.expect("it is durable");
                places.push(((task, number), place));
            }
            places
        });
    }
    let mut places = BTreeMap::new();
    while let Some(done) = all.join_next().await {
        places.extend(done.expect("no panic"));
    }
    places
}

#[test]
fn every_record_is_where_its_task_was_told_on_any_kernel() {
    let report = on_both_with(tiny, 100, |ground| async move {
        let before = b"what was there before";
        let path = ground.file("log", before);
        let file = OpenOptions::new().write(true).open(&path).await?;
        let log = CommitLog::new(file, before.len() as u64)?;
        let tasks = 1 + ground.seed() % 9;
        let places = fill(&log, tasks, 7).await;
        assert!(log.batches() <= tasks * 7);
        assert!(log.poisoned().is_none());
        let end = log.end();
        drop(log);
        crate::cancel::at_rest().await?;
        let contents = ground.contents("log");
        assert_eq!(contents.len() as u64, end);
        let offset = before.len() as u64;
        let found = parse(&contents[before.len()..]);
        let found: BTreeMap<_, _> = found.into_iter().map(|(k, at)| (k, at + offset)).collect();
        assert_eq!(found, places);
        Ok(())
    });
    assert!(report.count(SimFault::ShortWrite) > 0);
}

#[test]
fn many_tasks_share_a_write_and_a_flush() {
    let scratch = Scratch::new();
    let path = scratch.path().join("log");
    let faults = Faults::default();
    run_on(Runtime::builder().kernel(faults.kernel()), async {
        let log = CommitLog::with_sync(File::create(&path).await?, 0, Synced::All)?;
        faults.forget();
        let places = fill(&log, 100, 1).await;
        assert_eq!(places.len(), 100);
        // The first goes alone or with all others; what came while it was written goes together.
        assert!(log.batches() <= 2, "{} batches", log.batches());
        let batches = log.batches() as usize;
        assert_eq!((faults.seen(Opcode::WRITE), faults.seen(Opcode::FSYNC)), (batches, batches));
        Ok(())
    });
}

#[test]
fn a_failure_at_any_step_poisons_the_log_and_nothing_is_tried_again() {
    let scratch = Scratch::new();
    let faults = Faults::default();
    let cases = [
        (Opcode::WRITE, libc::EIO, CommitStage::Write),
        (Opcode::WRITE, libc::ENOSPC, CommitStage::Write),
        (Opcode::FSYNC, libc::EIO, CommitStage::Flush),
    ];
    run_on(Runtime::builder().kernel(faults.kernel()), async {
        for (round, (opcode, errno, stage)) in cases.into_iter().enumerate() {
            let path = scratch.path().join(format!("log{round}"));
            let log = CommitLog::new(File::create(&path).await?, 0)?;
            assert_eq!(log.append("good").await, Ok(0));
            faults.forget();
            faults.plan_for(opcode, 0, Fault::Fails(errno));
            let mut failing = Box::pin(log.append("lost"));
            assert!(poll!(&mut failing).is_pending());
            annulus::task::yield_now().await;
            // This one gathers while that one is written.
            let (lost, too_late) = annulus::join!(failing, log.append("behind it"));
            let error = lost.unwrap_err();
            assert_eq!((error.stage(), too_late), (stage, Err(error.clone())));
            assert_eq!(log.append("later").await, Err(error.clone()));
            assert_eq!(log.poisoned(), Some(error.clone()));
            let kind = std::io::Error::from_raw_os_error(errno).kind();
            assert_eq!((error.kind(), std::io::Error::from(error).kind()), (kind, kind));
            assert_eq!(faults.seen(Opcode::WRITE), 1, "nothing is tried again");
            assert!(faults.seen(Opcode::FSYNC) <= 1);
            assert!(std::fs::read(&path)?.starts_with(b"good"));
        }
        let log = CommitLog::new(OpenOptions::new().write(true).open("/dev/null").await?, 0)?;
        let error = log.append("cannot be flushed").await.unwrap_err();
        assert_eq!(error.stage(), CommitStage::Flush);
        Ok(())
    });
}

#[test]
fn a_batch_whose_write_is_short_is_whole_before_it_is_flushed() {
    let scratch = Scratch::new();
    let path = scratch.path().join("log");
    let faults = Faults::default();
    run_on(Runtime::builder().kernel(faults.kernel()), async {
        let log = CommitLog::new(File::create(&path).await?, 0)?;
        for cut in [1, 3, 5] {
            faults.forget();
            faults.plan_for(Opcode::WRITE, 0, Fault::Short(cut));
            assert!(log.append("record").await.is_ok());
            assert_eq!((faults.seen(Opcode::WRITE), faults.seen(Opcode::FSYNC)), (2, 1));
        }
        assert_eq!(std::fs::read(&path)?, b"recordrecordrecord");
        Ok(())
    });
}

#[test]
fn an_append_waits_while_a_mebibyte_gathers() {
    let scratch = Scratch::new();
    let path = scratch.path().join("log");
    run(async {
        let log = CommitLog::new(File::create(&path).await?, 0)?;
        let large = vec![7; 700 * 1024];
        let mut first = Box::pin(log.append(&large));
        let mut second = Box::pin(log.append(&large));
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        assert_eq!(log.end(), 700 * 1024, "the second one waits for room");
        let huge = vec![8; 3 << 20];
        let (first, second, third) = annulus::join!(first, second, log.append(&huge));
        let mut places = [first.unwrap(), second.unwrap(), third.unwrap()];
        assert_eq!(places[0], 0);
        places.sort_unstable();
        assert!(places[1] == 700 * 1024 || places[1] == places[2], "{places:?}");
        assert_eq!(std::fs::metadata(&path)?.len(), 2 * 700 * 1024 + (3 << 20));
        Ok(())
    });
}

#[test]
fn other_threads_append_too_and_the_end_of_the_core_is_told() {
    let scratch = Scratch::new();
    let path = scratch.path().join("log");
    let _shared = share_process();
    let home = made(Runtime::builder());
    let log =
        home.block_on(async { CommitLog::new(File::create(&path).await.unwrap(), 0).unwrap() });
    let far = log.clone();
    std::thread::scope(|scope| {
        let appending = scope.spawn(move || {
            let here = made(Runtime::builder());
            here.block_on(async { far.append("from afar").await })
        });
        let durable = home.block_on(async {
            while log.batches() == 0 {
                annulus::task::yield_now().await;
                crate::cancel::yield_to_kernel().await.unwrap();
            }
            log.batches()
        });
        assert_eq!(durable, 1);
        assert_eq!(appending.join().unwrap(), Ok(0));
    });
    let mut late = Box::pin(log.append("too late"));
    drop(home);
    let abroad = made(Runtime::builder());
    let error = abroad.block_on(&mut late).unwrap_err();
    assert_eq!(error.stage(), CommitStage::Ended);
    drop(late);
    assert!(CommitLog::new(opened(&abroad, &path), 0).is_err(), "no runtime runs here");
    assert_eq!(std::fs::read(&path).unwrap(), b"from afar");
}

fn opened(on: &Runtime, path: &Path) -> File {
    on.block_on(File::open(path)).unwrap()
}

/// Set in the child: where its log is.
const LOG: &str = "ANNULUS_TEST_COMMIT_LOG";

#[test]
fn whoever_was_told_that_a_record_is_durable_finds_it_after_a_kill() {
    if let Some(path) = std::env::var_os(LOG) {
        return append_until_killed(Path::new(&path));
    }
    let _own = own_process();
    let directory = tempfile::tempdir().unwrap();
    for round in 0..12_u64 {
        let path = directory.path().join(format!("log{round}"));
        let name = "files::commit::whoever_was_told_that_a_record_is_durable_finds_it_after_a_kill";
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(LOG, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = Vec::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // As many as it takes to be in the middle of something else each time.
        let patience = 1 + round * 17 % 90;
        for line in lines.by_ref() {
            let line = line.unwrap();
            let Some(name) = line.strip_prefix("durable ") else { continue };
            let mut numbers = name.split(' ').map(|number| number.parse::<u64>().unwrap());
            let mut next = || numbers.next().expect("three numbers");
            told.push(((next(), next()), next()));
            if told.len() as u64 == patience {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(told.len() as u64 >= patience, "the child ended by itself");
        let found = parse(&std::fs::read(&path).unwrap());
        for (name, place) in told {
            assert_eq!(found.get(&name), Some(&place), "round {round}: {name:?} was durable");
        }
    }
}

fn append_until_killed(path: &Path) {
    let _shared = share_process();
    let runtime = made(Runtime::builder());
    runtime.block_on(async {
        let log = CommitLog::new(File::create(path).await.unwrap(), 0).unwrap();
        let mut all = JoinSet::new();
        for task in 0..8_u64 {
            let log = log.clone();
            all.spawn(async move {
                for number in 0.. {
                    let bytes = ((task * 37 + number * 101) % 300) as usize;
                    let place = log.append(record(task, number, bytes)).await.unwrap();
                    let line = format!("durable {task} {number} {place}\n");
                    if std::io::stdout().write_all(line.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
        while all.join_next().await.is_some() {}
    });
}
