//! Sockets.
//!
//! A socket is a record of its core. Receives are armed once and deliver again and again into
//! buffers that the kernel chooses ([`TcpStream::recv`]), so an idle connection holds no buffer;
//! sends queue up one behind the other. Futures wait on the record in the order in which they came,
//! and dropping one loses no byte. Datagrams ([`UdpSocket`], [`UnixDatagram`]) go the same way,
//! whole, with their [control messages](control).
//!
#![doc = include_str!("net/options.md")]

mod accept;
mod address;
mod connect;
pub mod control;
mod copied;
mod credentials;
mod datagram;
mod datagrams;
mod foreign;
mod halves;
mod held;
mod leases;
mod messenger;
mod names;
mod options;
mod polled;
mod portable;
mod race;
mod read;
mod reader;
mod receive;
mod recv;
mod room;
mod send_batch;
mod send_file;
mod socket_file;
mod splice;
mod splice_target;
mod stream;
mod tcp_listener;
mod tcp_options;
mod tcp_socket;
mod tcp_stream;
mod traits;
mod udp_connect;
mod udp_options;
mod udp_socket;
mod unix_connect;
mod unix_datagram;
mod unix_listener;
mod unix_seqpacket;
mod unix_seqpacket_listener;
mod unix_stream;

pub use accept::{Accept, Accepted, Incoming};
pub use address::{Destination, ToAddress};
pub use credentials::UCred;
pub use datagram::{Datagram, Received, Segments};
pub use datagrams::Datagrams;
pub use halves::{Halved, OwnedReadHalf, OwnedWriteHalf, ReuniteError};
pub use leases::Leases;
pub use names::{keep_names, lookup_host};
pub use options::{PathMtu, TcpInfo, TcpState};
pub use polled::Polled;
pub use portable::Portable;
pub use reader::Reader;
pub use recv::{Parsed, Recv};
pub use std::net::Shutdown;
pub use tcp_listener::{ListenOptions, TcpListener};
pub use tcp_socket::TcpSocket;
pub use tcp_stream::TcpStream;
pub use udp_socket::{UdpOptions, UdpSocket};
pub use unix_datagram::UnixDatagram;
pub use unix_listener::{UnixListenOptions, UnixListener};
pub use unix_seqpacket::UnixSeqpacket;
pub use unix_seqpacket_listener::UnixSeqpacketListener;
pub use unix_stream::UnixStream;

pub(crate) use held::Held;
pub(crate) use recv::{Place, Queue};
pub(crate) use socket_file::{FileId, SocketFile, remove_leftover};
pub(crate) use splice::{Forwarded, forward};
pub(crate) use stream::Socket;
