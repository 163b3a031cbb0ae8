//! What each core does with a connection.
//!
//! Owns: the choice between plain HTTP and TLS, and what the connections of a core share. Does not
//! own: accepting, limits, stopping (`annulus::serve`), nor the protocols.

use std::cell::{OnceCell, RefCell};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use annulus::serve::{Conn, Driver, Handler};

use super::args::{Args, Body};
use super::clock::Clock;
use super::connection::{self, Server};
use super::counts::{Board, Counts};
use super::live::Link;
use super::log;
use super::open_files::OpenFiles;
use super::secure;
use super::site::Beneath;
use super::stay::Stay;
use super::tls::Tls;

/// What all cores are told before they start.
pub struct Setup {
    root: PathBuf,
    list: bool,
    header_timeout: Duration,
    idle_timeout: Duration,
    write_timeout: Duration,
    body: Body,
    open_files: usize,
    open_files_valid: Duration,
    tls: Option<Tls>,
    log: Option<log::Ends>,
    board: Arc<Board>,
}

impl Setup {
    /// As the arguments have it; `root` is their directory.
    pub fn new(args: &Args, root: PathBuf, tls: Option<Tls>, log: Option<log::Ends>) -> Self {
        Self {
            root,
            list: args.list,
            header_timeout: args.header_timeout(),
            idle_timeout: args.idle_timeout(),
            write_timeout: args.write_timeout(),
            body: args.body,
            open_files: args.open_files(),
            open_files_valid: args.open_files_valid(),
            tls,
            log,
            board: Arc::default(),
        }
    }

    /// What is counted.
    pub fn board(&self) -> Arc<Board> {
        self.board.clone()
    }
}

/// The handler of one core.
pub struct Files {
    setup: Arc<Setup>,
    counts: Arc<Counts>,
    server: OnceCell<Rc<Server<Beneath>>>,
}

impl Files {
    /// That of a core.
    pub fn new(setup: Arc<Setup>, core: usize) -> Self {
        let counts = setup.board.of(core);
        Self { setup, counts, server: OnceCell::new() }
    }
}

impl Files {
    /// What the connections of the core share. A connection that another core has accepted may come
    /// before this one has started.
    async fn server(&self) -> io::Result<Rc<Server<Beneath>>> {
        if let Some(server) = self.server.get() {
            return Ok(server.clone());
        }
        let setup = &*self.setup;
        let kept = OpenFiles::new(setup.open_files, setup.open_files_valid);
        let site = Beneath::open(&setup.root, kept).await.map_err(|error| {
            let text = format!("cannot open {}: {error}", setup.root.display());
            io::Error::new(error.kind(), text)
        })?;
        let made = || {
            Rc::new(Server {
                site,
                list: setup.list,
                header_timeout: setup.header_timeout,
                idle_timeout: setup.idle_timeout,
                clock: Clock::new(),
                log: setup.log.as_ref().map(log::Ends::log),
                counts: self.counts.clone(),
                spare: RefCell::default(),
            })
        };
        Ok(self.server.get_or_init(made).clone())
    }
}

impl Handler for Files {
    fn for_core(_core: usize) -> Self {
        unreachable!("the server is launched with a function that makes its handlers")
    }

    async fn on_start(&self, _driver: &Driver) -> io::Result<()> {
        self.server().await.map(drop)
    }

    fn on_stop(&self, _driver: &Driver) {
        if let Some(server) = self.server.get() {
            server.site.stop();
        }
    }

    async fn on_accept(&self, conn: Conn) {
        // Without it the core does not start, and the server ends.
        let Ok(server) = self.server().await else { return };
        let client = conn.peer_addr().map(|address| address.ip().to_canonical());
        let client = client.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        // Launching refuses listeners of other kinds.
        let Ok((stream, permit)) = conn.into_tcp() else { return };
        let stay = Stay::new(permit, self.counts.clone(), self.setup.write_timeout);
        match &self.setup.tls {
            Some(tls) => secure::converse(server, (stream, stay), (tls, client)).await,
            None => {
                let link = Link { stream, stay, body: self.setup.body };
                // A connection that breaks has nobody left to tell.
                let _ = connection::serve(&*server, &link, client).await;
            }
        }
    }
}
