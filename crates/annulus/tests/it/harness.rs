//! What the tests share: runtimes and launches that must be clean at the end, and pairs of sockets.

pub mod forking;
pub mod ground;
mod rules;

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use annulus::net::{TcpListener, TcpStream};
use annulus::runtime::{
    Builder, CoreHandle, Cores, Launched, LaunchedCore, Metrics, MetricsHandle, Runtime,
};
use annulus::task::JoinError;

/// Tests that look at the process as a whole (its descriptors, its limits) exclude the others.
static PROCESS: RwLock<()> = RwLock::new(());

/// The lock of a thread.
#[allow(dead_code, reason = "it is held")]
enum Lock {
    Shared(RwLockReadGuard<'static, ()>),
    Owned(RwLockWriteGuard<'static, ()>),
}

thread_local! {
    /// How many guards this thread has of the lock that it holds. A further one takes no lock of
    /// its own: it would wait for the first to go, or behind who waits for that.
    static HELD: RefCell<(usize, Option<Lock>)> = const { RefCell::new((0, None)) };
}

/// The process is shared, or this thread's, until the last guard of this thread is gone.
pub struct Held(PhantomData<*const ()>);

/// Others may use the process meanwhile, but not look at it as a whole.
pub fn share_process() -> Held {
    HELD.with_borrow_mut(|(guards, lock)| {
        *guards += 1;
        lock.get_or_insert_with(|| {
            Lock::Shared(PROCESS.read().unwrap_or_else(PoisonError::into_inner))
        });
    });
    Held(PhantomData)
}

/// Waits until nobody has the socket of this file any more: a process that another test starts has
/// all descriptors until it has become another program.
pub fn wait_until_left(path: &Path) {
    let asker = UnixDatagram::unbound().unwrap();
    // Who listens is of another type.
    while asker.connect(path).unwrap_err().kind() != io::ErrorKind::ConnectionRefused {
        std::thread::yield_now();
    }
}

/// Nobody else uses the process meanwhile.
pub fn own_process() -> Held {
    HELD.with_borrow_mut(|(guards, lock)| {
        assert_eq!(*guards, 0, "this thread shares the process");
        *guards = 1;
        *lock = Some(Lock::Owned(PROCESS.write().unwrap_or_else(PoisonError::into_inner)));
    });
    Held(PhantomData)
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.with_borrow_mut(|(guards, lock)| {
            *guards -= 1;
            if *guards == 0 {
                *lock = None;
            }
        });
    }
}

/// Runs a test on a runtime with the defaults.
pub fn run<F: Future<Output = io::Result<()>>>(test: F) {
    run_on(Runtime::builder(), test);
}

/// Runs a test, ends the runtime, and checks that nothing is left.
pub fn run_on<F: Future<Output = io::Result<()>>>(builder: Builder, test: F) {
    let _shared = share_process();
    check(builder, test);
}

/// A runtime opens descriptors and starts threads: whoever makes one shares the process, or has it.
/// (If nobody does, this test does not. Alone in its process, one that does not is always found.)
fn assert_not_alone() {
    assert!(PROCESS.try_write().is_err(), "a test that makes a runtime wants `share_process`");
}

/// As [`run_on`], for a caller that has the process already.
pub fn check<F: Future<Output = io::Result<()>>>(builder: Builder, test: F) -> Metrics {
    assert_not_alone();
    let runtime = builder.build().expect("io_uring is there");
    let result = runtime.block_on(test);
    let last = runtime.shutdown();
    result.expect("the test ends without an error");
    assert_nothing_left(&last);
    last
}

/// What a runtime must be like when it has ended.
pub fn assert_nothing_left(last: &Metrics) {
    assert_eq!(last.tasks, 0, "tasks are left");
    assert_eq!(last.ops_in_flight, 0, "requests are left");
    assert_eq!(last.descriptors, 0, "descriptors are left");
    assert_eq!(last.leases_out, 0, "leases are left");
    assert_eq!(last.stale_cqes, 0, "completions belonged to nothing");
}

/// A runtime for a test that enters it as it likes; nothing may be left when it goes away.
pub struct Made(Option<Runtime>);

/// Makes a runtime whose end is checked.
pub fn made(builder: Builder) -> Made {
    assert_not_alone();
    Made(Some(builder.build().expect("io_uring is there")))
}

impl Made {
    /// Ends it now, and checks that nothing is left.
    pub fn shutdown(self) -> Metrics {
        let last = self.leave();
        assert_nothing_left(&last);
        last
    }

    /// Ends it now, with something left on purpose; the caller says what.
    pub fn leave(mut self) -> Metrics {
        self.0.take().expect("it is there until dropped").shutdown()
    }
}

impl std::ops::Deref for Made {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        self.0.as_ref().expect("it is there until dropped")
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let last = self.0.take().map(Runtime::shutdown);
        if let Some(last) = last.filter(|_| !std::thread::panicking()) {
            assert_nothing_left(&last);
        }
    }
}

/// What some cores count, to be looked at when they have ended.
pub struct Boards(Vec<MetricsHandle>);

impl Boards {
    /// Of cores that have been started.
    pub fn of(cores: &[CoreHandle]) -> Self {
        Self(cores.iter().map(|core| core.metrics_handle().expect("it was started")).collect())
    }

    /// What each of the cores must be like when it has ended.
    pub fn assert_nothing_left(&self) {
        self.0.iter().for_each(|board| assert_nothing_left(&board.read()));
    }
}

/// The cores of a launch, of none of which anything may be left at its end.
pub struct Started<T> {
    launched: Launched<T>,
    boards: Boards,
}

/// Launches cores whose ends are checked.
pub fn started<S, F>(builder: Builder, cores: Cores, start: S) -> Started<F::Output>
where
    S: Fn(LaunchedCore) -> F + Send + Sync + 'static,
    F: Future + 'static,
    F::Output: Send + 'static,
{
    assert_not_alone();
    let launched = builder.launch(cores, start).expect("the cores can be had");
    let boards = Boards::of(launched.cores());
    Started { launched, boards }
}

impl<T> Started<T> {
    pub fn cores(&self) -> &[CoreHandle] {
        self.launched.cores()
    }

    pub fn stop(&self) {
        self.launched.stop();
    }

    pub fn join(self) -> Vec<Result<T, JoinError>> {
        let results = self.launched.join();
        self.boards.assert_nothing_left();
        results
    }

    pub fn shutdown(self, bound: Duration) -> Vec<Result<T, JoinError>> {
        let results = self.launched.shutdown(bound);
        self.boards.assert_nothing_left();
        results
    }
}

/// Two ends of a TCP connection.
pub async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    let (server, _) = listener.accept().await?;
    Ok((client, server))
}

/// Open descriptors of this process.
pub fn descriptors() -> Vec<String> {
    let mut open: Vec<String> = std::fs::read_dir("/proc/self/fd")
        .expect("procfs is mounted")
        .filter_map(|entry| {
            let link = std::fs::read_link(entry.ok()?.path()).ok()?;
            Some(link.to_string_lossy().into_owned())
        })
        .collect();
    open.sort();
    open
}

/// What [`opened_since`] says where nothing is left.
pub const NOTHING: [String; 0] = [];

/// Descriptors that are open and were not before. A thread of an earlier test may have been closing
/// its own meanwhile.
pub fn opened_since(before: &[String]) -> Vec<String> {
    let mut known = before.to_vec();
    let mut open = descriptors();
    open.retain(|open| match known.iter().position(|known| known == open) {
        Some(place) => {
            known.swap_remove(place);
            false
        }
        None => true,
    });
    open
}

/// Lets everything that is ready run, and the kernel answer, `turns` times.
pub async fn turns(turns: usize) {
    for _ in 0..turns {
        annulus::time::sleep(Duration::from_micros(100)).await;
    }
}

/// Says that a test was left out, where the harness does not swallow it.
pub fn skip(why: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// Waits for a child of this process, and gives its status.
pub fn wait_for(child: libc::pid_t) -> i32 {
    let mut status = 0;
    // SAFETY: `status` is a valid place.
    while unsafe { libc::waitpid(child, &mut status, 0) } != child {
        assert_eq!(io::Error::last_os_error().kind(), io::ErrorKind::Interrupted);
    }
    status
}

/// A directory that is made and removed while no test looks at the descriptors of the process.
pub struct Scratch(Option<tempfile::TempDir>);

impl Scratch {
    pub fn new() -> Self {
        let _shared = share_process();
        Self(Some(tempfile::tempdir().expect("a temporary directory")))
    }

    /// Beside the sources, if one may write there: a temporary directory is often in memory, where
    /// there are no direct reads and no attributes.
    pub fn beside() -> Self {
        let _shared = share_process();
        let beside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        Self(Some(beside.or_else(|_| tempfile::tempdir()).expect("a temporary directory")))
    }

    /// A file in it, with these contents.
    pub fn file(&self, name: &str, contents: &[u8]) -> std::path::PathBuf {
        let _shared = share_process();
        let path = self.path().join(name);
        std::fs::write(&path, contents).expect("the directory can be written");
        path
    }

    pub fn path(&self) -> &std::path::Path {
        self.0.as_ref().expect("it is there until dropped").path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _shared = share_process();
        self.0.take();
    }
}
