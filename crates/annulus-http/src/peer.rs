//! Who asks.

use std::net::SocketAddr;

/// The address of the client of a request.
///
/// [`serve`](crate::serve) puts one into the extensions of each request of a router. Handlers of
/// axum take it as an argument (feature `axum`).
///
/// ```
/// # #[cfg(feature = "axum")] {
/// use annulus_http::ConnectInfo;
/// use axum::{Router, routing::get};
///
/// async fn who(ConnectInfo(peer): ConnectInfo) -> String {
///     format!("you are {peer}\n")
/// }
///
/// let app: Router = Router::new().route("/", get(who));
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConnectInfo(pub SocketAddr);
