use super::*;

/// A server with these hosts; the empty text is for every host.
fn server(hosts: &[&str]) -> TlsServer {
    let host = |text: &&str| (!text.is_empty()).then(|| HostPattern::parse(text).expect("a host"));
    TlsServer {
        certificates: Vec::new(),
        client_ca: None,
        client_optional: false,
        only_tls13: false,
        hosts: hosts.iter().map(host).collect(),
    }
}

#[test]
fn a_request_for_another_host_of_the_port_is_misdirected() {
    let server = server(&["", "second.org", "*.wild.org", "own.wild.org"]);
    for (server_name, host, misdirected) in [
        ("first.org", "first.org", false),
        ("first.org", "unknown.org", false),
        ("first.org", "second.org", true),
        ("second.org", "second.org", false),
        ("second.org", "first.org", true),
        ("a.wild.org", "b.wild.org", false),
        ("a.wild.org", "own.wild.org", true),
        ("own.wild.org", "a.wild.org", true),
        ("a.wild.org", "unknown.org", true),
    ] {
        assert_eq!(server.is_misdirected(server_name, host), misdirected, "{server_name} {host}");
    }
}

#[test]
fn a_request_for_a_host_that_nobody_has_is_not_misdirected_but_unknown() {
    assert!(!server(&["second.org", "third.org"]).is_misdirected("second.org", "unknown.org"));
}

#[test]
fn without_hosts_nothing_is_misdirected() {
    assert!(!server(&[]).is_misdirected("a.org", "b.org"));
}
