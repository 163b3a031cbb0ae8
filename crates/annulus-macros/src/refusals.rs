//! What the attributes refuse, as examples that must not compile.
//!
//! Owns no code: it exists for `cargo test --doc` only. An example that does not compile proves
//! little by itself, so each one differs in one place from the first, which does compile.
#![cfg(doctest)]

/// One example: how rustdoc is to treat it, what it is about, and its text behind a runtime that
/// does nothing.
macro_rules! example {
    ($treatment:literal, $name:ident, $text:literal) => {
        #[doc = concat!(
            "```", $treatment, "\n",
            "extern crate self as annulus;\n",
            "pub use annulus_macros::{main, test};\n",
            "pub mod runtime {\n",
            "    pub struct Runtime;\n",
            "    impl Runtime {\n",
            "        pub fn builder() -> Self { Self }\n",
            "        pub fn entries(self, _: u32) -> Self { self }\n",
            "        pub fn build(self) -> std::io::Result<Self> { Ok(self) }\n",
            "        pub fn block_on<F: Future>(self, _: F) -> F::Output { std::process::exit(0) }\n",
            "    }\n",
            "}\n",
            $text,
            "\n```",
        )]
        struct $name;
    };
}

example!("", Accepted, "#[annulus::main(entries = 3)] async fn main() {}");

example!("compile_fail", NotAsync, "#[annulus::main(entries = 3)] fn main() {}");
example!("compile_fail", Arguments, "#[annulus::main(entries = 3)] async fn main(_: u8) {}");
example!("compile_fail", Generic, "#[annulus::main(entries = 3)] async fn main<T>() {}");
example!("compile_fail", Unsafe, "#[annulus::main(entries = 3)] async unsafe fn main() {}");
example!("compile_fail", NoBody, "#[annulus::main(entries = 3)] async fn main();");
example!("compile_fail", NotAFunction, "#[annulus::main(entries = 3)] mod m {} fn main() {}");
example!("compile_fail,E0599", Unknown, "#[annulus::main(entrees = 3)] async fn main() {}");
example!("compile_fail,E0308", WrongType, "#[annulus::main(entries = \"3\")] async fn main() {}");
example!("compile_fail", NoValue, "#[annulus::main(entries)] async fn main() {}");
example!("compile_fail", Twice, "#[annulus::main(entries = 3, entries = 3)] async fn main() {}");
example!("compile_fail", NotAnOption, "#[annulus::main(3)] async fn main() {}");
example!("compile_fail", NoPath, "#[annulus::main(crate = 3)] async fn main() {}");
