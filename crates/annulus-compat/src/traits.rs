//! The wrappers as the traits of others, crate by crate. Everything is passed on to the methods
//! that poll.

#[cfg(feature = "futures-io")]
mod futures_io;
#[cfg(feature = "tokio")]
mod tokio;
