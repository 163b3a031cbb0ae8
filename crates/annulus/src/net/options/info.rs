//! What TCP knows about a connection.
//!
//! Owns: the snapshot, and where its fields are in `struct tcp_info` (linux/tcp.h). Invariant: a
//! kernel may write fewer bytes than there are fields, or more; what it did not write is zero.

use std::io;
use std::time::Duration;

use super::Value;

/// The state of a connection (RFC 9293, section 3.3.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum TcpState {
    /// Both directions are open.
    Established,
    /// Connecting: nothing has come from the peer yet.
    SynSent,
    /// Being accepted.
    SynReceived,
    /// This end has ended its direction; the peer has not acknowledged that.
    FinWait1,
    /// This end has ended its direction, and the peer knows.
    FinWait2,
    /// Both have ended; the address is kept for a while.
    TimeWait,
    /// There is no connection.
    Closed,
    /// The peer has ended its direction; this end has not.
    CloseWait,
    /// Both have ended, the peer first; it has not acknowledged that.
    LastAck,
    /// It accepts connections.
    Listening,
    /// Both have ended at the same time.
    Closing,
    /// A state that this list does not know.
    Other(u8),
}

impl TcpState {
    fn of(number: u8) -> Self {
        match number {
            1 => Self::Established,
            2 => Self::SynSent,
            3 | 12 => Self::SynReceived,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            6 => Self::TimeWait,
            7 => Self::Closed,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listening,
            11 => Self::Closing,
            other => Self::Other(other),
        }
    }
}

/// What TCP knows about a connection at one moment: its state, times, windows and counts.
///
/// Made by [`TcpStream::info`](crate::net::TcpStream::info). The fields are those of
/// `struct tcp_info`, with their units in types: times are [`Duration`]s, sizes are bytes unless
/// their name says segments.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # use annulus::net::{TcpListener, TcpStream};
/// # let listener = TcpListener::bind("127.0.0.1:0")?;
/// # let stream = TcpStream::connect(listener.local_addr()?).await?;
/// use annulus::net::TcpState;
///
/// let info = stream.info()?;
/// assert_eq!(info.state, TcpState::Established);
/// println!("{:?} there and back, {} segments again", info.rtt, info.total_retransmits);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "tcp_info")]
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct TcpInfo {
    /// Where in its life the connection is.
    pub state: TcpState,
    /// Retransmissions of the segment that is waited for, without an answer.
    pub retransmits: u8,
    /// Probes of a closed window or of keepalive, without an answer.
    pub probes: u8,
    /// By how many doublings the retransmission timer has grown.
    pub backoff: u8,
    /// The retransmission timer (RTO).
    pub retransmit_timeout: Duration,
    /// How long an acknowledgement waits for company (ATO).
    pub ack_timeout: Duration,
    /// The most bytes of a segment that is sent (MSS).
    pub send_mss: u32,
    /// The most bytes of a segment that was received.
    pub recv_mss: u32,
    /// Segments that were sent and not acknowledged.
    pub unacked_segments: u32,
    /// Segments that the peer has, behind a gap.
    pub sacked_segments: u32,
    /// Segments that are believed lost.
    pub lost_segments: u32,
    /// Segments that were sent again and not acknowledged.
    pub retransmitted_segments: u32,
    /// Since data was sent last.
    pub since_data_sent: Duration,
    /// Since data was received last.
    pub since_data_received: Duration,
    /// Since an acknowledgement was received last.
    pub since_ack_received: Duration,
    /// The largest packet that the path takes (PMTU).
    pub path_mtu: u32,
    /// The round trip, smoothed (SRTT).
    pub rtt: Duration,
    /// How much the round trip varies.
    pub rtt_variance: Duration,
    /// The shortest round trip so far.
    pub min_rtt: Duration,
    /// The round trip as the receiver estimates it.
    pub recv_rtt: Duration,
    /// Where slow start ends, in segments.
    pub send_threshold_segments: u32,
    /// The congestion window, in segments.
    pub congestion_window_segments: u32,
    /// The peer's window, as it announced it last.
    pub send_window: u32,
    /// Room for the receiver, as it tunes it.
    pub recv_space: u32,
    /// Segments that were sent again, in all.
    pub total_retransmits: u32,
    /// Bytes a second that pacing allows; `u64::MAX` without a bound.
    pub pacing_rate: u64,
    /// Bytes a second that reached the peer lately.
    pub delivery_rate: u64,
    /// Bytes that the peer has acknowledged.
    pub bytes_acked: u64,
    /// Bytes that were received in order.
    pub bytes_received: u64,
    /// Bytes that were sent, those that were sent again included.
    pub bytes_sent: u64,
    /// Bytes that were sent again.
    pub bytes_retransmitted: u64,
    /// Bytes that were accepted from the program and not sent yet.
    pub bytes_unsent: u32,
    /// Segments that were sent.
    pub segments_out: u32,
    /// Segments that were received.
    pub segments_in: u32,
    /// Segments out of order that were received.
    pub out_of_order_segments: u32,
    /// How long there was something to send.
    pub busy: Duration,
    /// How long of that the peer's window was in the way.
    pub window_limited: Duration,
    /// How long of that the send buffer was.
    pub send_buffer_limited: Duration,
}

/// The kind of `TCP_INFO`.
pub(in crate::net) struct Info;

impl Value for Info {
    type Of = TcpInfo;
    const ROOM: usize = 256;

    fn encode(_: TcpInfo) -> io::Result<impl AsRef<[u8]>> {
        Err::<[u8; 0], _>(io::ErrorKind::Unsupported.into())
    }

    fn decode(bytes: &[u8]) -> io::Result<TcpInfo> {
        let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
        let word = |at: usize| u32::from_ne_bytes([0, 1, 2, 3].map(|index| byte(at + index)));
        let wide =
            |at: usize| u64::from_ne_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|index| byte(at + index)));
        let micros = |at: usize| Duration::from_micros(word(at).into());
        let millis = |at: usize| Duration::from_millis(word(at).into());
        Ok(TcpInfo {
            state: TcpState::of(byte(0)),
            retransmits: byte(2),
            probes: byte(3),
            backoff: byte(4),
            retransmit_timeout: micros(8),
            ack_timeout: micros(12),
            send_mss: word(16),
            recv_mss: word(20),
            unacked_segments: word(24),
            sacked_segments: word(28),
            lost_segments: word(32),
            retransmitted_segments: word(36),
            since_data_sent: millis(44),
            since_data_received: millis(52),
            since_ack_received: millis(56),
            path_mtu: word(60),
            rtt: micros(68),
            rtt_variance: micros(72),
            min_rtt: micros(148),
            recv_rtt: micros(92),
            send_threshold_segments: word(76),
            congestion_window_segments: word(80),
            send_window: word(228),
            recv_space: word(96),
            total_retransmits: word(100),
            pacing_rate: wide(104),
            delivery_rate: wide(160),
            bytes_acked: wide(120),
            bytes_received: wide(128),
            bytes_sent: wide(200),
            bytes_retransmitted: wide(208),
            bytes_unsent: word(144),
            segments_out: word(136),
            segments_in: word(140),
            out_of_order_segments: word(224),
            busy: Duration::from_micros(wide(168)),
            window_limited: Duration::from_micros(wide(176)),
            send_buffer_limited: Duration::from_micros(wide(184)),
        })
    }
}
