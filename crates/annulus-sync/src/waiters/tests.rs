//! Order, leaving from anywhere, reuse.

use super::Queue;

#[test]
fn waiters_are_served_in_the_order_in_which_they_came() {
    let mut queue = Queue::new();
    let tickets: Vec<_> = (0..4).map(|n| queue.push(n)).collect();
    for n in 0..4 {
        assert_eq!(queue.first().copied(), Some(n));
        assert_eq!(queue.serve().copied(), Some(n));
    }
    assert!(queue.is_empty());
    assert_eq!(queue.serve(), None);
    for (n, ticket) in tickets.into_iter().enumerate() {
        assert_eq!(queue.remove(ticket), n, "served places stay until their tickets come back");
    }
}

#[test]
fn a_waiter_can_leave_from_anywhere() {
    for leaving in 0..4 {
        let mut queue = Queue::new();
        let tickets: Vec<_> = (0..4).map(|n| queue.push(n)).collect();
        assert_eq!(queue.remove(tickets[leaving]), leaving);
        let mut served = Vec::new();
        while let Some(&mut n) = queue.serve() {
            served.push(n);
        }
        assert_eq!(served, (0..4).filter(|&n| n != leaving).collect::<Vec<_>>());
    }
}

#[test]
fn places_are_reused() {
    let mut queue = Queue::new();
    for round in 0..1000 {
        let (first, second) = (queue.push(round), queue.push(round + 1));
        *queue.at(second) += 1;
        assert_eq!(queue.remove(first), round);
        assert_eq!(queue.remove(second), round + 2);
    }
    assert_eq!(queue.places.len(), 2);
    assert!(queue.is_empty());
}
