//! A meter for the tasks of several threads.
//!
//! Owns: shares of one meter, each counting by itself and accounting for 64 operations at a time,
//! so that counting is no traffic between threads.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::meter::{Meter, Sample};

/// Operations that a share counts by itself.
const SHARE: u32 = 64;

/// A meter that tasks of several threads share.
#[derive(Clone)]
pub struct Shares {
    meter: Arc<Mutex<Meter>>,
}

/// What one task holds of it.
pub struct Share {
    shares: Shares,
    left: u32,
}

impl Shares {
    /// Shares of a meter.
    pub fn new(meter: Meter) -> Self {
        Self { meter: Arc::new(Mutex::new(meter)) }
    }

    /// A share for one task.
    pub fn share(&self) -> Share {
        Share { shares: self.clone(), left: SHARE }
    }

    /// What all of them took.
    ///
    /// # Errors
    /// As [`Meter::sample`].
    pub fn sample(&self) -> io::Result<Sample> {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner).sample()
    }
}

impl Share {
    /// One more operation is done. False if that is enough.
    #[inline]
    pub fn tick(&mut self) -> bool {
        if self.left > 1 {
            self.left -= 1;
            return true;
        }
        self.left = SHARE;
        let meter = self.shares.meter.lock().unwrap_or_else(PoisonError::into_inner);
        // Not `all` short-circuited before its time: the meter says when it is over.
        (0..SHARE).all(|_| meter.tick())
    }
}
