use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use crate::io::{Closing, Watch};

/// Counts how often its task is woken.
#[derive(Default)]
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Task {
    fn woken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn watched(closing: &Rc<Closing>) -> (Arc<Task>, Waker, Watch) {
    let task = Arc::new(Task::default());
    (Arc::clone(&task), Waker::from(task), Watch::new(Rc::clone(closing)))
}

#[test]
fn everyone_who_waits_is_woken_once() {
    let closing = Rc::new(Closing::default());
    let mut tasks: Vec<_> = (0..3).map(|_| watched(&closing)).collect();
    for (_, waker, watch) in &mut tasks {
        assert!(!watch.is_closed(&Context::from_waker(waker)));
        assert!(!watch.is_closed(&Context::from_waker(waker)));
    }
    assert!(!closing.is_closed());
    closing.close();
    assert!(closing.is_closed());
    for (task, waker, watch) in &mut tasks {
        assert_eq!(task.woken(), 1);
        assert!(watch.is_closed(&Context::from_waker(waker)));
    }
}

#[test]
fn who_has_not_asked_is_not_woken_and_still_told() {
    let closing = Rc::new(Closing::default());
    let (task, waker, mut watch) = watched(&closing);
    closing.close();
    assert_eq!(task.woken(), 0);
    assert!(watch.is_closed(&Context::from_waker(&waker)));
}

#[test]
fn who_has_gone_is_not_woken_and_leaves_its_place_to_the_next() {
    let closing = Rc::new(Closing::default());
    let (gone, waker, mut watch) = watched(&closing);
    assert!(!watch.is_closed(&Context::from_waker(&waker)));
    drop(watch);
    let (stays, waker, mut watch) = watched(&closing);
    assert!(!watch.is_closed(&Context::from_waker(&waker)));
    // One that never asked has no place to give up.
    drop(watched(&closing));
    closing.close();
    assert_eq!((gone.woken(), stays.woken()), (0, 1));
}
