//! A deterministic simulated kernel behind the ring: seeded faults, virtual time, exact replay.
//!
//! Owns: the other side of the rings, and a small machine behind it: descriptors, files, sockets, a
//! clock. Does not own: the seam ([`annulus_ring::Kernel`]), nor any program that runs on it.
//!
//! Invariants: one seed decides everything; a request ends exactly once, and nothing of it is
//! touched afterwards; what is not modelled is refused, never ignored.
//!
#![doc = include_str!("../README.md")]

mod choice;
mod datagrams;
mod enter;
mod events;
mod fault;
mod files;
mod group;
mod hold;
mod life;
mod machine;
mod memory;
mod names;
mod op;
mod profile;
mod register;
mod request;
mod ring;
mod sim;
mod socket;
mod stream;
mod unreliable;
mod world;

pub use choice::Choice;
pub use fault::{Fault, Faults, Report};
pub use profile::Profile;
pub use sim::Sim;
pub use unreliable::{Failing, Unreliable};
pub use world::World;
