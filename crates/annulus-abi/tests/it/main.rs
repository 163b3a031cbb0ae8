//! Integration tests of the ABI: against the C header of this machine, and against its kernel.

mod compare;
mod syscalls;
