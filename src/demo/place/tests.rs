use super::*;

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

#[test]
fn a_free_port_is_taken_as_it_is() {
    let (held, found) = free(local(0), "--port").unwrap();
    drop(held);
    assert_eq!(free(found, "--port").unwrap().1, found);
}

#[test]
fn a_busy_port_gives_way_to_the_next_free_one() {
    let (_held, busy) = free(local(0), "--port").unwrap();
    let (_also, found) = free(busy, "--port").unwrap();
    assert!(found.port() > busy.port(), "{found} after {busy}");
}

#[test]
fn an_address_that_is_not_ours_is_an_error() {
    // TEST-NET-1 (RFC 5737).
    let error = free("192.0.2.1:8080".parse().unwrap(), "--admin").unwrap_err();
    assert!(error.to_string().contains("--admin"), "{error}");
}

#[test]
fn the_configuration_is_valid() {
    let places = Places { proxy: local(8080), admin: local(9901), stable: local(1), canary: local(2) };
    let loaded = crate::source::file::parse(&places.configuration(), "demo.yaml", std::path::Path::new("")).unwrap();
    assert_eq!(loaded.settings.admin, Some(local(9901)));
    assert_eq!(loaded.model.listeners[0].address, local(8080));
    let split = &loaded.model.routes[0].rules[0].split;
    let weights: Vec<u32> = split.versions.iter().map(|version| version.weight.get()).collect();
    assert_eq!(weights, [95, 5]);
    assert!(split.guard.is_some() && split.rescue.is_some());
    // The one thing that a demo leaves out, and that its text names.
    let other = loaded.warnings.iter().find(|warning| !warning.message.contains("add state"));
    assert!(other.is_none(), "{other:?}");
}
