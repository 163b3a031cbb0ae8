//! Waiting for all of several futures: `join!` and `try_join!`.
//!
//! Owns the two macros. Invariants: each future is polled in the task that awaits the macro, in
//! order, and never again once it was ready; it is dropped as soon as it is.

/// Waits for all of the futures, in one task, and gives a tuple of their outputs.
///
/// All of them are polled whenever one is woken, which suits a few futures; for many, see
/// [`JoinSet`](crate::task::JoinSet).
///
/// # Cancel safety
/// Dropped before it is ready, it drops the futures that are still running, and the outputs of
/// those that are not.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::net::UnixStream;
///
/// let (left, right) = UnixStream::pair()?;
/// let (sent, received) = annulus::join!(left.write_all("hello"), right.recv());
/// sent?;
/// assert_eq!(&*received?.expect("it was sent"), b"hello");
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! join {
    (@all [$($future:ident $output:ident $branch:expr,)+]) => {{
        $(
            let mut $future =
                ::std::pin::pin!(Some(::std::future::IntoFuture::into_future($branch)));
            let mut $output = None;
        )+
        ::std::future::poll_fn(|cx| {
            let mut ready = true;
            $( ready &= $crate::task::branch::poll_kept($future.as_mut(), &mut $output, cx); )+
            if ready { ::std::task::Poll::Ready(()) } else { ::std::task::Poll::Pending }
        })
        .await;
        ($( $crate::task::branch::output($output), )+)
    }};
    // Each step brings a `future` and an `output` of its own: names of macros do not mix.
    (@all [$($named:tt)*] $branch:expr, $($rest:tt)*) => {
        $crate::join!(@all [$($named)* future output $branch,] $($rest)*)
    };
    ($($branch:expr),+ $(,)?) => {
        $crate::join!(@all [] $($branch,)+)
    };
}

/// Waits for all of the futures, or for the first error: gives `Ok` of a tuple of what they give,
/// or `Err`, when the other futures are dropped.
///
/// The errors must be of one type.
///
/// # Cancel safety
/// As [`join!`](crate::join). An error, too, drops what was still running, and outputs that were
/// there.
///
/// ```
/// # #[annulus::main]
/// # async fn main() {
/// use std::future::{pending, ready};
///
/// let both = annulus::try_join!(ready(Ok::<_, ()>(1)), async { Ok("two") });
/// assert_eq!(both, Ok((1, "two")));
/// let one = annulus::try_join!(pending::<Result<(), &str>>(), ready(Err::<(), _>("no")));
/// assert_eq!(one, Err("no"));
/// # }
/// ```
#[macro_export]
macro_rules! try_join {
    (@all [$($future:ident $output:ident $branch:expr,)+]) => {{
        $(
            let mut $future =
                ::std::pin::pin!(Some(::std::future::IntoFuture::into_future($branch)));
            let mut $output = None;
        )+
        let ended = ::std::future::poll_fn(|cx| {
            let mut ready = true;
            $(
                match $crate::task::branch::poll_tried($future.as_mut(), &mut $output, cx) {
                    Ok(branch) => ready &= branch,
                    Err(error) => return ::std::task::Poll::Ready(Err(error)),
                }
            )+
            if ready { ::std::task::Poll::Ready(Ok(())) } else { ::std::task::Poll::Pending }
        })
        .await;
        ended.map(|()| ($( $crate::task::branch::output($output), )+))
    }};
    (@all [$($named:tt)*] $branch:expr, $($rest:tt)*) => {
        $crate::try_join!(@all [$($named)* future output $branch,] $($rest)*)
    };
    ($($branch:expr),+ $(,)?) => {
        $crate::try_join!(@all [] $($branch,)+)
    };
}
