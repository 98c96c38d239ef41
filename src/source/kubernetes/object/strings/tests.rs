use super::*;

#[test]
fn texts_are_found_by_their_names() {
    let strings: Strings = [("b", "2"), ("a", ""), ("a.example/b", "x y")].into_iter().collect();
    assert_eq!(strings.iter().collect::<Vec<_>>(), [("a", ""), ("a.example/b", "x y"), ("b", "2")]);
    assert_eq!((strings.get("a"), strings.get("b"), strings.get("c")), (Some(""), Some("2"), None));
    assert_eq!(strings, [("a.example/b", "x y"), ("b", "2"), ("a", "")].into_iter().collect());
    assert!(!strings.is_empty() && Strings::default().is_empty() && Strings::default().iter().next().is_none());
}

#[test]
fn what_ends_a_text_cannot_be_in_it() {
    let strings: Strings = [("a", "x\0b\0y"), ("c", "3")].into_iter().collect();
    assert_eq!(strings.get("a"), Some("x\u{fffd}b\u{fffd}y"));
    assert_eq!((strings.get("b"), strings.get("c")), (None, Some("3")));
}

#[test]
fn they_are_written_and_read_as_a_map() {
    let strings: Strings = serde_json::from_str(r#"{"b": "2", "a": "1"}"#).unwrap();
    assert_eq!(serde_json::to_string(&strings).unwrap(), r#"{"a":"1","b":"2"}"#);
}
