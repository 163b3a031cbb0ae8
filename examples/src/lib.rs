//! The package of the examples, one idea each: `cargo run --example NAME` from the root of the
//! workspace. The programs are in `examples/`; `tests/` runs each one and looks at what it does.
//! What takes more than one file is here.
#![forbid(unsafe_code)]

pub mod kv;
