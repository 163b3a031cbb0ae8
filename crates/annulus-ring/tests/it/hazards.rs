//! Hazards that are met below any runtime, one module for each; the others are in the tests of
//! `annulus`.
//!
//! Owns: for each the evidence that it is real, the answer, and at least three tests against the
//! real kernel.

mod linked_timeout;
mod registered_buffer_lifetime;
mod zero_copy_notification;
