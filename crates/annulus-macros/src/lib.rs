//! The attributes `#[annulus::main]` and `#[annulus::test]`.
//!
//! Owns the expansion of both. Does not own the runtime: the expansion names the builder's methods,
//! and whatever methods there are can be options. Use these attributes through the crate `annulus`,
//! which exports them.
//!
//! Invariant: the function that was written is type-checked as it was written, as an `async fn` of
//! its own inside the one that takes its place, so errors point at the user's code and say what
//! they would say without the attribute.
#![forbid(unsafe_code)]

mod expand;
mod function;
mod options;
mod refusals;
mod template;

use expand::Kind;
use proc_macro::TokenStream;

/// Runs an `async fn main` on a runtime of its own.
///
/// The function becomes an ordinary one that builds a runtime, and blocks on what was written. If
/// no runtime can be built, because io_uring is forbidden here or the kernel is too old, the
/// program prints the cause with its remedy to standard error and exits with status 1.
///
/// # Options
///
/// `name = value` calls the method `name` of `annulus::runtime::Builder` with that value, which may
/// be any expression: `#[annulus::main(entries = 1024)]` stands for
/// `Runtime::builder().entries(1024).build()`. One option is not a method: `crate = "some::path"`
/// says where the crate `annulus` is, for those who export it under another name.
///
/// # Examples
///
/// ```
/// # extern crate self as annulus;
/// # pub use annulus_macros::main;
/// # pub mod runtime {
/// #     pub struct Runtime;
/// #     impl Runtime {
/// #         pub fn builder() -> Self { Self }
/// #         pub fn entries(self, _: u32) -> Self { self }
/// #         pub fn build(self) -> std::io::Result<Self> { Ok(self) }
/// #         pub fn block_on<F: Future>(self, future: F) -> F::Output {
/// #             let mut context = std::task::Context::from_waker(std::task::Waker::noop());
/// #             match std::pin::pin!(future).poll(&mut context) {
/// #                 std::task::Poll::Ready(output) => output,
/// #                 std::task::Poll::Pending => panic!("this example never waits"),
/// #             }
/// #         }
/// #     }
/// # }
/// #[annulus::main(entries = 64)]
/// async fn main() -> std::io::Result<()> {
///     println!("on the ring");
///     Ok(())
/// }
/// ```
///
/// What is not an `async fn`, or has parameters, is refused with the reason.
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Kind::Main, options, item)
}

/// Runs an `async fn` as a test, on a runtime of its own.
///
/// Takes the place of `#[test]` and goes together with `#[ignore]` and `#[should_panic]`. The
/// options are those of [`main`](macro@main). If no runtime can be built the test panics with the
/// cause.
///
/// # Examples
///
/// ```
/// # extern crate self as annulus;
/// # pub use annulus_macros::test;
/// # fn main() {}
/// #[annulus::test]
/// async fn one_and_one_is_two() {
///     assert_eq!(async { 1 + 1 }.await, 2);
/// }
/// ```
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Kind::Test, options, item)
}
