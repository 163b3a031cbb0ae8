//! What a server does with connections.
//!
//! Owns: the trait that users implement, and the one that the server calls: of a handler, or of a
//! function. Does not own: when they are called (`worker`).

use std::any::Any;
use std::fmt;
use std::future::ready;
use std::io;
use std::rc::Rc;

use super::{Conn, Driver};
use crate::net::{Datagram, UdpSocket};

/// What each core of a server does. One value is made on each core and stays there, so it may keep
/// its state in `Cell`s, and the futures that it gives may borrow it.
///
/// Only [`for_core`](Self::for_core) and [`on_accept`](Self::on_accept) have no default.
///
/// A panic in any of these ends that call only: it is counted
/// ([`Metrics::panicked`](super::Metrics::panicked)) and told to
/// [`Config::on_panic`](super::Config::on_panic), and a connection whose handler panicked is
/// closed.
///
/// ```
/// use annulus::net::Parsed;
/// use annulus::serve::{Conn, Handler};
///
/// struct Echo;
///
/// impl Handler for Echo {
///     fn for_core(_core: usize) -> Self {
///         Echo
///     }
///
///     async fn on_accept(&self, conn: Conn) {
///         loop {
///             let n = conn
///                 .with_data(|bytes| {
///                     conn.send_nowait(bytes).ok();
///                     Parsed::Consumed(bytes.len())
///                 })
///                 .await;
///             if n == 0 {
///                 break;
///             }
///         }
///     }
/// }
/// ```
#[doc(alias = "AsyncEventHandler")]
pub trait Handler: Sized + 'static {
    /// The handler of one core, made there: by its index among the cores of the server.
    #[doc(alias = "create_for_worker")]
    fn for_core(core: usize) -> Self;

    /// Serves a connection: the future is a task of its own, and the connection ends with it unless
    /// a handle of it is somewhere else.
    ///
    /// # Cancel safety
    /// A server that is to stop waits for the future, for
    /// [`Config::drain_timeout`](super::Config::drain_timeout) at most, and drops it then.
    ///
    /// # Kernel
    /// None of its own: what the future asks for.
    ///
    /// ```
    /// use annulus::serve::{Conn, Driver, Handler};
    /// # use annulus::net::{Datagram, UdpSocket};
    /// # use std::rc::Rc;
    ///
    /// struct Own;
    ///
    /// impl Handler for Own {
    ///     fn for_core(_core: usize) -> Self {
    ///         Own
    ///     }
    ///
    ///     async fn on_accept(&self, conn: Conn) {
    ///         conn.send("welcome").await.ok();
    ///     }
    /// }
    /// ```
    fn on_accept(&self, conn: Conn) -> impl Future<Output = ()>;

    /// Called before the core accepts anything. What takes longer than the call, a connection to
    /// another server for instance, goes into the future: the core accepts once that is ready. Its
    /// error ends the server.
    ///
    /// # Errors
    /// Its error ends the server, which gives it.
    ///
    /// # Cancel safety
    /// A server that is to stop waits for the future, for
    /// [`Config::drain_timeout`](super::Config::drain_timeout) at most, and drops it then.
    ///
    /// # Kernel
    /// None of its own: what the future asks for.
    ///
    /// ```
    /// use annulus::serve::{Conn, Driver, Handler};
    /// # use annulus::net::{Datagram, UdpSocket};
    /// # use std::rc::Rc;
    ///
    /// struct Own;
    ///
    /// impl Handler for Own {
    ///     fn for_core(_core: usize) -> Self {
    ///         Own
    ///     }
    ///
    ///     async fn on_start(&self, driver: &Driver) -> std::io::Result<()> {
    ///         println!("core {} begins", driver.core());
    ///         Ok(())
    ///     }
    /// #
    /// #     async fn on_accept(&self, _conn: Conn) {}
    /// }
    /// ```
    fn on_start(&self, driver: &Driver) -> impl Future<Output = io::Result<()>> {
        let _ = driver;
        ready(Ok(()))
    }

    /// Called each [`Config::tick`](super::Config::tick).
    fn on_tick(&self, driver: &Driver) {
        let _ = driver;
    }

    /// Called with each message that somebody sends to this core
    /// ([`Handle::notify`](super::Handle::notify), [`Driver::notify`]).
    fn on_notify(&self, driver: &Driver, notice: Notice) {
        let _ = (driver, notice);
    }

    /// Called with each datagram of a UDP listener. At most
    /// [`Config::datagrams_at_once`](super::Config::datagrams_at_once) of these futures run for one
    /// socket.
    ///
    /// # Cancel safety
    /// A server that is to stop waits for the future, for
    /// [`Config::drain_timeout`](super::Config::drain_timeout) at most, and drops it then.
    ///
    /// # Kernel
    /// None of its own: what the future asks for.
    ///
    /// ```
    /// use annulus::serve::{Conn, Driver, Handler};
    /// # use annulus::net::{Datagram, UdpSocket};
    /// # use std::rc::Rc;
    ///
    /// struct Own;
    ///
    /// impl Handler for Own {
    ///     fn for_core(_core: usize) -> Self {
    ///         Own
    ///     }
    ///
    ///     async fn on_datagram(&self, socket: Rc<UdpSocket>, datagram: Datagram) {
    ///         let sender = *datagram.sender();
    ///         socket.send_to(datagram.into_lease(), sender).await.ok();
    ///     }
    /// #
    /// #     async fn on_accept(&self, _conn: Conn) {}
    /// }
    /// ```
    #[doc(alias = "on_udp_bind")]
    fn on_datagram(&self, socket: Rc<UdpSocket>, datagram: Datagram) -> impl Future<Output = ()> {
        drop((socket, datagram));
        ready(())
    }

    /// Called once when the server is to stop: it accepts no more, and connections have
    /// [`Config::drain_timeout`](super::Config::drain_timeout) to finish. Their tasks see
    /// [`stopping`](crate::runtime::stopping) as well.
    fn on_stop(&self, driver: &Driver) {
        let _ = driver;
    }
}

/// A message to a core: any value that may cross threads.
///
/// ```
/// # use annulus::serve::Notice;
/// let notice = Notice::new(7_u32);
/// let Err(notice) = notice.into::<String>() else { unreachable!() };
/// assert_eq!(notice.into::<u32>().ok(), Some(7));
/// ```
pub struct Notice(Box<dyn Any + Send>);

impl Notice {
    /// A message of this value.
    pub fn new<T: Any + Send>(value: T) -> Self {
        Self(Box::new(value))
    }

    /// The value, if it is a `T`.
    ///
    /// # Errors
    /// The message, if not.
    pub fn into<T: Any>(self) -> Result<T, Self> {
        self.0.downcast().map(|value| *value).map_err(Self)
    }
}

impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notice").finish_non_exhaustive()
    }
}

/// What the server calls.
pub(super) trait Serves: 'static {
    fn start(&self, driver: &Driver) -> impl Future<Output = io::Result<()>> + 'static;
    fn serve(&self, conn: Conn) -> impl Future<Output = io::Result<()>> + 'static;
    fn tick(&self, driver: &Driver);
    fn notify(&self, driver: &Driver, notice: Notice);
    fn datagram(
        &self,
        socket: Rc<UdpSocket>,
        datagram: Datagram,
    ) -> impl Future<Output = ()> + 'static;
    fn stop(&self, driver: &Driver);
}

/// A handler.
pub(super) struct Of<H>(pub(super) Rc<H>);

impl<H: Handler> Serves for Of<H> {
    fn start(&self, driver: &Driver) -> impl Future<Output = io::Result<()>> + 'static {
        let (handler, driver) = (self.0.clone(), driver.clone());
        async move { handler.on_start(&driver).await }
    }

    fn serve(&self, conn: Conn) -> impl Future<Output = io::Result<()>> + 'static {
        let handler = self.0.clone();
        async move {
            handler.on_accept(conn).await;
            Ok(())
        }
    }

    fn tick(&self, driver: &Driver) {
        self.0.on_tick(driver);
    }

    fn notify(&self, driver: &Driver, notice: Notice) {
        self.0.on_notify(driver, notice);
    }

    fn datagram(
        &self,
        socket: Rc<UdpSocket>,
        datagram: Datagram,
    ) -> impl Future<Output = ()> + 'static {
        let handler = self.0.clone();
        async move { handler.on_datagram(socket, datagram).await }
    }

    fn stop(&self, driver: &Driver) {
        self.0.on_stop(driver);
    }
}

/// A function for each connection.
pub(super) struct OfFn<F>(pub(super) F);

impl<F, S> Serves for OfFn<F>
where
    F: Fn(Conn) -> S + Clone + 'static,
    S: Future<Output = io::Result<()>> + 'static,
{
    fn start(&self, _driver: &Driver) -> impl Future<Output = io::Result<()>> + 'static {
        ready(Ok(()))
    }

    fn serve(&self, conn: Conn) -> impl Future<Output = io::Result<()>> + 'static {
        let function = self.0.clone();
        async move { function(conn).await }
    }

    fn tick(&self, _driver: &Driver) {}

    fn notify(&self, _driver: &Driver, _notice: Notice) {}

    fn datagram(
        &self,
        socket: Rc<UdpSocket>,
        datagram: Datagram,
    ) -> impl Future<Output = ()> + 'static {
        drop((socket, datagram));
        ready(())
    }

    fn stop(&self, _driver: &Driver) {}
}
