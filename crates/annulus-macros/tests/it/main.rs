//! What the attributes expand to, run on a runtime that only counts: `crate = "…"` points them at
//! it.

mod main_attribute;
mod recorder;
mod test_attribute;
