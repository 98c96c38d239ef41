use std::time::Duration;

use super::*;
use crate::model::StickyTo;
use crate::split::rendezvous::ID_LENGTH;

const ID: &[u8; ID_LENGTH] = b"0123456789abcdefghij-_";

fn sticky(ttl: Option<Duration>, keys: &[&str], mode: StickyMode) -> Sticky {
    let keys = keys.iter().map(|key| Arc::from(key.as_bytes())).collect();
    Sticky {
        client: ClientId::Cookie { name: "weir".into(), ttl, keys, attributes: Arc::default() },
        mode,
        to: StickyTo::Version,
        forgets: Vec::new(),
    }
}

fn header(sticky: &Sticky, pin: &str, secure: bool) -> String {
    let cookie = SetCookie::new(sticky, ID, pin, None).expect("a cookie");
    cookie.header(secure).expect("a header").to_str().expect("text").to_owned()
}

/// The attributes after the pair, in alphabetical order.
fn attributes(header: &str) -> Vec<&str> {
    let mut attributes: Vec<&str> = header.split("; ").skip(1).collect();
    attributes.sort_unstable();
    attributes
}

#[test]
fn the_cookie_is_for_the_whole_host_and_out_of_reach_of_scripts() {
    let header = header(&sticky(None, &[], StickyMode::Share), "r1", false);
    assert_eq!(attributes(&header), ["HttpOnly", "Path=/", "SameSite=Lax"]);
}

#[test]
fn the_cookie_is_secure_on_tls_only() {
    let sticky = sticky(None, &[], StickyMode::Share);
    assert_eq!(attributes(&header(&sticky, "r1", true)), ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]);
    assert!(!header(&sticky, "r1", false).contains("Secure"));
}

#[test]
fn the_cookie_lives_as_long_as_configured() {
    let day = sticky(Some(Duration::from_secs(86_400)), &[], StickyMode::Share);
    assert!(attributes(&header(&day, "r1", false)).contains(&"Max-Age=86400"));
    let session = sticky(None, &[], StickyMode::Share);
    assert!(!header(&session, "r1", false).contains("Max-Age"));
}

#[test]
fn mode_share_says_the_id_and_nothing_else() {
    let header = header(&sticky(None, &[], StickyMode::Share), "r1", false);
    assert_eq!(header.split_once("; ").unwrap().0, "weir=0123456789abcdefghij-_");
}

#[test]
fn mode_pin_says_the_id_and_the_revision() {
    let header = header(&sticky(None, &[], StickyMode::Pin), "r.1;x", false);
    assert_eq!(header.split_once("; ").unwrap().0, "weir=0123456789abcdefghij-_.r%2E1%3Bx");
}

#[test]
fn the_mac_is_hmac_sha_256_over_what_stands_before_it_cut_to_128_bits() {
    let header = header(&sticky(None, &["secret"], StickyMode::Pin), "r1", false);
    // printf %s '0123456789abcdefghij-_.r1' | openssl dgst -sha256 -hmac secret -binary | head -c 16 | base64
    assert_eq!(header.split_once("; ").unwrap().0, "weir=0123456789abcdefghij-_.r1.rFXV4tV6Mh10c6ZRimcYDw");
}

#[test]
fn clients_that_are_told_apart_otherwise_get_no_cookie() {
    for client in [ClientId::SourceAddress, ClientId::Header(http::header::AUTHORIZATION)] {
        assert_eq!(SetCookie::new(&Sticky { client, ..sticky(None, &[], StickyMode::Share) }, ID, "r1", None), None);
    }
}

#[test]
fn what_is_set_is_what_is_parsed() {
    let keys = [Arc::from(&b"k"[..])];
    for (names, keys) in [(&["k"][..], &keys[..]), (&[], &[])] {
        for (mode, pin) in [(StickyMode::Share, None), (StickyMode::Pin, Some("r%2E1"))] {
            let header = header(&sticky(None, names, mode), "r.1", false);
            let value = header.split_once("; ").unwrap().0.strip_prefix("weir=").unwrap();
            let parsed = StickyCookie::parse(value.as_bytes(), mode, keys);
            assert_eq!(parsed, Some(StickyCookie { id: ID, pin, endpoint: None }));
            assert_eq!(parsed.unwrap().pins("r.1"), mode == StickyMode::Pin);
        }
    }
}

#[test]
fn a_cookie_of_the_other_mode_counts_as_none() {
    assert_eq!(StickyCookie::parse(ID, StickyMode::Pin, &[]), None);
    assert_eq!(StickyCookie::parse(b"0123456789abcdefghij-_.r1", StickyMode::Share, &[]), None);
    assert_eq!(StickyCookie::parse(b"0123456789abcdefghij-_.r1.x", StickyMode::Pin, &[]), None);
}

#[test]
fn a_pin_is_to_the_whole_revision() {
    let cookie = StickyCookie::parse(b"0123456789abcdefghij-_.r1", StickyMode::Pin, &[]).unwrap();
    assert!(cookie.pins("r1"));
    for other in ["", "r", "r11", "R1", "xr1"] {
        assert!(!cookie.pins(other), "{other}");
    }
}

#[test]
fn a_pinned_cookie_may_name_an_endpoint_too() {
    for keys in [&[][..], &["0123456789abcdef"]] {
        let sticky = sticky(None, keys, StickyMode::Pin);
        let ClientId::Cookie { keys, .. } = &sticky.client else { panic!("{sticky:?}") };
        let value = SetCookie::new(&sticky, ID, "r.1", Some(0xabc)).unwrap().value;
        let parsed = StickyCookie::parse(value.as_bytes(), StickyMode::Pin, keys).unwrap();
        assert_eq!((parsed.pins("r.1"), parsed.endpoint), (true, Some(0xabc)));
    }
    let mac_without_keys = format!("{}.r1.AAAAAAAAAAAAAAAAAAAAAA", std::str::from_utf8(ID).unwrap());
    assert_eq!(StickyCookie::parse(mac_without_keys.as_bytes(), StickyMode::Pin, &[]), None);
}

#[test]
fn attributes_are_as_configured() {
    let mut sticky = sticky(Some(Duration::from_secs(60)), &[], StickyMode::Share);
    let ClientId::Cookie { attributes, .. } = &mut sticky.client else { panic!("{sticky:?}") };
    *attributes = Arc::new(CookieAttributes {
        path: "/shop".into(),
        domain: Some("example.com".into()),
        same_site: None,
        secure: true,
        expires: Some(Duration::from_secs(3600)),
    });
    let header = header(&sticky, "r1", false);
    let told = attributes_but_expires(&header);
    assert_eq!(told, ["Domain=example.com", "HttpOnly", "Max-Age=60", "Path=/shop", "Secure"]);
    assert!(header.contains("Expires="), "{header}");
}

fn attributes_but_expires(header: &str) -> Vec<&str> {
    attributes(header).into_iter().filter(|attribute| !attribute.starts_with("Expires=")).collect()
}
