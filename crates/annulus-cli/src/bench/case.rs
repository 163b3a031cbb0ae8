//! What is compared with what.
//!
//! Owns: the workloads, and the rows of each table.

use super::child::Program;

/// A family of cases.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Workload {
    /// No-ops: what an operation costs beyond what the kernel does for it.
    Nop,
    /// Random reads of 4 KiB of a file in the page cache.
    Read,
    /// TCP echo of 64 bytes.
    Echo,
}

/// One table: the same work, done by each row's program.
#[derive(Debug)]
pub struct Case {
    pub title: &'static str,
    pub workload: Workload,
    /// Operations in flight, or connections.
    pub parallel: u32,
    pub rows: Vec<Row>,
    /// Whether latency decides, and not CPU time.
    pub latency_decides: bool,
}

/// One program of a case.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub label: &'static str,
    pub program: Program,
    pub role: Role,
    pub spin_us: u64,
    /// Whether a timer keeps the tick of the CPU running.
    pub tick: bool,
}

/// What a row is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The first limit is what the next row is compared with; others are for orientation.
    Limit,
    /// Ours, compared with the row of this index.
    Ours { against: usize },
    /// Ours again, for the noise band; the same as the row of this index.
    Again { of: usize },
}

impl Row {
    const fn new(label: &'static str, program: Program, role: Role) -> Self {
        Self { label, program, role, spin_us: 0, tick: false }
    }

    const fn spin(self, spin_us: u64) -> Self {
        Self { spin_us, ..self }
    }

    const fn tick(self) -> Self {
        Self { tick: true, ..self }
    }
}

const LIMIT: &str = "limit: ring loop";
const OURS: &str = "annulus";
const AGAIN: &str = "annulus again";
const UNTICKED: &str = "annulus, lets the tick stop";

/// All cases of a workload.
pub fn cases(workload: Workload) -> Vec<Case> {
    let case =
        |title, parallel, rows| Case { title, workload, parallel, rows, latency_decides: false };
    match workload {
        Workload::Nop => {
            vec![case("nop, 1 in flight", 1, nop_rows()), case("nop, 32 in flight", 32, nop_rows())]
        }
        Workload::Read => vec![
            case("read 4 KiB, page cache, 1 task", 1, read_rows()),
            case("read 4 KiB, page cache, 32 tasks", 32, read_rows()),
        ],
        Workload::Echo => vec![
            Case {
                latency_decides: true,
                ..case("TCP echo 64 B, 1 connection", 1, lonely_echo_rows())
            },
            case("TCP echo 64 B, 64 connections", 64, echo_rows()),
            case("TCP echo 64 B, 1000 connections", 1000, echo_rows()),
        ],
    }
}

fn nop_rows() -> Vec<Row> {
    vec![
        Row::new(LIMIT, Program::NopLimit, Role::Limit),
        Row::new(OURS, Program::NopOurs, Role::Ours { against: 0 }),
        Row::new(AGAIN, Program::NopOurs, Role::Again { of: 1 }),
    ]
}

fn read_rows() -> Vec<Row> {
    let registered = Program::ReadLimitRegistered;
    vec![
        Row::new("limit: registered file, buffer", registered, Role::Limit),
        Row::new("limit: registered file", Program::ReadLimit, Role::Limit),
        Row::new(OURS, Program::ReadOurs, Role::Ours { against: 0 }),
        Row::new(AGAIN, Program::ReadOurs, Role::Again { of: 2 }),
    ]
}

fn echo_rows() -> Vec<Row> {
    vec![
        Row::new(LIMIT, Program::EchoLimit, Role::Limit),
        Row::new(OURS, Program::EchoOurs, Role::Ours { against: 0 }).tick(),
        Row::new(AGAIN, Program::EchoOurs, Role::Again { of: 1 }).tick(),
        Row::new(UNTICKED, Program::EchoOurs, Role::Ours { against: 0 }),
    ]
}

/// One connection: here the ways of waiting tell themselves apart.
fn lonely_echo_rows() -> Vec<Row> {
    let (limit, ours) = (Program::EchoLimit, Program::EchoOurs);
    vec![
        Row::new(LIMIT, limit, Role::Limit),
        Row::new("limit: loop with timer", limit, Role::Limit).tick(),
        Row::new("limit: spins 50 µs", limit, Role::Limit).spin(50),
        Row::new(OURS, ours, Role::Ours { against: 1 }).tick(),
        Row::new(AGAIN, ours, Role::Again { of: 3 }).tick(),
        Row::new(UNTICKED, ours, Role::Ours { against: 0 }),
        Row::new("annulus, spins 50 µs", ours, Role::Ours { against: 2 }).spin(50),
    ]
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_row_of_ours_is_compared_with_a_limit_and_repeated_as_it_is() {
        for case in Workload::value_variants().iter().flat_map(|&w| cases(w)) {
            let mut repeated = 0;
            for row in &case.rows {
                match row.role {
                    Role::Limit => {}
                    Role::Ours { against } => {
                        let limit = &case.rows[against];
                        assert_eq!(limit.role, Role::Limit);
                        assert_eq!(limit.spin_us, row.spin_us);
                    }
                    Role::Again { of } => {
                        repeated += 1;
                        assert!(matches!(case.rows[of].role, Role::Ours { .. }));
                        assert_eq!(case.rows[of].program, row.program);
                        let first = &case.rows[of];
                        assert_eq!((first.spin_us, first.tick), (row.spin_us, row.tick));
                    }
                }
            }
            assert_eq!(repeated, 1, "{}", case.title);
        }
    }
}
