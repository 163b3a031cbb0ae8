//! The inbox on one thread; the races are in `tests/loom`.

use super::*;

fn received(inbox: &Inbox, remotes: &[Remote]) -> Vec<u32> {
    let mut order = Vec::new();
    let mut index = inbox.take(|index| &remotes[index as usize]);
    while index != NIL {
        order.push(index);
        index = remotes[index as usize].receive();
    }
    order
}

#[test]
fn indices_come_out_in_the_order_in_which_they_were_sent() {
    let remotes: Vec<_> = (0..5).map(|_| Remote::new()).collect();
    let inbox = Inbox::new();
    for index in [3, 1, 4, 2] {
        assert!(inbox.send(index, &remotes[index as usize]));
    }
    assert_eq!(received(&inbox, &remotes), [3, 1, 4, 2]);
    assert!(inbox.is_empty());
}

#[test]
fn an_index_is_in_the_inbox_at_most_once_and_can_be_sent_again_when_received() {
    let remotes: Vec<_> = (0..2).map(|_| Remote::new()).collect();
    let inbox = Inbox::new();
    assert!(inbox.send(1, &remotes[1]));
    assert!(!inbox.send(1, &remotes[1]));
    assert_eq!(received(&inbox, &remotes), [1]);
    assert!(inbox.send(1, &remotes[1]));
    assert_eq!(received(&inbox, &remotes), [1]);
    assert_eq!(received(&inbox, &remotes), []);
}
