//! Spells that come, last and go, without a listener.

use std::sync::Mutex;

use rustix::event::{EventfdFlags, eventfd};

use super::super::config::Config;
use super::super::estate::Estate;
use super::*;

fn shared(config: Config) -> Arc<Shared> {
    let event = || eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    Shared::new(config, vec![0], (Vec::new(), Estate::Closed), [event(), event(), event()])
}

fn failed() -> io::Error {
    io::Error::from_raw_os_error(libc::ENFILE)
}

const REST: Duration = Duration::from_millis(20);

#[test]
fn each_failure_of_a_spell_is_told_and_its_end_once() {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let hears = told.clone();
    let config = Config::new().on_trouble(move |trouble| {
        let text = trouble.to_string();
        // How long it took is the clock's.
        let text = text.split(" after ").next().unwrap().to_owned();
        hears.lock().unwrap().push(text);
    });
    let shared = shared(config);
    let spell = Spell::new(shared.clone(), 0, 3);
    spell.works();
    for _ in 0..2 {
        spell.rests(&failed(), REST);
        assert_eq!(shared.cores[0].resting.now(), 1);
    }
    spell.works();
    spell.works();
    assert_eq!(shared.cores[0].resting.now(), 0);
    spell.rests(&failed(), REST);
    let error = failed();
    let rests = |n| format!("listener 3 on core 0 rests for 20ms: {error} ({n} in a row)");
    let goes_on = "listener 3 on core 0 goes on".to_owned();
    assert_eq!(*told.lock().unwrap(), [rests(1), rests(2), goes_on, rests(1)]);
}

#[test]
fn a_listener_that_goes_rests_no_more_and_each_counts_for_itself() {
    let shared = shared(Config::new());
    let (one, other) = (Spell::new(shared.clone(), 0, 0), Spell::new(shared.clone(), 0, 1));
    one.rests(&failed(), REST);
    other.rests(&failed(), REST);
    assert_eq!(shared.cores[0].resting.now(), 2);
    drop(one);
    assert_eq!(shared.cores[0].resting.now(), 1);
    other.works();
    drop(other);
    assert_eq!(shared.cores[0].resting.now(), 0);
}
