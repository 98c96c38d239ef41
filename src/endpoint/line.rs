//! The line of requests that wait for a version whose endpoints are all at their limit: first come, first served, over all
//! workers.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A line.
#[derive(Debug, Default)]
pub struct Line {
    /// How many wait, to be read without the lock.
    waiting: AtomicUsize,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    places: VecDeque<(u64, Waker)>,
}

/// A place in a line; it is given up when it is dropped.
#[derive(Debug)]
pub struct Place {
    line: Arc<Line>,
    number: u64,
}

impl Line {
    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(SeqCst)
    }

    /// A place at the end; none if `most` wait already.
    pub fn join(self: &Arc<Self>, most: usize) -> Option<Place> {
        let mut queue = self.lock();
        if queue.places.len() >= most {
            return None;
        }
        let number = queue.next;
        queue.next += 1;
        queue.places.push_back((number, Waker::noop().clone()));
        self.waiting.store(queue.places.len(), SeqCst);
        Some(Place { line: Arc::clone(self), number })
    }

    /// There may be room now.
    pub fn freed(&self) {
        if self.waiting() > 0
            && let Some((_, waker)) = self.lock().places.front()
        {
            waker.wake_by_ref();
        }
    }

    /// A holder that panicked still leaves whole entries.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Waits until it is the first and `take` finds room.
    pub fn poll<T>(&self, context: &mut Context<'_>, take: impl FnOnce() -> Option<T>) -> Poll<T> {
        let mut queue = self.line.lock();
        let Some(index) = queue.places.iter().position(|(number, _)| *number == self.number) else {
            return Poll::Pending;
        };
        // Before it is looked: room that appears meanwhile wakes it.
        queue.places[index].1.clone_from(context.waker());
        if index > 0 {
            return Poll::Pending;
        }
        drop(queue);
        take().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queue = self.line.lock();
        queue.places.retain(|(number, _)| *number != self.number);
        self.line.waiting.store(queue.places.len(), SeqCst);
        // There may be room for more than one.
        if let Some((_, waker)) = queue.places.front() {
            waker.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    fn poll(place: &Place, woken: &Arc<Woken>, room: bool) -> bool {
        let waker = Waker::from(Arc::clone(woken));
        place.poll(&mut Context::from_waker(&waker), || room.then_some(())).is_ready()
    }

    #[test]
    fn who_came_first_is_served_first() {
        let line = Arc::new(Line::default());
        let (one, two) = (line.join(2).unwrap(), line.join(2).unwrap());
        assert!(line.join(2).is_none(), "the line is full");
        let woken = [Arc::<Woken>::default(), Arc::default()];
        assert!(!poll(&two, &woken[1], true), "there is room, but another was first");
        assert!(!poll(&one, &woken[0], false));
        line.freed();
        assert_eq!((woken[0].0.load(SeqCst), woken[1].0.load(SeqCst)), (1, 0));
        assert!(poll(&one, &woken[0], true));
        drop(one);
        assert_eq!(woken[1].0.load(SeqCst), 1, "the next is told");
        assert!(poll(&two, &woken[1], true));
        drop(two);
        assert_eq!(line.waiting(), 0);
    }

    #[test]
    fn who_gives_up_leaves_no_gap() {
        let line = Arc::new(Line::default());
        let places: Vec<_> = (0..3).map(|_| line.join(3).unwrap()).collect();
        let woken = Arc::<Woken>::default();
        let [one, two, three] = places.try_into().unwrap();
        assert!(!poll(&three, &woken, true));
        drop(two);
        drop(one);
        assert_eq!(woken.0.load(SeqCst), 1, "it is the first now");
        assert!(poll(&three, &woken, true));
    }
}
