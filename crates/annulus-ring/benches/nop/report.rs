//! Running the contenders, and the two tables.

use std::io;
use std::mem::MaybeUninit;
use std::process::Stdio;
use std::time::Instant;

use super::{BATCHES, Entrant, ROUNDS, SIZES, TIMED_OPS};

/// User instructions per operation, and as a multiple of the `io-uring` crate's.
pub fn instructions(entrants: &[Entrant]) -> io::Result<()> {
    println!("user instructions per NOP (callgrind)\n");
    println!("| batch | contender | instructions | x io-uring |\n|---|---|---|---|");
    for size in SIZES {
        let mut counts = Vec::new();
        for entrant in entrants {
            let few = counted(entrant, size, BATCHES[0])?;
            let many = counted(entrant, size, BATCHES[1])?;
            let ops = (BATCHES[1] - BATCHES[0]) * u64::from(size);
            counts.push((many - few) as f64 / ops as f64);
        }
        rows(entrants, size, &counts, |count| format!("{count:.2}"));
    }
    Ok(())
}

fn counted(entrant: &Entrant, size: u32, batches: u64) -> io::Result<u64> {
    let valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"];
    let output = entrant.command(&valgrind, size, batches).output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let count = text.lines().find_map(|line| line.split_once("Collected : "));
    match count.and_then(|(_, count)| count.trim().parse().ok()) {
        Some(count) if output.status.success() => Ok(count),
        _ => Err(io::Error::other(format!("{} under valgrind: {text}", entrant.name))),
    }
}

/// Wall and CPU time per operation, medians of interleaved rounds.
pub fn times(entrants: &[Entrant]) -> io::Result<()> {
    println!("\nns per NOP, whole process, medians of {ROUNDS} interleaved rounds\n");
    println!("| batch | contender | wall / CPU | x io-uring |\n|---|---|---|---|");
    for size in SIZES {
        let mut wall = vec![Vec::new(); entrants.len()];
        let mut cpu = vec![Vec::new(); entrants.len()];
        let batches = TIMED_OPS / u64::from(size);
        for _ in 0..ROUNDS {
            for (index, entrant) in entrants.iter().enumerate() {
                let (wall_ns, cpu_ns) = timed(entrant, size, batches)?;
                wall[index].push(wall_ns);
                cpu[index].push(cpu_ns);
            }
        }
        let per_op = |times: &mut Vec<u64>| {
            times.sort_unstable();
            times[times.len() / 2] as f64 / (batches * u64::from(size)) as f64
        };
        let wall: Vec<f64> = wall.iter_mut().map(per_op).collect();
        let cpu: Vec<f64> = cpu.iter_mut().map(per_op).collect();
        let mut walls = wall.iter();
        rows(entrants, size, &cpu, |cpu| {
            format!("{:.0} / {cpu:.0}", walls.next().unwrap_or(&f64::NAN))
        });
    }
    Ok(())
}

/// Wall time, and CPU time of the child, user and system.
fn timed(entrant: &Entrant, size: u32, batches: u64) -> io::Result<(u64, u64)> {
    let (start, used) = (Instant::now(), children_ns());
    let status = entrant.command(&[], size, batches).stdout(Stdio::null()).status()?;
    if !status.success() {
        return Err(io::Error::other(format!("{} ended with {status}", entrant.name)));
    }
    Ok((start.elapsed().as_nanos() as u64, children_ns() - used))
}

/// CPU time of all children that were waited for.
fn children_ns() -> u64 {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: room for what the call writes.
    let result = unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()) };
    assert_eq!(result, 0, "getrusage of the own children");
    // SAFETY: zeroed, and filled by the call.
    let usage = unsafe { usage.assume_init() };
    let ns = |time: libc::timeval| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1000;
    ns(usage.ru_utime) + ns(usage.ru_stime)
}

fn rows(entrants: &[Entrant], size: u32, values: &[f64], mut show: impl FnMut(f64) -> String) {
    let base = entrants.iter().position(|entrant| entrant.name == "io-uring");
    let base = base.map_or(f64::NAN, |index| values[index]);
    for (entrant, &value) in entrants.iter().zip(values) {
        println!("| {size} | {} | {} | {:.3} |", entrant.name, show(value), value / base);
    }
}
