//! The runtime against the real kernel: what users rely on, and every fault that they may meet.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]

mod accept;
mod allocations;
mod alone;
mod async_fd;
mod blocking;
mod buffered;
mod busy_poll;
mod cancel;
mod choices;
mod churn;
mod clock;
mod closing;
mod control;
mod cores;
mod counting;
mod crossing;
mod dump;
mod efficiency;
mod ending;
mod exit_signals;
mod files;
mod foreign;
mod futex;
mod halves;
mod hand_off;
mod harness;
mod hazards;
mod hostile;
mod in_vain;
mod io_traits;
mod lasting;
mod launching;
mod limits;
#[cfg(target_arch = "x86_64")]
mod locked;
mod metrics;
mod mistaken;
mod names;
mod namespaces;
mod notify;
mod option_table;
mod options;
mod outliving;
mod panicking_buffers;
mod peers;
mod pipes;
mod processes;
mod programs;
mod receive_pools;
mod refused;
mod room;
mod runtime;
mod serving;
mod signals;
mod sim;
mod slack;
mod splicing;
mod sqpoll;
mod stall;
mod standard;
mod steering;
mod storm;
mod stream;
mod tasks;
mod tcp_socket;
mod time;
mod transfer;
mod udp;
mod unix;
mod unix_messages;
mod vectored;
mod waiting;
mod wakers;
mod zero_copy;

#[global_allocator]
static ALLOCATOR: counting::Allocator = counting::Allocator;

#[cfg(not(target_arch = "x86_64"))]
#[test]
#[ignore = "only the instructions of x86-64 are known"]
fn locked_instructions_are_counted() {}
