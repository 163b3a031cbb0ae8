//! A stand-in for the crate `annulus` that records how it is called.

/// The names that an expansion uses.
pub mod runtime {
    use std::cell::RefCell;
    use std::io;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    thread_local! {
        static CALLS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    /// What was called on this thread since the last time.
    pub fn take_calls() -> Vec<String> {
        CALLS.take()
    }

    fn record(call: String) {
        CALLS.with_borrow_mut(|calls| calls.push(call));
    }

    pub struct Runtime;

    #[derive(Default)]
    pub struct Builder {
        refuse: bool,
    }

    impl Runtime {
        pub fn builder() -> Builder {
            record("builder".to_owned());
            Builder::default()
        }

        pub fn block_on<F: Future>(&self, future: F) -> F::Output {
            record("block_on".to_owned());
            match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(output) => output,
                Poll::Pending => panic!("these tests never wait"),
            }
        }
    }

    impl Builder {
        pub fn entries(self, entries: u32) -> Self {
            record(format!("entries({entries})"));
            self
        }

        pub fn name(self, name: &str) -> Self {
            record(format!("name({name})"));
            self
        }

        pub fn pin(self, pin: bool) -> Self {
            record(format!("pin({pin})"));
            self
        }

        pub fn refuse(mut self, refuse: bool) -> Self {
            self.refuse = refuse;
            self
        }

        pub fn build(self) -> io::Result<Runtime> {
            record("build".to_owned());
            if self.refuse {
                return Err(io::Error::other("no ring for you"));
            }
            Ok(Runtime)
        }
    }
}
