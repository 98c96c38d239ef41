use std::rc::Rc;

use tokio::runtime::{Builder, LocalOptions};

use super::*;

/// Runs on a thread and a runtime of its own, with rounds or without.
fn on_a_thread(in_rounds: bool, work: impl AsyncFnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().build_local(LocalOptions::default()).unwrap();
        runtime.block_on(async {
            if in_rounds {
                tokio::task::spawn_local(rounds());
                while TURNS.with(|turns| turns.ends.borrow().is_none()) {
                    tokio::task::yield_now().await;
                }
            }
            work().await;
        });
    });
    thread.join().unwrap();
}

/// Lets the others on the thread go first.
async fn after_others() {
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

async fn has_turn() {
    let mut turn = Turn::default();
    poll_fn(|context| turn.poll(1, context)).await;
}

/// Leaves no turn in this round.
fn fill_a_round() {
    while TURNS.with(|turns| turns.begin(1)) {}
}

#[test]
fn what_is_under_way_ends_before_more_begins_and_all_begin_in_the_order_they_came() {
    on_a_thread(true, async || {
        let (under_way, most, begun) =
            (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)), Rc::new(RefCell::new(Vec::new())));
        let tasks: Vec<_> = (0..3 * AT_ONCE + 1)
            .map(|n| {
                let (under_way, most, begun) = (Rc::clone(&under_way), Rc::clone(&most), Rc::clone(&begun));
                tokio::task::spawn_local(async move {
                    has_turn().await;
                    begun.borrow_mut().push(n);
                    under_way.set(under_way.get() + 1);
                    most.set(most.get().max(under_way.get()));
                    after_others().await;
                    under_way.set(under_way.get() - 1);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(most.get(), AT_ONCE);
        assert_eq!(*begun.borrow(), (0..3 * AT_ONCE + 1).collect::<Vec<_>>());
    });
}

#[test]
fn connections_with_many_requests_take_turns() {
    const MANY: usize = 16;
    on_a_thread(true, async || {
        let begun = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..MANY)
            .map(|connection| {
                let begun = Rc::clone(&begun);
                tokio::task::spawn_local(async move {
                    let mut turn = Turn::default();
                    for arrived in (1..=2 * IN_A_TURN).rev() {
                        poll_fn(|context| turn.poll(arrived, context)).await;
                        turn.begins();
                        begun.borrow_mut().push(connection);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        // In the first round nobody waits yet when the first ask again; after it who asks again stands behind the others.
        let turns: Vec<_> = begun.borrow().chunks(IN_A_TURN).map(<[usize]>::to_vec).collect();
        let first = AT_ONCE / (2 * IN_A_TURN);
        let expected = (0..first).flat_map(|early| [early; 2]).chain(first..MANY).chain(first..MANY);
        assert_eq!(turns, expected.map(|connection| vec![connection; IN_A_TURN]).collect::<Vec<_>>());
    });
}

#[test]
fn tasks_that_always_have_something_to_do_keep_nobody_waiting() {
    on_a_thread(true, async || {
        let busy: Vec<_> = (0..200)
            .map(|_| {
                tokio::task::spawn_local(async {
                    loop {
                        after_others().await;
                    }
                })
            })
            .collect();
        fill_a_round();
        has_turn().await;
        busy.iter().for_each(tokio::task::JoinHandle::abort);
    });
}

#[test]
fn who_leaves_the_line_keeps_nobody_waiting() {
    on_a_thread(true, async || {
        fill_a_round();
        let context = Context::from_waker(Waker::noop());
        let mut leaving: Vec<_> = (0..5 * AT_ONCE).map(|_| Turn::default()).collect();
        assert!(leaving.iter_mut().all(|turn| turn.poll(1, &context).is_pending()));
        let mut stays = Turn::default();
        assert!(stays.poll(1, &context).is_pending());
        drop(leaving);
        TURNS.with(Turns::next_round);
        assert!(stays.poll(1, &context).is_ready());
        assert!(TURNS.with(|turns| turns.line.borrow().is_empty()));
    });
}

#[test]
fn a_turn_stays_until_it_is_over() {
    on_a_thread(true, async || {
        let context = Context::from_waker(Waker::noop());
        let mut turn = Turn::default();
        assert!(turn.poll(1, &context).is_ready());
        fill_a_round();
        assert!(turn.poll(1, &context).is_ready());
        turn.begins();
        assert!(turn.poll(1, &context).is_pending());
        TURNS.with(Turns::next_round);
        assert!(turn.poll(1, &context).is_ready());
    });
}

#[test]
fn room_that_a_long_line_needed_is_given_back() {
    on_a_thread(true, async || {
        fill_a_round();
        let context = Context::from_waker(Waker::noop());
        let mut many: Vec<_> = (0..20 * AT_ONCE).map(|_| Turn::default()).collect();
        assert!(many.iter_mut().all(|turn| turn.poll(1, &context).is_pending()));
        drop(many);
        TURNS.with(Turns::next_round);
        let room = || TURNS.with(|turns| turns.line.borrow().capacity());
        let before = room();
        trim();
        assert!(room() <= before / 2, "{} of {before}", room());
    });
}

#[test]
fn without_rounds_nobody_waits() {
    on_a_thread(false, async || {
        for _ in 0..=AT_ONCE {
            has_turn().await;
        }
    });
}
