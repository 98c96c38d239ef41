use super::*;

fn endpoint() -> Arc<Endpoint> {
    Arc::new(Endpoint::new(EndpointId(1), "10.0.0.1:80".parse().unwrap(), None, Arc::default()))
}

// Copies.

#[test]
fn a_copy_is_no_request_in_flight() {
    let endpoint = endpoint();
    let copies: Vec<_> = (0..4).map(|_| endpoint.begin_copy(4).unwrap()).collect();
    assert_eq!(endpoint.in_flight(), 0);
    let line = Arc::new(Line::default());
    let requests: Vec<_> = (0..4).map(|_| endpoint.begin_within(4, &line).unwrap()).collect();
    assert!(endpoint.begin_within(4, &line).is_none());
    drop((copies, requests));
    assert_eq!(endpoint.in_flight(), 0);
}

#[test]
fn a_copy_begins_only_where_requests_and_copies_leave_room() {
    let endpoint = endpoint();
    let request = endpoint.begin();
    let first = endpoint.begin_copy(2).unwrap();
    assert!(endpoint.begin_copy(2).is_none());
    drop(request);
    let second = endpoint.begin_copy(2).unwrap();
    assert!(endpoint.begin_copy(2).is_none());
    drop(first);
    assert!(endpoint.begin_copy(2).is_some(), "what did not begin takes no room");
    drop(second);
}
