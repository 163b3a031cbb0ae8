//! How devices are polled.

/// How a core waits for requests whose device is polled:
/// [`Builder::device_polling`](super::Builder::device_polling).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DevicePolling {
    /// Looks again and again.
    Busy,
    /// Sleeps for about half of the time that requests have taken lately, and then looks again and
    /// again: less CPU, and a latency between that and an interrupt's. Since Linux 6.13.
    Hybrid,
}
