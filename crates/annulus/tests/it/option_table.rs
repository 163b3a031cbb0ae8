//! The table of socket options against the headers of the system: each option is in it, typed or
//! with a reason, and what it calls typed is in the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::harness::{share_process, skip};

const TABLE: &str = include_str!("../../src/net/options.md");

/// Where the kernel's options are, and what their names begin with.
const HEADERS: [(&str, &str); 5] = [
    ("/usr/include/asm-generic/socket.h", "SO_"),
    ("/usr/include/linux/tcp.h", "TCP_"),
    ("/usr/include/linux/in.h", "IP_ MCAST_"),
    ("/usr/include/linux/in6.h", "IPV6_"),
    ("/usr/include/linux/udp.h", "UDP_"),
];

/// Constants of these headers that are no options, and second names of those that are.
const OTHERS: &[&str] = &[
    "IPV6_FL_",
    "IPV6_FLOWINFO_FLOWLABEL",
    "IPV6_FLOWINFO_PRIORITY",
    "IPV6_HOPLIMIT",
    "IPV6_ORIGDSTADDR",
    "IPV6_PKTINFO",
    "IPV6_PMTUDISC_",
    "IPV6_PREFER_SRC_",
    "IPV6_PRIORITY_",
    "IPV6_SRCRT_",
    "IPV6_TLV_",
    "IP_DEFAULT_MULTICAST_",
    "IP_MSFILTER_SIZE",
    "IP_ORIGDSTADDR",
    "IP_PMTUDISC_",
    "MCAST_EXCLUDE",
    "MCAST_INCLUDE",
    "SO_DETACH_BPF",
    "SO_GET_FILTER",
    "SO_SECURITY_",
    "SO_TIMESTAMPING_",
    "SO_TIMESTAMPNS_",
    "SO_TIMESTAMP_",
    "SO_RCVTIMEO_",
    "SO_SNDTIMEO_",
    "TCP_AO_",
    "TCP_CM_INQ",
    "TCP_MD5SIG_FLAG_",
    "TCP_MD5SIG_MAXKEYLEN",
    "TCP_MSS_",
    "TCP_RECEIVE_ZEROCOPY_FLAG_",
    "TCP_REPAIR_OFF",
    "TCP_REPAIR_ON",
    "UDP_ENCAP_",
];

/// The options that one half of the table names: those that are typed come first.
fn named(typed: bool) -> BTreeSet<&'static str> {
    let (first, second) = TABLE.split_once("| not typed |").expect("the table has two halves");
    // The last column of what is typed, the first of what is not.
    let (half, column) = if typed { (first, 3) } else { (second, 1) };
    let cells = half.lines().filter_map(|row| row.split('|').nth(column));
    let words = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    words.filter(|word| is_option(word)).collect()
}

fn is_option(word: &str) -> bool {
    let known = ["SO_", "TCP_", "IP_", "IPV6_", "UDP_", "MCAST_"];
    known.iter().any(|start| word.starts_with(start))
}

#[test]
fn every_option_of_the_system_is_typed_or_has_a_reason() {
    let all: BTreeSet<_> = named(true).union(&named(false)).copied().collect();
    let mut missing = BTreeSet::new();
    for (path, starts) in HEADERS {
        let Ok(text) = ({
            let _shared = share_process();
            fs::read_to_string(path)
        }) else {
            skip(&format!("{path} is not there"));
            continue;
        };
        let defined = text.lines().filter_map(|line| line.strip_prefix("#define "));
        let names = defined.filter_map(|rest| rest.split([' ', '\t', '(']).next());
        missing.extend(
            names
                .filter(|name| starts.split(' ').any(|start| name.starts_with(start)))
                .filter(|name| !OTHERS.iter().any(|other| name.starts_with(other)))
                .filter(|name| !all.contains(name))
                .map(str::to_owned),
        );
    }
    assert!(missing.is_empty(), "the table does not know {missing:?}");
}

#[test]
fn what_the_table_calls_typed_can_be_searched_for_and_nothing_is_both() {
    let both: Vec<_> = named(true).intersection(&named(false)).copied().collect();
    assert!(both.is_empty(), "{both:?}");
    let mut sources = String::new();
    let _shared = share_process();
    read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/net"), &mut sources);
    let without = named(true).into_iter().filter(|name| {
        // As an attribute, or as the first thing that the macro of a row is given.
        let attribute = format!("doc(alias = \"{name}\")");
        !sources.contains(&attribute) && !sources.contains(&format!("\"{name}\","))
    });
    assert_eq!(without.collect::<Vec<_>>(), [""; 0]);
}

fn read_all(directory: &Path, into: &mut String) {
    for entry in fs::read_dir(directory).expect("the sources are there") {
        let path = entry.expect("the sources can be listed").path();
        if path.is_dir() {
            read_all(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(&path).expect("the sources can be read"));
        }
    }
}
