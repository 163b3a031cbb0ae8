//! Waiting for the first of several futures: `select!`.
//!
//! Owns the macro. Invariants: when a handler runs, all futures are gone, so it may use what they
//! had borrowed; a branch that is disabled is not polled.

/// Waits for the first of several futures, drops the others, and runs the handler of that one.
///
/// ```text
/// select! {
///     biased;                                  optional
///     PATTERN = FUTURE => HANDLER,
///     PATTERN = FUTURE, if CONDITION => HANDLER,
///     else => HANDLER                          optional
/// }
/// ```
///
/// * All futures are made, also those whose condition is false; these are not polled.
/// * A branch whose output does not fit its pattern is disabled, and the others go on.
/// * If all branches are disabled, the `else` handler runs; without one, this panics.
/// * Handlers run outside of the futures: they may `await`, `return`, `break` and use `?`, and
///   their values, which have one type, are the value of the whole. A handler that is a block needs
///   no comma.
/// * A fresh branch is the first to be polled each time, so none can keep out the others; with
///   `biased;` they are polled in the order in which they are written.
/// * In a pattern with parts, the parts are bound plainly: `Some(x)`, not `Some(mut x)`.
///
/// # Cancel safety
/// The futures that did not come first are dropped where they stand, so what counts is the cancel
/// safety of each. In a loop, use futures that lose nothing (`recv`, `accept`, `sleep`,
/// `JoinSet::join_next`), or make them before the loop and select on `&mut future`.
///
/// # Panics
/// If every branch is disabled and there is no `else`.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use std::time::Duration;
/// use annulus::{net::UnixStream, select, time::sleep};
///
/// let (left, right) = UnixStream::pair()?;
/// left.write_all("hello").await?;
/// let mut pause = std::pin::pin!(sleep(Duration::from_secs(60)));
/// let mut bytes = 0;
/// let said = loop {
///     select! {
///         data = right.recv() => match data? {
///             Some(data) => bytes += data.len(),
///             None => break "closed",
///         },
///         () = &mut pause => break "silent",
///     }
///     if bytes == 5 {
///         break "heard";
///     }
/// };
/// assert_eq!(said, "heard");
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! select {
    (@run $order:ident $otherwise:block [$(
        $future:ident $output:ident $open:ident
        ($pattern:pat) ($branch:expr) ($condition:expr) ($handler:expr)
    )+]) => {{
        $( let mut $output = None; )+
        {
            $( let mut $open = $condition; )+
            $(
                let mut $future = ::std::pin::pin!(::std::future::IntoFuture::into_future($branch));
            )+
            ::std::future::poll_fn(|cx| {
                let branches = [$( stringify!($open) ),+].len();
                let first = $crate::task::branch::$order(branches);
                let mut waiting = false;
                for step in 0..branches {
                    let turn = (first + step) % branches;
                    let mut index = 0;
                    $(
                        if index == turn && $open {
                            match ::std::future::Future::poll($future.as_mut(), cx) {
                                ::std::task::Poll::Pending => waiting = true,
                                ::std::task::Poll::Ready(value) => {
                                    $open = false;
                                    #[allow(unused_variables, unused_mut, unreachable_patterns)]
                                    let fits = match &value {
                                        $pattern => true,
                                        _ => false,
                                    };
                                    if fits {
                                        $output = Some(value);
                                        return ::std::task::Poll::Ready(());
                                    }
                                }
                            }
                        }
                        index += 1;
                    )+
                    let _ = index;
                }
                if waiting { ::std::task::Poll::Pending } else { ::std::task::Poll::Ready(()) }
            })
            .await;
        }
        $(
            if let Some(value) = $output {
                match value {
                    $pattern => $handler,
                    #[allow(unreachable_patterns)]
                    _ => unreachable!("a value fitted its pattern only once"),
                }
            } else
        )+
        $otherwise
    }};

    // The branches, one by one: with and without a condition, with and without a comma.
    (@next $order:ident [$($seen:tt)*]) => {
        $crate::select!(@run $order {
            panic!("all branches of select! are disabled, and there is no else branch")
        } [$($seen)*])
    };
    (@next $order:ident [$($seen:tt)*] else => $otherwise:expr $(,)?) => {
        $crate::select!(@run $order { $otherwise } [$($seen)*])
    };
    (@next $order:ident [$($seen:tt)*]
        $pattern:pat = $branch:expr, if $condition:expr => $handler:block, $($rest:tt)*) => {
        $crate::select!(@seen $order [$($seen)*]
            ($pattern) ($branch) ($condition) ($handler) $($rest)*)
    };
    (@next $order:ident [$($seen:tt)*]
        $pattern:pat = $branch:expr => $handler:block, $($rest:tt)*) => {
        $crate::select!(@seen $order [$($seen)*]
            ($pattern) ($branch) (true) ($handler) $($rest)*)
    };
    (@next $order:ident [$($seen:tt)*]
        $pattern:pat = $branch:expr, if $condition:expr => $handler:block $($rest:tt)*) => {
        $crate::select!(@seen $order [$($seen)*]
            ($pattern) ($branch) ($condition) ($handler) $($rest)*)
    };
    (@next $order:ident [$($seen:tt)*]
        $pattern:pat = $branch:expr => $handler:block $($rest:tt)*) => {
        $crate::select!(@seen $order [$($seen)*]
            ($pattern) ($branch) (true) ($handler) $($rest)*)
    };
    (@next $order:ident [$($seen:tt)*]
        $pattern:pat = $branch:expr, if $condition:expr => $handler:expr $(, $($rest:tt)*)?) => {
        $crate::select!(@seen $order [$($seen)*]
            ($pattern) ($branch) ($condition) ($handler) $($($rest)*)?)
    };
    (@next $order:ident [$($seen:tt)*]
        $pattern:pat = $branch:expr => $handler:expr $(, $($rest:tt)*)?) => {
        $crate::select!(@seen $order [$($seen)*]
            ($pattern) ($branch) (true) ($handler) $($($rest)*)?)
    };
    // Each step brings names of its own: names of macros do not mix.
    (@seen $order:ident [$($seen:tt)*]
        ($pattern:pat) ($branch:expr) ($condition:expr) ($handler:expr) $($rest:tt)*) => {
        $crate::select!(@next $order [$($seen)*
            future output open ($pattern) ($branch) ($condition) ($handler)] $($rest)*)
    };

    (biased; $($branches:tt)+) => {
        $crate::select!(@next biased [] $($branches)+)
    };
    ($($branches:tt)+) => {
        $crate::select!(@next fair [] $($branches)+)
    };
}
