//! Servers and clients against each other, against sockets by hand, and against real programs.

mod apps;
mod client;
mod curl;
mod drops;
mod protocols;
mod sendable;
mod server;
mod support;
mod tls;
mod upgrade;
