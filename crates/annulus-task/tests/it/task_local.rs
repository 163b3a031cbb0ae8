//! Values that go with a task.

use std::cell::Cell;
use std::rc::Rc;

use annulus_task::{spawn, task_local};

use crate::support::*;

task_local! {
    /// A number.
    static NUMBER: u32;
    static SHARED: Rc<Cell<u32>>;
}

#[test]
fn tasks_that_take_turns_see_their_own_values() {
    let executor = executor();
    let handles: Vec<_> = (0..10)
        .map(|number| {
            executor.spawn(NUMBER.scope(number, async move {
                for _ in 0..5 {
                    assert_eq!(NUMBER.get(), number);
                    yield_now().await;
                }
                NUMBER.with(|seen| *seen)
            }))
        })
        .collect();
    settle(&executor);
    for (number, handle) in handles.into_iter().enumerate() {
        assert_eq!(result(handle).unwrap() as usize, number);
    }
    assert!(NUMBER.try_with(|_| ()).is_err());
}

#[test]
fn values_nest_and_those_outside_come_back() {
    let executor = executor();
    let task = executor.spawn(NUMBER.scope(1, async {
        let inner = NUMBER.scope(2, async {
            yield_now().await;
            NUMBER.get()
        });
        assert_eq!(inner.await, 2);
        assert_eq!(NUMBER.sync_scope(3, || NUMBER.get()), 3);
        let nested = NUMBER.with(|outer| NUMBER.sync_scope(4, || NUMBER.get() + *outer));
        assert_eq!(nested, 5);
        NUMBER.get()
    }));
    settle(&executor);
    assert_eq!(result(task).unwrap(), 1);
}

#[test]
fn values_are_not_inherited() {
    let executor = executor();
    let task = executor.spawn(NUMBER.scope(1, async {
        spawn(async { NUMBER.try_with(|_| ()).unwrap_err().to_string() }).await.unwrap()
    }));
    let _entered = executor.enter();
    settle(&executor);
    assert!(result(task).unwrap().contains("not inherited"));
}

#[test]
fn a_destructor_sees_the_value_which_is_dropped_after_the_future() {
    let executor = executor();
    let value = Rc::new(Cell::new(0));
    let task = executor.spawn(SHARED.scope(Rc::clone(&value), async {
        let _seen = OnDrop(|| SHARED.with(|value| value.set(Rc::strong_count(value) as u32)));
        std::future::pending::<()>().await;
    }));
    settle(&executor);
    task.abort();
    settle(&executor);
    assert_eq!((value.get(), Rc::strong_count(&value)), (2, 1));
}

#[test]
fn a_panic_takes_the_value_away() {
    let executor = executor();
    let task = executor.spawn(NUMBER.scope(1, async { panic!("with a value") }));
    settle(&executor);
    assert!(result::<()>(task).unwrap_err().is_panic());
    assert!(NUMBER.try_with(|_| ()).is_err());
    let outside = std::panic::catch_unwind(|| NUMBER.get());
    assert!(outside.is_err());
}
