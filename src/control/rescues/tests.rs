use super::*;

const CANARY: VersionId = VersionId(7);

fn counted(version: VersionId, causes: &[(Reason, u64)]) -> Vec<(VersionId, Causes)> {
    vec![(version, causes.to_vec())]
}

#[tokio::test(start_paused = true)]
async fn the_first_rescues_of_a_version_are_told_of_at_once_and_those_that_follow_together() {
    let mut rescues = Rescues::default();
    let one = counted(CANARY, &[(Reason::Status, 1)]);
    assert_eq!(rescues.due(one.clone(), Instant::now()), one);
    let more = counted(CANARY, &[(Reason::Status, 500), (Reason::Reset, 3)]);
    tokio::time::advance(PACE - Duration::from_millis(1)).await;
    assert_eq!(rescues.due(more.clone(), Instant::now()), []);
    tokio::time::advance(Duration::from_millis(1)).await;
    let since = counted(CANARY, &[(Reason::Status, 499), (Reason::Reset, 3)]);
    assert_eq!(rescues.due(more.clone(), Instant::now()), since);
    tokio::time::advance(PACE).await;
    assert_eq!(rescues.due(more, Instant::now()), [], "nothing has come since");
}

#[tokio::test(start_paused = true)]
async fn versions_do_not_wait_for_each_other() {
    let mut rescues = Rescues::default();
    let (one, other) = (counted(CANARY, &[(Reason::Status, 1)]), counted(VersionId(8), &[(Reason::Reset, 2)]));
    assert_eq!(rescues.due(one.clone(), Instant::now()), one);
    assert_eq!(rescues.due([one, other.clone()].concat(), Instant::now()), other);
}

#[test]
fn it_is_said_how_many_and_why() {
    assert_eq!(
        told(&vec![(Reason::Status, 1)]),
        "1 request that failed here was repeated on another version (1 status)"
    );
    let many = vec![(Reason::Status, 4), (Reason::ConnectFailed, 2)];
    let words = "6 requests that failed here were repeated on another version (4 status, 2 connect_failed)";
    assert_eq!(told(&many), words);
}
