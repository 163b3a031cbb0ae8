//! The behaviour of every primitive, polled by hand, so that each interleaving is chosen.
#![cfg(not(loom))]

mod channels;
mod cross;
mod locks;
mod support;
mod telling;
mod throwing;
