//! Taking turns on a thread.

use std::future::poll_fn;
use std::task::Poll;

/// Lets all tasks that are ready now have their turn first. The kernel is not asked for more meanwhile, as
/// `tokio::task::yield_now` would.
pub async fn after_others() {
    let mut waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    #[tokio::test]
    async fn all_come_to_the_same_point_before_any_goes_on() {
        let told = Rc::new(RefCell::new(Vec::new()));
        let tasks = tokio::task::LocalSet::new();
        for name in 0..3 {
            let told = Rc::clone(&told);
            tasks.spawn_local(async move {
                told.borrow_mut().push(("reads", name));
                after_others().await;
                told.borrow_mut().push(("goes on", name));
            });
        }
        tasks.await;
        let expected: Vec<_> =
            ["reads", "goes on"].into_iter().flat_map(|what| (0..3).map(move |n| (what, n))).collect();
        assert_eq!(*told.borrow(), expected);
    }
}
