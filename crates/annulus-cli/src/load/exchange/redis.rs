//! Commands of Redis: values that are set, and got.

use std::io::Write as _;

use super::{Answer, Fed, Wrong};

/// What is asked of a Redis.
#[derive(Clone, Debug)]
pub struct Commands {
    value_bytes: u32,
    /// Of ten commands.
    sets: u8,
    keys: u64,
}

impl Commands {
    pub fn new(value_bytes: u32, sets: u8, keys: u64) -> Self {
        Self { value_bytes, sets, keys }
    }
}

#[derive(Debug)]
pub struct Redis {
    commands: Commands,
    random: u64,
    sent: u64,
    /// Bytes of a value that are still to come.
    missing: usize,
}

/// The longest line of an answer, but for a value.
const LINE_BYTES_MAX: usize = 64 * 1024;

impl Redis {
    pub fn new(commands: Commands, number: u64) -> Self {
        let random = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        Self { commands, random, sent: 0, missing: 0 }
    }

    fn next_key(&mut self) -> u64 {
        // xorshift64*
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16) % self.commands.keys
    }

    pub fn request(&mut self, out: &mut Vec<u8>) {
        let key = self.next_key();
        let sets = self.sent % 10 < u64::from(self.commands.sets);
        self.sent += 1;
        // Writing into a vector does not fail.
        let _ = if sets {
            let len = self.commands.value_bytes as usize;
            let _ = write!(out, "*3\r\n$3\r\nSET\r\n$16\r\nkey:{key:012}\r\n${len}\r\n");
            out.resize(out.len() + len, b'x');
            out.write_all(b"\r\n")
        } else {
            write!(out, "*2\r\n$3\r\nGET\r\n$16\r\nkey:{key:012}\r\n")
        };
    }

    pub fn feed(&mut self, bytes: &[u8]) -> Result<Fed, Wrong> {
        if self.missing > 0 {
            return Ok(self.skip(bytes, 0));
        }
        let end = bytes.iter().take(LINE_BYTES_MAX).position(|&byte| byte == b'\n');
        let Some(end) = end else {
            return if bytes.len() < LINE_BYTES_MAX {
                Ok(Fed::More { used: 0 })
            } else {
                Err(Wrong)
            };
        };
        let line = bytes[..end].strip_suffix(b"\r").ok_or(Wrong)?;
        let used = end + 1;
        match line {
            b"+OK" | b"$-1" | b"_" => Ok(Fed::Answer { used, answer: Answer::default() }),
            [b'$', digits @ ..] => {
                let len = std::str::from_utf8(digits).map_err(|_| Wrong)?.parse::<u32>();
                self.missing = len.map_err(|_| Wrong)? as usize + 2;
                Ok(self.skip(&bytes[used..], used))
            }
            // An error among them: what was asked does not fail.
            _ => Err(Wrong),
        }
    }

    fn skip(&mut self, bytes: &[u8], before: usize) -> Fed {
        let skipped = bytes.len().min(self.missing);
        self.missing -= skipped;
        let used = before + skipped;
        match self.missing {
            0 => Fed::Answer { used, answer: Answer::default() },
            _ => Fed::More { used },
        }
    }

    pub fn restart(&mut self) {
        self.missing = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Exchange, answers};
    use super::*;

    #[test]
    fn commands_are_what_was_asked_for() {
        let mut redis = Redis::new(Commands::new(3, 5, 100), 1);
        let mut out = Vec::new();
        (0..20).for_each(|_| redis.request(&mut out));
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches("SET\r\n$16\r\nkey:0000000000").count(), 10);
        assert_eq!(text.matches("GET\r\n$16\r\nkey:0000000000").count(), 10);
        assert_eq!(text.matches("\r\n$3\r\nxxx\r\n").count(), 10);
    }

    #[test]
    fn answers_come_in_any_pieces_and_errors_are_noticed() {
        let begin = || Exchange::Redis(Redis::new(Commands::new(3, 0, 1), 0));
        let bytes = b"$3\r\n\r\n$\r\n+OK\r\n$-1\r\n$0\r\n\r\n_\r\n";
        for cut in 0..bytes.len() {
            assert_eq!(answers(&mut begin(), bytes, &[cut]).unwrap().len(), 5, "{cut}");
        }
        for wrong in ["-ERR no\r\n", "$x\r\n", ":1\r\n", "+OK\n", "$-2\r\n"] {
            assert_eq!(answers(&mut begin(), wrong.as_bytes(), &[]), Err(Wrong), "{wrong}");
        }
    }
}
