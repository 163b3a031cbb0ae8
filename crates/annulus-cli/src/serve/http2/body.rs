//! The content of an answer: bytes that are there, then a part of a file, piece by piece.
//!
//! Owns: reading ahead, within what the connection may hold. Does not own: when the client takes a
//! piece (hyper).

use std::future::Future;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::Answering;
use super::held::{Answer, Charge, Piece};
use crate::serve::live::read_step;
use crate::serve::site::Opened;

/// How much of a file is read at a time.
pub const PIECE_BYTES: usize = 32 * 1024;
/// How much of that is given to hyper at a time; each counts as a move of the answer.
const FRAME_BYTES: usize = 16 * 1024;

type Reading = Pin<Box<dyn Future<Output = io::Result<(u64, Piece, Rc<Opened>)>>>>;

/// The content of an answer.
#[derive(Default)]
pub struct FileBody {
    here: Bytes,
    rest: Option<Rc<Opened>>,
    part: Range<u64>,
    reading: Option<Reading>,
    answer: Option<Arc<Answer>>,
    _answering: Option<Answering>,
}

impl FileBody {
    /// The content from `start` on of what was written, then of the file.
    pub fn new(
        (written, start): (Vec<u8>, usize),
        rest: Option<(Rc<Opened>, Range<u64>)>,
        (answer, answering): (Arc<Answer>, Answering),
    ) -> Self {
        let (file, part) = match rest {
            Some((file, part)) => (Some(file), part),
            None => (None, 0..0),
        };
        let here = if start < written.len() {
            let charge = answer.charge(written.len());
            Bytes::from_owner(Piece::new(written, charge)).slice(start..)
        } else {
            Bytes::new()
        };
        let (answer, answering) = (Some(answer), Some(answering));
        Self { here, rest: file, part, reading: None, answer, _answering: answering }
    }
}

async fn read(
    file: Rc<Opened>,
    part: Range<u64>,
    charge: Charge,
) -> io::Result<(u64, Piece, Rc<Opened>)> {
    let (n, bytes) = read_step(&file, part, Vec::new()).await?;
    Ok((n, Piece::new(bytes, charge), file))
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        let Some(answer) = &this.answer else { return Poll::Ready(None) };
        // hyper asks when the client has room for more.
        answer.moves();
        if this.here.is_empty() && this.reading.is_none() {
            if this.part.is_empty() || this.rest.is_none() {
                return Poll::Ready(None);
            }
            let bytes = (PIECE_BYTES as u64).min(this.part.end - this.part.start);
            let charge = ready!(answer.poll_charge(bytes as usize, context));
            let part = this.part.start..this.part.start + bytes;
            if let Some(file) = this.rest.take() {
                this.reading = Some(Box::pin(read(file, part, charge)));
            }
        }
        if let Some(reading) = &mut this.reading {
            let read = ready!(reading.as_mut().poll(context));
            this.reading = None;
            match read {
                Ok((n, piece, file)) => {
                    this.part.start += n;
                    this.rest = Some(file);
                    this.here = Bytes::from_owner(piece);
                }
                Err(error) => {
                    this.part = 0..0;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        let frame = this.here.split_to(FRAME_BYTES.min(this.here.len()));
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.here.is_empty() && self.reading.is_none() && self.part.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.here.len() as u64 + self.part.end - self.part.start)
    }
}
