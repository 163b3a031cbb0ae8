//! Stream sockets as what a pipe's bytes are moved to.
//!
//! Owns: that such bytes follow those that were accepted for sending before.

use std::io;

use super::{TcpStream, UnixStream};
use crate::core::Owned;
use crate::pipe::Moves;

macro_rules! moves {
    ($($stream:ty),*) => {$(
        impl Moves for $stream {
            fn owned(&self) -> &Owned {
                &self.socket().owned
            }

            async fn settled(&self) -> io::Result<()> {
                self.socket().room(Some(0)).await
            }
        }
    )*};
}

moves!(TcpStream, UnixStream);
