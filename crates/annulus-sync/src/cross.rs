//! What crosses cores: a bounded channel and a single value, between any threads.
//!
//! The state is behind a mutex that is held for a few moves of plain data. Nothing of the user runs
//! inside: wakers are cloned before, woken and dropped after, and so are values. The wakers may be
//! those of any executor; who has none may block ([`Receiver::recv_blocking`]).

mod blocking;
mod channel;
mod oneshot;

pub use channel::{Receiver, Sender, Sending, channel};
pub use oneshot::{OneReceiver, OneSender, oneshot};
