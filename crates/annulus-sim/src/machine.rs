//! The machine that all rings of a world share.
//!
//! Owns: the clock, the choices, the objects, and who waits for which. Does not own: the life of a
//! request (`life`), what an operation does (`op`), entering (`enter`).
//!
//! Invariants: time moves a little with every call, and jumps to the next event only when a ring
//! waits and nothing else can happen; whatever changes an object wakes those who wait for it.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::RawFd;

use annulus_abi::Errno;

use crate::choice::Choices;
use crate::datagrams::Mailbox;
use crate::events::{Event, Events};
use crate::fault::{Fault, Faults, Report};
use crate::files::{Files, Id, Kind};
use crate::names::Names;
use crate::request::{Phase, Wait};
use crate::ring::Ring;
use crate::socket::{Socket, State};
use crate::stream::Stream;

/// Everything but the program.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) seed: Option<u64>,
    pub(crate) choices: Choices,
    pub(crate) faults: Faults,
    pub(crate) report: Report,
    pub(crate) now_ns: u64,
    pub(crate) events: Events,
    pub(crate) files: Files,
    pub(crate) names: Names,
    pub(crate) streams: BTreeMap<Id, Stream>,
    pub(crate) sockets: BTreeMap<Id, Socket>,
    pub(crate) counters: BTreeMap<Id, u64>,
    /// Listening sockets by the bytes of their address.
    pub(crate) listeners: BTreeMap<Vec<u8>, Id>,
    pub(crate) rings: Vec<Option<Ring>>,
    pub(crate) waiters: BTreeMap<Wait, Vec<(usize, Id)>>,
    pub(crate) next_port: u16,
    next: Id,
}

/// The time at which a world begins: not zero, so that forgotten origins show.
const START_NS: u64 = 1_000_000_000_000;
/// Bytes in a stream before a writer waits.
const STREAM_BYTES: usize = 64 * 1024;
/// The longest delay of one step.
const DELAY_NS: u32 = 200_000;

impl Machine {
    pub(crate) fn new(choices: Choices, seed: Option<u64>) -> Self {
        Self {
            seed,
            choices,
            faults: Faults::all(),
            report: Report::default(),
            now_ns: START_NS,
            events: Events::default(),
            files: Files::default(),
            names: Names::new(),
            streams: BTreeMap::new(),
            sockets: BTreeMap::new(),
            counters: BTreeMap::new(),
            listeners: BTreeMap::new(),
            rings: Vec::new(),
            waiters: BTreeMap::new(),
            next_port: 49152,
            next: 0,
        }
    }

    /// A name for a new object.
    pub(crate) fn new_id(&mut self) -> Id {
        self.next += 1;
        self.next
    }

    pub(crate) fn ring(&mut self, ring: usize) -> &mut Ring {
        self.rings[ring].as_mut().expect("a ring is used while it is open")
    }

    // --- Faults ----------------------------------------------------------------------------------

    /// Whether a fault of this class shall happen now; counted if so.
    pub(crate) fn strikes(&mut self, fault: Fault) -> bool {
        let strikes = self.choices.chance(fault.site(), self.faults.rate(fault));
        if strikes {
            self.report.counted(fault);
        }
        strikes
    }

    /// Some time that a step takes longer.
    pub(crate) fn some_delay_ns(&mut self) -> u64 {
        u64::from(self.choices.below("delay", DELAY_NS)) + 1
    }

    /// The program broke a promise.
    ///
    /// # Panics
    /// Always, with the seed.
    pub(crate) fn violation(&self, what: &str) -> ! {
        panic!("the simulated kernel found that {what} ({})", self.replay());
    }

    /// How to run this world again.
    pub(crate) fn replay(&self) -> String {
        match self.seed {
            Some(seed) => format!("replay with World::new({seed})"),
            None => "replayed from a log of choices".to_owned(),
        }
    }

    // --- Time ------------------------------------------------------------------------------------

    /// A call takes its time, and what is due by then happens.
    pub(crate) fn tick(&mut self, cost_ns: u64) {
        self.now_ns += cost_ns;
        self.run_due();
    }

    pub(crate) fn run_due(&mut self) {
        while let Some(event) = self.events.due(self.now_ns) {
            match event {
                Event::Run { ring, request } => self.resume(ring, request),
                Event::Touch { ring, request } => self.touch(ring, request),
            }
        }
    }

    fn touch(&mut self, ring: usize, id: Id) {
        let ring = self.rings[ring].as_ref();
        let hold = ring.and_then(|ring| ring.requests.get(&id)?.hold.as_ref());
        let touched = hold.map(crate::hold::Hold::touch);
        match touched {
            None => {}
            Some(Ok(())) => self.report.counted(Fault::LateTouch),
            Some(Err(what)) => self.violation(what),
        }
    }

    // --- Waiting and waking ----------------------------------------------------------------------

    pub(crate) fn wait_for(&mut self, wait: Wait, ring: usize, request: Id) {
        let waiters = self.waiters.entry(wait).or_default();
        if !waiters.contains(&(ring, request)) {
            waiters.push((ring, request));
        }
    }

    /// Wakes all who wait for something: each is tried again, now or a little later.
    pub(crate) fn wake(&mut self, wait: Wait) {
        for (ring, id) in self.waiters.remove(&wait).unwrap_or_default() {
            let request = self.rings[ring].as_mut().and_then(|ring| ring.requests.get_mut(&id));
            let Some(request) = request else { continue };
            if request.phase != Phase::Waiting {
                continue;
            }
            request.phase = Phase::Scheduled;
            if self.strikes(Fault::Delay) {
                let at_ns = self.now_ns + self.some_delay_ns();
                self.events.plan(at_ns, Event::Run { ring, request: id });
            } else {
                self.resume(ring, id);
            }
        }
    }

    /// Puts a request into the list of task work, if it is still waiting for that.
    pub(crate) fn resume(&mut self, ring: usize, id: Id) {
        let Some(ring) = self.rings[ring].as_mut() else { return };
        let Some(request) = ring.requests.get_mut(&id) else { return };
        match request.phase {
            Phase::Working => return,
            Phase::Waiting | Phase::Scheduled => request.phase = Phase::Working,
            Phase::Finished(..) => {}
        }
        ring.add_work(id);
    }

    // --- Objects ---------------------------------------------------------------------------------

    pub(crate) fn new_stream(&mut self) -> Id {
        let id = self.new_id();
        self.streams.insert(id, Stream::new(STREAM_BYTES));
        id
    }

    pub(crate) fn stream(&mut self, id: Id) -> &mut Stream {
        self.streams.get_mut(&id).expect("a stream lives as long as one of its ends")
    }

    pub(crate) fn socket(&mut self, id: Id) -> &mut Socket {
        self.sockets.get_mut(&id).expect("a socket lives as long as its description")
    }

    /// The socket behind a descriptor.
    pub(crate) fn socket_of(&self, fd: RawFd) -> Result<Id, Errno> {
        match self.files.kind(self.files.find(fd)?) {
            Kind::Socket(socket) => Ok(*socket),
            _ => Err(Errno(libc::ENOTSOCK)),
        }
    }

    /// Two sockets that are connected to each other.
    pub(crate) fn connect_pair(&mut self, one: Id, other: Id) {
        if self.socket(one).has_messages() {
            self.socket(one).state = State::Messages(Mailbox::connected(other));
            self.socket(other).state = State::Messages(Mailbox::connected(one));
            return;
        }
        let (forth, back) = (self.new_stream(), self.new_stream());
        let (one_local, other_local) =
            (self.socket(one).local.clone(), self.socket(other).local.clone());
        self.socket(one).state = State::Connected { rx: back, tx: forth, peer: other_local };
        self.socket(other).state = State::Connected { rx: forth, tx: back, peer: one_local };
    }

    /// Closes a descriptor.
    pub(crate) fn close_fd(&mut self, fd: RawFd) -> Result<(), Errno> {
        let id = self.files.remove(fd)?;
        self.release(id);
        Ok(())
    }

    /// Lets a reference go, and the object with the last one.
    pub(crate) fn release(&mut self, id: Id) {
        match self.files.release(id) {
            None | Some(Kind::File { .. } | Kind::Dir { .. } | Kind::Ring) => {}
            Some(Kind::PipeRead(stream)) => self.end_reading(stream),
            Some(Kind::PipeWrite(stream)) => self.end_writing(stream, false),
            Some(Kind::Event(event)) => drop(self.counters.remove(&event)),
            Some(Kind::Socket(socket)) => self.end_socket(socket),
        }
    }

    /// A socket is gone: its peer reads the end, or a reset if bytes were left unread.
    pub(crate) fn end_socket(&mut self, id: Id) {
        let Some(socket) = self.sockets.remove(&id) else { return };
        match socket.state {
            State::Fresh => {}
            // Those that wait for room in it hear that it is gone.
            State::Messages(_) => self.wake(Wait::Writable(id)),
            State::Listening { backlog, .. } => {
                self.listeners.retain(|_, listener| *listener != id);
                self.end_all(backlog);
            }
            State::Connected { rx, tx, .. } => {
                let unread = self.stream(rx).len() > 0;
                self.end_reading(rx);
                self.end_writing(tx, unread);
            }
        }
    }

    fn end_all(&mut self, sockets: VecDeque<Id>) {
        for socket in sockets {
            self.end_socket(socket);
        }
    }

    fn end_reading(&mut self, id: Id) {
        let stream = self.stream(id);
        stream.unread = true;
        let over = stream.abandoned;
        self.wake(Wait::Writable(id));
        if over {
            self.streams.remove(&id);
        }
    }

    fn end_writing(&mut self, id: Id, reset: bool) {
        let stream = self.stream(id);
        stream.ended = true;
        stream.abandoned = true;
        stream.reset |= reset && !stream.unread;
        let over = stream.unread;
        self.wake(Wait::Readable(id));
        if over {
            self.streams.remove(&id);
        }
    }
}

impl Drop for Machine {
    /// A test that fails says how to run it again.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("annulus-sim: {} after {} choices", self.replay(), self.choices.log().len());
        }
    }
}
