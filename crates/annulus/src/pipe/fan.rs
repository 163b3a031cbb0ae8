//! From one pipe to many.
//!
//! Owns: [`Receiver::tee_all`] and the pipes in between. tee(2) always begins with the next byte of
//! its source, so what one target had no room for cannot be doubled to it afterwards. So each
//! target but the last has a pipe of its own in between, as large as the source and empty before
//! each round, into which a whole round fits.
//!
//! ```text
//!              tee                 splice
//!   source ----------> between 1 ----------> target 1
//!          ----------> between 2 ----------> target 2
//!          ---------------------------------> target 3     (splice, which consumes)
//! ```
//!
//! Invariant: a round begins when all bytes of the one before have left every pipe in between, so
//! all targets get the same bytes in the same order.

use std::io;

use super::{Moves as _, Receiver, Sender, SpliceTarget, move_on, pipe};
use crate::core::Owned;

impl Receiver {
    /// Moves everything from this pipe to all of the targets, until its senders are gone, without
    /// copying a byte. Gives how many bytes each target got.
    ///
    /// The slowest target sets the pace: each gets what is in the pipe before more is taken from
    /// it.
    ///
    /// # Errors
    /// `InvalidInput` for no target at all; `BrokenPipe` when nobody reads one of them, which ends
    /// it for all; those of pipe2(2), splice(2) and tee(2); use on a foreign core.
    ///
    /// # Cancel safety
    /// Dropping the future loses what was taken from this pipe and has not reached every target: at
    /// most what it holds at once.
    ///
    /// # Kernel
    /// tee(2) and splice(2), which do not wait, and `POLL_ADD`, 5.1.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::pipe::pipe;
    ///
    /// let ((sender, receiver), one, two) = (pipe()?, pipe()?, pipe()?);
    /// sender.write_all("for both").await?;
    /// drop(sender);
    /// assert_eq!(receiver.tee_all(&[&one.0, &two.0]).await?, 8);
    /// for copy in [one.1, two.1] {
    ///     assert_eq!(copy.read(Vec::with_capacity(8)).await?.1, b"for both");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "IORING_OP_TEE")]
    pub async fn tee_all<T: SpliceTarget>(&self, targets: &[&T]) -> io::Result<u64> {
        let Some((last, others)) = targets.split_last() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no target"));
        };
        let room = self.capacity()?;
        let between = others.iter().map(|target| Between::new(*target, room));
        let between = between.collect::<io::Result<Vec<_>>>()?;
        for target in targets {
            target.settled().await?;
        }
        let mut copied = 0;
        loop {
            let round = match between.split_first() {
                None => move_on(&self.owned, last.owned(), room).await?,
                Some((first, others)) => {
                    // The first says how much there is; as much fits into the others.
                    let round = self.tee_to(&first.into, room).await?;
                    for other in others {
                        other.must_take(self.tee_to(&other.into, round.max(1)).await?, round)?;
                    }
                    empty(&self.owned, last.owned(), round).await?;
                    round
                }
            };
            if round == 0 {
                return Ok(copied);
            }
            for Between { out, target, .. } in &between {
                empty(&out.owned, target.owned(), round).await?;
            }
            copied += round as u64;
        }
    }
}

/// The pipe before a target.
struct Between<'a, T> {
    into: Sender,
    out: Receiver,
    target: &'a T,
}

impl<'a, T> Between<'a, T> {
    fn new(target: &'a T, room: usize) -> io::Result<Self> {
        let (into, out) = pipe()?;
        if into.capacity()? < room {
            into.set_capacity(room)?;
        }
        Ok(Self { into, out, target })
    }

    fn must_take(&self, taken: usize, round: usize) -> io::Result<()> {
        if taken == round {
            return Ok(());
        }
        Err(io::Error::other(format!("an empty pipe took {taken} bytes, another one {round}")))
    }
}

/// Moves exactly so many bytes.
async fn empty(from: &Owned, to: &Owned, mut bytes: usize) -> io::Result<()> {
    while bytes > 0 {
        match move_on(from, to, bytes).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            moved => bytes -= moved,
        }
    }
    Ok(())
}
