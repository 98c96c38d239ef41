use std::net::Ipv4Addr;

use super::*;
use crate::source::kubernetes::report::ListenerReport;

fn listener(name: &str) -> Arc<Listener> {
    Arc::new(Listener {
        name: name.into(),
        address: (Ipv4Addr::LOCALHOST, 1).into(),
        tls: None,
        proxy_protocol: false,
        advertised_port: None,
        reserved: false,
        isolated: Vec::new(),
    })
}

/// The names of those of `a` and `b` that are not left out.
fn left(refused: &mut Refused) -> Vec<Arc<str>> {
    let mut listeners = vec![listener("a"), listener("b")];
    refused.leave_out(&mut listeners);
    listeners.iter().map(|listener| Arc::clone(&listener.name)).collect()
}

#[test]
fn what_cannot_be_bound_is_left_out_until_it_is_tried_again() {
    let (mut refused, now) = (Refused::default(), Instant::now());
    assert!(refused.refuse("a", "taken".to_owned(), now));
    assert_eq!((left(&mut refused), refused.why("a")), (vec!["b".into()], Some("taken")));
    assert!(!refused.retry(now + FIRST / 2));
    assert!(refused.retry(now + FIRST));
    assert_eq!((left(&mut refused).len(), refused.why("a")), (2, None));
    assert!(refused.settle() && !refused.settle());
}

#[test]
fn each_failure_in_a_row_is_waited_for_twice_as_long_up_to_the_longest() {
    let (mut refused, now) = (Refused::default(), Instant::now());
    let mut wait = || {
        refused.refuse("a", "taken".to_owned(), now);
        let wait = refused.next().unwrap() - now;
        refused.retry(now + LONGEST);
        wait
    };
    assert_eq!((wait(), wait(), wait()), (FIRST, FIRST * 2, FIRST * 4));
    assert_eq!((0..20).map(|_| wait()).last(), Some(LONGEST));
}

#[test]
fn what_nobody_wants_any_more_is_forgotten() {
    let (mut refused, now) = (Refused::default(), Instant::now());
    refused.refuse("gone", "taken".to_owned(), now);
    assert_eq!(left(&mut refused).len(), 2);
    assert!(refused.refuse("gone", "taken".to_owned(), now), "it begins anew");
}

#[test]
fn the_gateway_and_the_listeners_of_that_port_say_why() {
    let programmed = || vec![Condition::holds("Programmed", "Programmed", "")];
    let listener = |port: u16| ListenerReport {
        name: port.to_string().into(),
        port,
        attached_routes: 0,
        supported_kinds: Vec::new(),
        conditions: programmed(),
    };
    let mut report =
        Report { conditions: programmed(), listeners: vec![listener(80), listener(81)], ..Report::default() };
    say(&mut report, &[(80, "address in use")]);
    let told = [&report.conditions, &report.listeners[0].conditions, &report.listeners[1].conditions];
    assert_eq!(told.map(|conditions| conditions[0].holds), [false, false, true]);
    assert!(
        report.conditions[0].message.contains("port 80") && report.conditions[0].message.contains("address in use")
    );
}
