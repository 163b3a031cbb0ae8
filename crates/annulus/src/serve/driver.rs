//! What a handler may ask of its core and of the server.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use annulus_task::Closed;

use super::handler::Notice;
use super::moving::Crossing;
use super::registry::ConnId;
use super::shared::{Shared, lock};
use super::{Conn, Handle};

/// The server, seen from one of its cores. A handle: clones are the same. Connections are made with
/// [`Conn::connect`], tasks started with [`spawn`](crate::spawn()).
#[derive(Clone)]
#[doc(alias = "DriverCtx")]
pub struct Driver {
    inside: Rc<Inside>,
}

struct Inside {
    shared: Arc<Shared>,
    core: usize,
    hooks: Hooks,
}

/// Hears a message.
type Hear = dyn Fn(&Driver, Notice);

/// What the core does when others ask, whatever the type of its handler.
pub(super) struct Hooks {
    pub(super) notify: Box<Hear>,
    pub(super) arrive: Box<dyn Fn(Crossing)>,
}

crate::core_local! {
    /// The one of this core.
    static DRIVER: RefCell<Option<Driver>> = RefCell::new(None);
}

/// The server that runs on this core; `None` where none does, or only others do.
pub fn driver() -> Option<Driver> {
    DRIVER.try_with(|driver| driver.borrow().clone()).ok().flatten()
}

impl Driver {
    /// Makes it, and makes it that of this core.
    pub(super) fn install(shared: Arc<Shared>, core: usize, hooks: Hooks) -> Self {
        let driver = Self { inside: Rc::new(Inside { shared, core, hooks }) };
        DRIVER.with(|place| place.replace(Some(driver.clone())));
        driver
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.inside.shared
    }

    pub(super) fn hear(&self, notice: Notice) {
        (self.inside.hooks.notify)(self, notice);
    }

    pub(super) fn arrive(&self, crossing: Crossing) {
        (self.inside.hooks.arrive)(crossing);
    }

    /// The index of this core among those of the server.
    pub fn core(&self) -> usize {
        self.inside.core
    }

    /// How many cores the server has.
    pub fn cores(&self) -> usize {
        self.shared().cores.len()
    }

    /// How many connections are open on this core.
    pub fn connections(&self) -> usize {
        self.shared().cores[self.core()].open.now() as usize
    }

    /// The connection of this name. `None` if it is gone, or one of another core.
    pub fn conn(&self, id: ConnId) -> Option<Conn> {
        if id.core() != self.core() {
            return None;
        }
        let inner = lock(&self.shared().cores[self.core()].registry).find(id)?;
        Some(Conn { inner })
    }

    /// All connections of this core.
    pub fn conns(&self) -> Vec<Conn> {
        let all = lock(&self.shared().cores[self.core()].registry).all();
        all.into_iter().map(|inner| Conn { inner }).collect()
    }

    /// Sends a message to a core of the server, which may be this one:
    /// [`on_notify`](super::Handler::on_notify) is called there.
    ///
    /// # Errors
    /// [`Closed`] if there is no such core, or it has ended.
    pub fn notify<T: Any + Send>(&self, core: usize, value: T) -> Result<(), Closed> {
        notify(self.shared(), core, Notice::new(value))
    }

    /// Asks the server to stop, as [`Handle::shutdown`] does.
    #[doc(alias = "request_shutdown")]
    pub fn shutdown(&self) {
        self.shared().stop(self.shared().config.drain);
    }

    /// The handle of the server, for other threads.
    pub fn handle(&self) -> Handle {
        Handle::new(self.shared().clone())
    }
}

/// Sends a message to a core.
pub(super) fn notify(shared: &Shared, core: usize, notice: Notice) -> Result<(), Closed> {
    let handle = shared.handles().get(core).ok_or(Closed)?;
    let hear = move || async move {
        if let Some(driver) = driver() {
            driver.hear(notice);
        }
    };
    annulus_task::spawn_on(handle.id(), hear).map(drop)
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("core", &self.core()).finish_non_exhaustive()
    }
}
