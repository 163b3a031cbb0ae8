//! Messages that come back as they were.
//!
//! Each message begins with its number, so that one that comes back twice, or in the place of
//! another, is noticed.

use std::rc::Rc;

use super::{Answer, Fed, Wrong};

/// Bytes of a message that are its number.
const NUMBER_BYTES: usize = 8;

/// What comes back; its beginning is different in each message.
pub fn message(bytes: usize) -> Rc<[u8]> {
    (0..bytes).map(|at| (at * 131 % 251) as u8).collect()
}

#[derive(Debug)]
pub struct Echo {
    message: Rc<[u8]>,
    sent: u64,
    answered: u64,
    /// How much of the next message has come back.
    at: usize,
}

impl Echo {
    pub fn new(message: Rc<[u8]>) -> Self {
        Self { message, sent: 0, answered: 0, at: 0 }
    }

    pub fn request(&mut self, out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(&self.message);
        let number = self.sent.to_le_bytes();
        let len = self.message.len().min(NUMBER_BYTES);
        out[begin..begin + len].copy_from_slice(&number[..len]);
        self.sent += 1;
    }

    pub fn feed(&mut self, bytes: &[u8]) -> Result<Fed, Wrong> {
        if self.answered == self.sent && !bytes.is_empty() {
            return Err(Wrong);
        }
        let used = bytes.len().min(self.message.len() - self.at);
        let number = self.answered.to_le_bytes();
        let split = NUMBER_BYTES.clamp(self.at, self.at + used) - self.at;
        let (first, rest) = bytes[..used].split_at(split);
        let as_expected = first == &number[self.at.min(NUMBER_BYTES)..][..split]
            && *rest == self.message[self.at + split..self.at + used];
        if !as_expected {
            return Err(Wrong);
        }
        self.at += used;
        if self.at < self.message.len() {
            return Ok(Fed::More { used });
        }
        self.at = 0;
        self.answered += 1;
        Ok(Fed::Answer { used, answer: Answer::default() })
    }

    pub fn restart(&mut self) {
        (self.at, self.sent, self.answered) = (0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Exchange, answers};
    use super::*;

    fn asked(bytes: usize, messages: usize) -> (Exchange, Vec<u8>) {
        let mut exchange = Exchange::Echo(Echo::new(message(bytes)));
        let mut out = Vec::new();
        (0..messages).for_each(|_| exchange.request(&mut out));
        (exchange, out)
    }

    #[test]
    fn messages_come_back_in_any_pieces() {
        for bytes in [1, 3, 8, 9, 40] {
            let len = 3 * bytes;
            for cut in 0..=len {
                let (mut exchange, echo) = asked(bytes, 3);
                assert_eq!(
                    answers(&mut exchange, &echo, &[cut]).unwrap().len(),
                    3,
                    "{bytes} {cut}"
                );
            }
        }
    }

    #[test]
    fn any_byte_that_is_not_what_was_sent_is_noticed_and_so_is_one_too_many() {
        for at in 0..80 {
            let (mut exchange, mut echo) = asked(40, 2);
            echo[at] ^= 1;
            assert_eq!(answers(&mut exchange, &echo, &[]), Err(Wrong), "byte {at}");
        }
        let (mut exchange, mut echo) = asked(40, 2);
        echo.rotate_left(40);
        assert_eq!(answers(&mut exchange, &echo, &[]), Err(Wrong), "they come in their order");
        let (mut exchange, echo) = asked(40, 1);
        assert_eq!(answers(&mut exchange, &[&echo[..], b"x"].concat(), &[]), Err(Wrong));
    }
}
