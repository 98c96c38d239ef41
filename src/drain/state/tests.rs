use tokio::time::advance;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const SETTLE: Duration = Duration::from_secs(10);

fn endpoint() -> Terms {
    Terms::new(SECOND * 60, SECOND * 5)
}

fn unwanted(cause: Cause, settle: Duration) -> Event {
    Event::Unwanted { cause, settle }
}

/// It settles since then.
fn settling(since: Instant, cause: Cause) -> DrainState {
    DrainState::Settling { settling: Settling { since, until: since + SETTLE }, cause }
}

/// Something that drains, by the clock.
struct Thing {
    state: DrainState,
    terms: Terms,
}

impl Thing {
    fn new(terms: Terms) -> Self {
        Self { state: DrainState::Serving, terms }
    }

    fn takes(&mut self, event: Event) -> DrainState {
        self.state = self.state.step(event, Instant::now(), &self.terms);
        self.state
    }

    /// Lets so much time pass, a tenth of a second at a time.
    async fn passes(&mut self, time: Duration) -> DrainState {
        for _ in 0..time.as_millis() / 100 {
            advance(SECOND / 10).await;
            self.takes(Event::Tick);
        }
        self.state
    }

    fn ends_in(&mut self, time: Option<Duration>) {
        self.terms.end = time.map(|time| Instant::now() + time);
    }

    /// How long it is until what is left is cut.
    fn left(&self) -> Option<Duration> {
        match self.state {
            DrainState::Draining { deadline, .. } => Some(deadline - Instant::now()),
            _ => None,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_without_weight_drains_once_it_has_settled_and_is_closed_once_it_is_empty() {
    let mut endpoint = Thing::new(endpoint());
    let begun = Instant::now();
    let settling = settling(begun, Cause::Weight);
    assert_eq!(endpoint.takes(unwanted(Cause::Weight, SETTLE)), settling);
    assert_eq!(endpoint.passes(SECOND * 9).await, settling);
    let (since, deadline) = (begun + SETTLE, begun + SETTLE + SECOND * 60);
    let settling = Settling { since: begun, until: since };
    let draining = DrainState::Draining { since, deadline, settling, cause: Cause::Weight };
    assert_eq!(endpoint.passes(SECOND).await, draining);
    assert_eq!(endpoint.passes(SECOND * 30).await, draining);
    assert_eq!(endpoint.takes(Event::Empty), DrainState::Closed);
}

#[tokio::test(start_paused = true)]
async fn without_settling_it_drains_at_once() {
    let mut endpoint = Thing::new(endpoint());
    assert!(endpoint.takes(unwanted(Cause::Removed, Duration::ZERO)).is_draining());
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_an_endpoint_is_waited_for_until_it_was_cut_and_had_its_grace() {
    let mut endpoint = Thing::new(endpoint());
    endpoint.takes(unwanted(Cause::Removed, Duration::ZERO));
    assert!(endpoint.passes(SECOND * 64).await.is_draining());
    assert_eq!(endpoint.passes(SECOND).await, DrainState::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_only_moves_never_drains() {
    let mut endpoint = Thing::new(endpoint());
    endpoint.takes(unwanted(Cause::Removed, SETTLE));
    endpoint.passes(SECOND * 3).await;
    endpoint.takes(Event::Wanted);
    assert_eq!(endpoint.passes(SECOND * 30).await, DrainState::Serving);
}

#[tokio::test(start_paused = true)]
async fn what_terminates_does_not_wait() {
    let mut other = Thing::new(endpoint());
    assert!(other.takes(unwanted(Cause::Terminating, SETTLE)).is_draining());
    let mut endpoint = Thing::new(endpoint());
    endpoint.takes(unwanted(Cause::Weight, SETTLE));
    endpoint.passes(SECOND).await;
    assert!(endpoint.takes(unwanted(Cause::Terminating, SETTLE)).is_draining());
}

#[tokio::test(start_paused = true)]
async fn being_unwanted_twice_begins_nothing_anew() {
    let mut endpoint = Thing::new(endpoint());
    let begun = Instant::now();
    endpoint.takes(unwanted(Cause::Weight, SETTLE));
    endpoint.passes(SECOND * 5).await;
    let settling = settling(begun, Cause::Removed);
    assert_eq!(endpoint.takes(unwanted(Cause::Removed, SETTLE)), settling);
    let draining = endpoint.passes(SECOND * 5).await;
    endpoint.passes(SECOND * 10).await;
    assert_eq!(endpoint.takes(unwanted(Cause::Weight, SETTLE)), draining);
    assert_eq!(endpoint.takes(Event::Wanted), DrainState::Serving);
}

#[tokio::test(start_paused = true)]
async fn what_is_closed_stays_so_until_it_is_wanted() {
    let mut endpoint = Thing::new(endpoint());
    endpoint.state = DrainState::Closed;
    for event in [unwanted(Cause::Weight, SETTLE), Event::Tick, Event::Empty, Event::Hurry] {
        assert_eq!(endpoint.takes(event), DrainState::Closed);
    }
    assert_eq!(endpoint.takes(Event::Wanted), DrainState::Serving);
}

#[tokio::test(start_paused = true)]
async fn a_version_keeps_its_sticky_clients_for_as_long_as_its_endpoints_may_drain() {
    let mut version = Thing::new(Terms::new(SECOND * 60, Duration::ZERO));
    version.takes(unwanted(Cause::Weight, SETTLE));
    assert!(version.passes(SECOND * 69).await.is_draining());
    assert_eq!(version.passes(SECOND).await, DrainState::Closed);
    assert_eq!(version.takes(Event::Wanted), DrainState::Serving);
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_goes_drains_at_once_until_its_deadline_and_one_that_comes_back_does_not() {
    let mut listener = Thing::new(endpoint());
    assert!(listener.takes(unwanted(Cause::Listener, Duration::ZERO)).is_draining());
    assert_eq!(listener.left(), Some(SECOND * 60));
    assert!(listener.passes(SECOND * 64).await.is_draining());
    let mut back = Thing { state: listener.state, ..listener };
    assert_eq!(back.takes(Event::Wanted), DrainState::Serving);
    assert_eq!(listener.passes(SECOND).await, DrainState::Closed);
}

fn process() -> Thing {
    Thing::new(Terms::new(SECOND * 60, Duration::ZERO))
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_told_to_end_serves_for_its_delay_and_drains_until_nothing_is_in_flight() {
    let mut process = process();
    process.takes(unwanted(Cause::Shutdown, SECOND * 5));
    process.passes(SECOND * 4).await;
    // It may be idle; who comes within the delay is served all the same.
    assert!(matches!(process.takes(Event::Empty), DrainState::Settling { .. }));
    assert!(process.passes(SECOND).await.is_draining());
    assert_eq!(process.takes(Event::Empty), DrainState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_process_ends_at_its_deadline() {
    let mut process = process();
    process.takes(unwanted(Cause::Shutdown, SECOND * 5));
    process.passes(SECOND * 5).await;
    assert!(process.passes(SECOND * 59).await.is_draining());
    assert_eq!(process.passes(SECOND).await, DrainState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_ends_a_process_at_once() {
    for waited in [1, 30] {
        let mut process = process();
        process.takes(unwanted(Cause::Shutdown, SECOND * 5));
        process.passes(SECOND * waited).await;
        assert_eq!(process.takes(Event::Hurry), DrainState::Closed);
    }
    assert_eq!(process().takes(Event::Hurry), DrainState::Serving, "it was not told to end");
}

#[tokio::test(start_paused = true)]
async fn what_ends_by_itself_drains_before_that() {
    let mut endpoint = Thing::new(endpoint());
    endpoint.ends_in(Some(SECOND * 30));
    endpoint.takes(unwanted(Cause::Weight, Duration::ZERO));
    assert_eq!(endpoint.left(), Some(SECOND * 29));
}

#[tokio::test(start_paused = true)]
async fn a_drain_is_never_lengthened() {
    let mut endpoint = Thing::new(endpoint());
    endpoint.takes(unwanted(Cause::Weight, Duration::ZERO));
    endpoint.ends_in(Some(SECOND * 600));
    endpoint.passes(SECOND).await;
    assert_eq!(endpoint.left(), Some(SECOND * 59));
}

#[tokio::test(start_paused = true)]
async fn what_settles_drains_early_enough_for_its_whole_spread() {
    let mut endpoint = Thing::new(Terms { spread: SECOND * 20, ..endpoint() });
    endpoint.ends_in(Some(SECOND * 66));
    endpoint.takes(unwanted(Cause::Weight, SECOND * 60));
    assert!(!endpoint.passes(SECOND * 449 / 10).await.is_draining());
    assert!(endpoint.passes(SECOND / 10).await.is_draining());
    assert_eq!(endpoint.left(), Some(SECOND * 20));
}

#[tokio::test(start_paused = true)]
async fn what_ends_sooner_than_that_settles_for_half_of_the_time() {
    let mut endpoint = Thing::new(endpoint());
    endpoint.takes(unwanted(Cause::Weight, SETTLE));
    endpoint.passes(SECOND).await;
    endpoint.ends_in(Some(SECOND * 9));
    assert!(!endpoint.passes(SECOND * 39 / 10).await.is_draining());
    assert!(endpoint.passes(SECOND / 10).await.is_draining());
    assert_eq!(endpoint.left(), Some(SECOND * 45 / 10));
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_moved_is_followed() {
    let mut endpoint = Thing::new(endpoint());
    endpoint.ends_in(Some(SECOND * 30));
    endpoint.takes(unwanted(Cause::Weight, Duration::ZERO));
    endpoint.ends_in(Some(SECOND * 50));
    endpoint.takes(Event::Tick);
    assert_eq!(endpoint.left(), Some(SECOND * 49));
    endpoint.ends_in(Some(SECOND * 20));
    endpoint.takes(Event::Tick);
    assert_eq!(endpoint.left(), Some(SECOND * 19));
    endpoint.ends_in(None);
    endpoint.takes(Event::Tick);
    assert_eq!(endpoint.left(), Some(SECOND * 60));
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_taken_back_lets_it_settle_again_for_what_is_left_of_that() {
    let mut endpoint = Thing::new(endpoint());
    let begun = Instant::now();
    endpoint.ends_in(Some(SECOND * 2));
    endpoint.takes(unwanted(Cause::Weight, SETTLE));
    assert!(endpoint.passes(SECOND).await.is_draining());
    endpoint.ends_in(None);
    let settling = settling(begun, Cause::Weight);
    assert_eq!(endpoint.passes(SECOND).await, settling);
    assert!(endpoint.passes(SECOND * 8).await.is_draining());
}

#[tokio::test(start_paused = true)]
async fn one_that_terminates_meanwhile_does_not_settle_again() {
    let mut endpoint = Thing::new(endpoint());
    endpoint.ends_in(Some(SECOND * 2));
    endpoint.takes(unwanted(Cause::Weight, SETTLE));
    assert!(endpoint.passes(SECOND).await.is_draining());
    endpoint.takes(unwanted(Cause::Terminating, SETTLE));
    endpoint.ends_in(None);
    assert!(endpoint.passes(SECOND).await.is_draining());
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_already_leaves_those_that_are_there_a_moment() {
    let mut endpoint = Thing::new(endpoint());
    endpoint.ends_in(Some(Duration::ZERO));
    endpoint.takes(unwanted(Cause::Ending, Duration::ZERO));
    assert_eq!(endpoint.left(), Some(LEAST));
}
