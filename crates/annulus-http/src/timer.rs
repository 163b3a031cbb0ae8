//! Timers of hyper, on the clock of the current core.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant as StdInstant};

use annulus::time::{Instant, Sleep, sleep, sleep_until};
use hyper::rt;

/// The timers of the core, for the timeouts of hyper.
///
/// hyper's own clock is asked for the time as well, so a test that
/// [pauses](annulus::time::pause) the clock of its core has hyper's timeouts in its hand.
///
/// ```
/// use annulus_http::CoreTimer;
/// use hyper::server::conn::http1;
/// use std::time::Duration;
///
/// let mut builder = http1::Builder::new();
/// builder.timer(CoreTimer).header_read_timeout(Duration::from_secs(5));
/// ```
#[derive(Clone, Copy, Default, Debug)]
pub struct CoreTimer;

impl rt::Timer for CoreTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(TimerSleep { sleep: sleep(duration) })
    }

    fn sleep_until(&self, deadline: StdInstant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(TimerSleep { sleep: sleep_until(deadline.into()) })
    }

    fn now(&self) -> StdInstant {
        Instant::now().into()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn rt::Sleep>>, deadline: StdInstant) {
        match sleep.as_mut().downcast_mut_pin::<TimerSleep>() {
            Some(own) => own.get_mut().sleep.reset(deadline.into()),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

/// What [`CoreTimer`] makes.
#[derive(Debug)]
pub struct TimerSleep {
    sleep: Sleep,
}

impl Future for TimerSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.sleep).poll(cx)
    }
}

impl rt::Sleep for TimerSleep {}
