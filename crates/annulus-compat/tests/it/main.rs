//! The wrappers as tokio's and futures' own code uses them, on the real kernel.

mod combinators;
mod drops;
mod ends;
mod files;
mod sendable;
mod support;
mod transfers;
