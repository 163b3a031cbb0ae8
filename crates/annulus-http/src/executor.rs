//! Tasks of hyper, on the current core.

use std::future::Future;

use hyper::rt::Executor;

/// Runs what hyper spawns on the core where hyper runs. Nothing has to be `Send`.
///
/// ```
/// use annulus_http::CoreExecutor;
/// use hyper::server::conn::http2;
///
/// let builder = http2::Builder::new(CoreExecutor);
/// # let _ = builder;
/// ```
#[derive(Clone, Copy, Default, Debug)]
pub struct CoreExecutor;

impl<F> Executor<F> for CoreExecutor
where
    F: Future<Output: 'static> + 'static,
{
    /// # Panics
    /// If no runtime runs on this thread.
    fn execute(&self, future: F) {
        drop(annulus::spawn(future));
    }
}
