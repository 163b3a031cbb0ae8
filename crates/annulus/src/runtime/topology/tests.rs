//! Machines made of files.

use std::path::Path;

use super::{Cpu, Topology, parse_list};

/// A directory as sysfs has it: for each CPU (core, package, node).
fn machine(directory: &Path, online: &str, cpus: &[(usize, isize, usize)]) {
    std::fs::write(directory.join("online"), online).unwrap();
    for (id, (core, package, node)) in cpus.iter().enumerate() {
        let topology = directory.join(format!("cpu{id}/topology"));
        std::fs::create_dir_all(&topology).unwrap();
        std::fs::write(topology.join("core_id"), format!("{core}\n")).unwrap();
        std::fs::write(topology.join("physical_package_id"), format!("{package}\n")).unwrap();
        std::fs::create_dir(directory.join(format!("cpu{id}/node{node}"))).unwrap();
    }
}

#[test]
fn siblings_come_after_all_physical_cores() {
    let directory = tempfile::tempdir().unwrap();
    let cpus = [(0, 0, 0), (0, 0, 0), (1, 0, 0), (1, 0, 0), (0, 1, 1), (0, 1, 1)];
    machine(directory.path(), "0-5\n", &cpus);
    let topology = Topology::read_from(directory.path()).unwrap();
    assert_eq!(topology.cpus().len(), 6);
    assert_eq!(topology.cpus()[4], Cpu { id: 4, core: 0, package: 1, node: 1 });
    assert_eq!(topology.in_order(), [0, 2, 4, 1, 3, 5]);
    let physical: Vec<_> = topology.physical().iter().map(|cpu| cpu.id).collect();
    assert_eq!(physical, [0, 2, 4]);
    assert_eq!(topology.only(|id| id % 2 == 1).in_order(), [1, 3, 5]);
}

#[test]
fn cpus_that_are_offline_are_left_out() {
    let directory = tempfile::tempdir().unwrap();
    machine(directory.path(), "0,2\n", &[(0, 0, 0), (1, 0, 0), (2, 0, 0)]);
    let topology = Topology::read_from(directory.path()).unwrap();
    assert_eq!(topology.in_order(), [0, 2]);
}

#[test]
fn a_machine_that_says_little_has_a_core_for_each_cpu() {
    let directory = tempfile::tempdir().unwrap();
    machine(directory.path(), "0-1\n", &[(7, -1, 0)]);
    let topology = Topology::read_from(directory.path()).unwrap();
    let expected =
        [Cpu { id: 0, core: 7, package: 0, node: 0 }, Cpu { id: 1, core: 1, package: 0, node: 0 }];
    assert_eq!(topology.cpus(), expected);
}

#[test]
fn a_directory_of_something_else_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    assert!(Topology::read_from(directory.path()).is_err());
    std::fs::write(directory.path().join("online"), "all of them").unwrap();
    let error = Topology::read_from(directory.path()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
}

#[test]
fn this_machine_has_cpus() {
    let topology = Topology::read().unwrap();
    assert!(!topology.physical().is_empty());
    assert!(topology.physical().len() <= topology.cpus().len());
}

#[test]
fn lists_are_numbers_and_ranges() {
    assert_eq!(parse_list("0-2,5,7-8\n"), Some(vec![0, 1, 2, 5, 7, 8]));
    assert_eq!(parse_list("\n"), Some(Vec::new()));
    for bad in ["x", "1-", "-", "3-1", "0-99999999999"] {
        assert_eq!(parse_list(bad), None, "{bad}");
    }
}
