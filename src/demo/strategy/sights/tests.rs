use super::*;

fn at(start: Instant, millis: u64) -> Instant {
    start + Duration::from_millis(millis)
}

/// Answers of versions to clients: (client, kind, begun, ended, version), times in milliseconds.
fn sights(start: Instant, all: &[(usize, Kind, u64, u64, &str)]) -> Sights {
    let sight = |(client, kind, begun, ended, version): &(usize, Kind, u64, u64, &str)| Sight {
        client: *client,
        kind: *kind,
        begun: at(start, *begun),
        ended: at(start, *ended),
        outcome: Ok((*version).into()),
    };
    Sights { all: all.iter().map(sight).collect(), ..Sights::default() }
}

#[test]
fn what_is_lost_is_every_failure_and_every_stream_that_was_cut() {
    let start = Instant::now();
    let mut sights = sights(start, &[(0, Kind::Short, 0, 1, "v1")]);
    assert_eq!(sights.lost(), Vec::<&str>::new());
    let failed = Sight { outcome: Err("answered 503".to_owned()), ..sights.all[0].clone() };
    sights.all.push(failed);
    sights.cut.push("WebSocket messages: reset".to_owned());
    sights.asked = 3;
    assert_eq!(sights.lost(), ["answered 503", "WebSocket messages: reset"]);
}

#[test]
fn who_saw_two_versions_is_told_by_client_and_until_the_rollback() {
    let start = Instant::now();
    let sights = sights(
        start,
        &[
            (1, Kind::Sticky, 0, 1, "v1"),
            (1, Kind::Sticky, 10, 11, "v2"),
            (2, Kind::Sticky, 0, 1, "v1"),
            (3, Kind::Sticky, 0, 1, "v1"),
            (3, Kind::Sticky, 10, 11, "v2"),
            (3, Kind::Sticky, 20, 21, "v1"),
            (2, Kind::Sticky, 60, 61, "v2"),
            (4, Kind::Short, 0, 1, "v1"),
            (4, Kind::Short, 10, 11, "v2"),
        ],
    );
    assert_eq!(sights.two_versions(("v1", "v2"), at(start, 50)), (3, 2, 1));
}

#[test]
fn a_rollback_is_over_once_the_old_version_alone_answers() {
    let start = Instant::now();
    let versions = ("v1", "v2");
    let seen = sights(
        start,
        &[
            // Asked for before the decision: it counts for nothing, however late it is answered.
            (1, Kind::Short, 99, 150, "v2"),
            (1, Kind::Short, 101, 104, "v1"),
            (2, Kind::Short, 102, 110, "v2"),
            (3, Kind::Short, 103, 105, "v1"),
            // What a stream gets comes from where it began.
            (4, Kind::WebSocket, 500, 501, "v2"),
        ],
    );
    assert_eq!(seen.rolled_back(versions, at(start, 100)), Some(Duration::from_millis(4)));
    let slow = sights(start, &[(1, Kind::Short, 101, 104, "v1"), (1, Kind::Short, 140, 141, "v2")]);
    assert_eq!(slow.rolled_back(versions, at(start, 100)), Some(Duration::from_millis(40)));
    let never = sights(start, &[(1, Kind::Short, 101, 104, "v2")]);
    assert_eq!(never.rolled_back(versions, at(start, 100)), None);
}

#[test]
fn a_gap_is_there_only_if_no_answers_overlap() {
    let start = Instant::now();
    let span = (start, at(start, 1000));
    let apart = sights(start, &[(1, Kind::Short, 0, 10, "v1"), (2, Kind::Events, 0, 30, "v2")]);
    assert_eq!(apart.gap(("v1", "v2"), span), Some(Duration::from_millis(20)));
    let mixed =
        sights(start, &[(1, Kind::Short, 0, 10, "v1"), (2, Kind::Short, 0, 30, "v2"), (1, Kind::Events, 0, 31, "v1")]);
    assert_eq!(mixed.gap(("v1", "v2"), span), None);
    assert_eq!(apart.gap(("v2", "v3"), span), None);
    // The one that ends need not answer once more after that was decided.
    assert_eq!(apart.gap(("v1", "v2"), (at(start, 20), at(start, 1000))), Some(Duration::from_millis(20)));
}

#[test]
fn an_answer_of_the_wrong_group_is_astray() {
    let start = Instant::now();
    let sights = sights(
        start,
        &[
            (1, Kind::Short, 0, 1, "a"),
            (2, Kind::Member, 0, 1, "b"),
            (3, Kind::Sticky, 0, 1, "b"),
            (2, Kind::Member, 5, 6, "a"),
            // After the end of the experiment.
            (2, Kind::Member, 50, 51, "a"),
        ],
    );
    assert_eq!(sights.astray(("a", "b"), at(start, 50)), 2);
}

#[test]
fn a_share_is_of_short_requests_that_were_asked_for_within_its_time() {
    let start = Instant::now();
    let sights = sights(
        start,
        &[
            (1, Kind::Short, 0, 1, "v2"),
            (1, Kind::Short, 10, 11, "v1"),
            (1, Kind::Short, 20, 21, "v2"),
            (2, Kind::Sticky, 20, 21, "v2"),
            (1, Kind::Short, 30, 31, "v2"),
        ],
    );
    let share = sights.share("v2", (at(start, 5), at(start, 30)));
    assert!((share - 0.5).abs() < 1e-9, "{share}");
}
