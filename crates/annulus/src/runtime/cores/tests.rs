//! Choices on made-up machines, and one on this.

use super::{Cores, Machine, Topology, available_cores};

fn machine(cpus: usize, quota: Option<f64>) -> Machine {
    Machine { topology: Topology::flat(0..cpus), quota }
}

#[test]
fn a_quota_lowers_the_number_of_cores_and_never_to_zero() {
    let chosen = |quota| Cores::All.choose(&machine(4, quota)).unwrap();
    assert_eq!(chosen(None), [0, 1, 2, 3]);
    assert_eq!(chosen(Some(2.5)), [0, 1]);
    assert_eq!(chosen(Some(0.1)), [0]);
    assert_eq!(chosen(Some(100.0)), [0, 1, 2, 3]);
    assert_eq!(Cores::Physical.choose(&machine(4, Some(3.0))).unwrap(), [0, 1, 2]);
}

#[test]
fn a_count_may_exceed_the_cpus_and_the_quota() {
    let chosen = Cores::Count(5).choose(&machine(2, Some(1.0))).unwrap();
    assert_eq!(chosen, [0, 1, 0, 1, 0]);
}

#[test]
fn cpus_outside_the_mask_are_refused_by_name() {
    let chosen = Cores::Ids(vec![1, 0]).choose(&machine(2, None)).unwrap();
    assert_eq!(chosen, [1, 0]);
    let error = Cores::Ids(vec![0, 7]).choose(&machine(2, None)).unwrap_err();
    assert!(error.to_string().contains("CPU 7"), "{error}");
}

#[test]
fn no_cores_are_an_error() {
    for none in [Cores::Count(0), Cores::Ids(Vec::new())] {
        assert!(none.choose(&machine(2, None)).is_err());
    }
}

#[test]
fn std_comes_to_the_same_number() {
    let std = std::thread::available_parallelism().unwrap().get();
    assert_eq!(available_cores(), std);
}
