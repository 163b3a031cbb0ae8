//! What the tests share: entries, pushing, and a kernel with a script.

use std::{
    cell::RefCell, collections::VecDeque, ffi::c_void, io::Write, os::unix::net::UnixStream, rc::Rc,
};

use annulus_ring::{
    CqeShape, Enter, Kernel, Layer, Real, Ring, RingMemory, SqFull, SqeShape,
    abi::{Cqe, Errno, Opcode, Params, RegisterOp, Sqe},
};

pub fn nop(user_data: u64) -> Sqe {
    Sqe { opcode: Opcode::NOP, user_data, ..Sqe::default() }
}

/// Pushes an entry whose memory the test keeps until it is reaped.
pub fn push(ring: &mut Ring, sqe: &Sqe) -> Result<(), SqFull> {
    // SAFETY: NOPs borrow nothing; the other entries of these tests point to buffers that outlive
    // the wait for their completion.
    unsafe { ring.push_sqe(sqe) }
}

/// Submits one entry and waits for one completion.
pub fn complete(ring: &mut Ring, sqe: &Sqe) -> Cqe {
    push(ring, sqe).unwrap();
    next(ring)
}

/// Submits and waits. A signal ends a wait early, and may be meant for anybody in the process: the
/// end of a child of another test is told to some thread.
pub fn wait<S: SqeShape, C: CqeShape>(ring: &mut Ring<S, C>, want: u32, timeout_ns: Option<u64>) {
    while let Err(errno) = ring.submit_and_wait(want, timeout_ns) {
        assert_eq!(errno, Errno(libc::EINTR));
    }
}

/// Waits for one completion.
pub fn next(ring: &mut Ring) -> Cqe {
    while ring.cq_ready() == 0 {
        wait(ring, 1, None);
    }
    ring.completions().next().unwrap()
}

/// Runs NOPs through both queues until every index has been used several times.
pub fn exercise(ring: &mut Ring) {
    let entries = ring.params().sq_entries;
    let mut reaped = Vec::new();
    for round in 0..5 {
        for index in 0..entries {
            push(ring, &nop(round * 1000 + u64::from(index))).unwrap();
        }
        assert_eq!(push(ring, &nop(0)), Err(SqFull));
        assert_eq!(ring.submit_and_wait(entries, None), Ok(entries));
        reaped.clear();
        while reaped.len() < entries as usize {
            ring.reap_into(&mut reaped);
        }
        let expected = (0..entries).map(|index| round * 1000 + u64::from(index));
        assert!(reaped.iter().map(|cqe| cqe.user_data).eq(expected));
    }
    assert_eq!((ring.sq_dropped(), ring.cq_lost()), (0, 0));
}

/// A read of a pipe or socket into `buffer`.
pub fn read(fd: i32, buffer: &mut [u8]) -> Sqe {
    Sqe {
        opcode: Opcode::READ,
        fd,
        off: u64::MAX,
        addr: buffer.as_mut_ptr() as u64,
        len: buffer.len() as u32,
        ..Sqe::default()
    }
}

/// A connected pair of stream sockets.
pub fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().unwrap()
}

/// Says on standard error, past the harness's capture, that a test cannot run here.
pub fn skip(why: &str) {
    let line = format!("skipped: {why}\n");
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// What a [`Scripted`] kernel does instead of what it is asked.
#[derive(Default)]
pub struct Script {
    /// The next calls of enter end so, without entering.
    pub enter_errors: VecDeque<Errno>,
    /// The next calls of enter end so, after entering.
    pub late_enter_errors: VecDeque<Errno>,
    /// No call of enter consumes more than this.
    pub submit_at_most: Option<u32>,
    /// Whether a setup is refused.
    pub refuse_setup: Option<fn(u32, &Params) -> Option<Errno>>,
    /// This registration is refused.
    pub refuse_register: Option<(RegisterOp, Errno)>,
    /// The next mappings after a resize end so.
    pub remap_errors: VecDeque<Errno>,
    /// What setup was asked, in order.
    pub setups: Vec<(u32, Params)>,
    /// How often enter was called.
    pub enters: u32,
}

/// The real kernel, with a script that can be changed from outside.
pub struct Scripted {
    real: Real,
    script: Rc<RefCell<Script>>,
}

impl Scripted {
    pub fn boxed(script: Script) -> (Box<dyn Kernel>, Rc<RefCell<Script>>) {
        let script = Rc::new(RefCell::new(script));
        let kernel = Self { real: Real::new(), script: script.clone() };
        (Box::new(kernel), script)
    }
}

// SAFETY: the memory is the real kernel's, and so is everything that happens to it.
unsafe impl Layer for Scripted {
    type Inner = Real;

    fn inner(&self) -> &Real {
        &self.real
    }

    fn inner_mut(&mut self) -> &mut Real {
        &mut self.real
    }

    fn setup(&mut self, entries: u32, params: &mut Params) -> Result<RingMemory, Errno> {
        let mut script = self.script.borrow_mut();
        script.setups.push((entries, *params));
        match script.refuse_setup.and_then(|refuse| refuse(entries, params)) {
            Some(errno) => Err(errno),
            None => self.real.setup(entries, params),
        }
    }

    unsafe fn enter(&mut self, mut call: Enter) -> Result<u32, Errno> {
        let mut script = self.script.borrow_mut();
        script.enters += 1;
        if let Some(errno) = script.enter_errors.pop_front() {
            return Err(errno);
        }
        if let Some(most) = script.submit_at_most {
            if call.to_submit > most {
                call.to_submit = most;
                call.min_complete = 0;
            }
        }
        // SAFETY: the caller's promise is passed on.
        let result = unsafe { self.real.enter(call) };
        script.late_enter_errors.pop_front().map_or(result, Err)
    }

    unsafe fn register(&mut self, op: RegisterOp, arg: *mut c_void, nr: u32) -> Result<u32, Errno> {
        match self.script.borrow().refuse_register {
            Some((refused, errno)) if refused == op => Err(errno),
            // SAFETY: the caller's promise is passed on.
            _ => unsafe { self.real.register(op, arg, nr) },
        }
    }

    fn remap(&mut self, params: &Params) -> Result<RingMemory, Errno> {
        let refused = self.script.borrow_mut().remap_errors.pop_front();
        refused.map_or_else(|| self.real.remap(params), Err)
    }
}
