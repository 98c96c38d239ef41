use super::*;

#[test]
fn a_listener_has_an_address_and_a_port() {
    let listen = |text: &str| listen(text).ok().map(|address| address.to_string());
    assert_eq!(listen("0.0.0.0:8080").as_deref(), Some("0.0.0.0:8080"));
    assert_eq!(listen("[::1]:80").as_deref(), Some("[::1]:80"));
    assert_eq!(listen(":8080").as_deref(), Some("[::]:8080"));
    for text in ["", ":", "8080", ":+80", ":70000", "localhost:80", "0.0.0.0", "::1:80"] {
        assert_eq!(listen(text), None, "{text}");
    }
}

#[test]
fn a_network_is_an_address_with_or_without_bits() {
    let network = |text: &str| network(text).ok().map(|(address, bits)| format!("{address}/{bits}"));
    assert_eq!(network("10.0.0.0/8").as_deref(), Some("10.0.0.0/8"));
    assert_eq!(network("10.1.2.3").as_deref(), Some("10.1.2.3/32"));
    assert_eq!(network("::1").as_deref(), Some("::1/128"));
    for text in ["", "10.0.0.0/33", "10.0.0.0/", "::/129", "10.0.0/8", "a/8"] {
        assert_eq!(network(text), None, "{text}");
    }
}

#[test]
fn an_endpoint_has_a_host_and_a_port() {
    let endpoint = |text: &str| endpoint(text).map(|e| format!("{:?} {} {}", e.scheme, e.host, e.port)).ok();
    assert_eq!(endpoint("a:80").as_deref(), Some("Http a 80"));
    assert_eq!(endpoint("http://a.b:80").as_deref(), Some("Http a.b 80"));
    assert_eq!(endpoint("https://[::1]:443").as_deref(), Some("Https ::1 443"));
    assert_eq!(endpoint("h2c://10.0.0.1:1").as_deref(), Some("H2c 10.0.0.1 1"));
    for text in
        ["", ":80", "a:0", "a:65536", "a:b", "a:80/", "ws://a:80", "[a]:80", "[::1]80", "::1:80", "a b:80", "a:b:80"]
    {
        assert_eq!(endpoint(text), None, "{text}");
    }
}

#[test]
fn a_missing_port_is_told_as_such() {
    assert_eq!(endpoint("https://a"), Err(AddressError::Port("https://a".into())));
    assert_eq!(endpoint("[::1]"), Err(AddressError::Port("[::1]".into())));
}
