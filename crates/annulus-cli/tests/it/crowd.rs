//! Clients that ask a server over and over, and count what becomes of it.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::site::{WATCHDOG, answer, get};

/// Clients that ask until there is nobody to be asked.
pub struct Crowd {
    clients: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    pub answered: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
}

impl Crowd {
    pub fn start(address: SocketAddr, clients: usize) -> Self {
        let (stop, answered, refused) =
            <(Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let client = |number: usize| {
            let (stop, answered, refused) = (stop.clone(), answered.clone(), refused.clone());
            // Every other one keeps its connection.
            let keeps = number % 2 == 0;
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let Ok(stream) = TcpStream::connect(address) else {
                        refused.fetch_add(1, Ordering::Relaxed);
                        return;
                    };
                    stream.set_read_timeout(Some(WATCHDOG)).unwrap();
                    let mut stream = BufReader::new(stream);
                    loop {
                        if stream.get_mut().write_all(get("/a.txt").as_bytes()).is_err() {
                            break;
                        }
                        let Some((head, content)) = answer(&mut stream) else { break };
                        assert_eq!(content, b"alpha");
                        answered.fetch_add(1, Ordering::Relaxed);
                        let last = head.contains("\r\nConnection: close\r\n");
                        if last || !keeps || stop.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                }
            })
        };
        let clients = (0..clients).map(client).collect();
        Self { clients, stop, answered, refused }
    }

    pub fn until_answered(&self, most: u64) {
        let begun = Instant::now();
        while self.answered.load(Ordering::Relaxed) < most {
            assert!(begun.elapsed() < WATCHDOG, "nobody is answered");
            thread::yield_now();
        }
    }

    /// Ends it, and gives how many requests were answered and how many connections refused.
    pub fn end(self) -> (u64, u64) {
        self.stop.store(true, Ordering::Relaxed);
        self.joined()
    }

    /// Waits until nobody can be asked.
    pub fn joined(self) -> (u64, u64) {
        self.clients.into_iter().for_each(|client| client.join().unwrap());
        (self.answered.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed))
    }
}
