use super::*;

fn section(lines: &[(&str, &str)]) -> FieldSection {
    let mut section = FieldSection::new();
    for (name, value) in lines {
        section.append(*name, value.as_bytes());
    }
    section
}

fn written(section: &FieldSection) -> String {
    let mut out = Vec::new();
    section.write_to(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn names_are_found_in_any_case_and_values_in_order() {
    let section = section(&[("X-A", "1"), ("Host", "h"), ("x-a", "2")]);
    assert_eq!(section.all("x-A").collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!(section.first(Field::Host), Some(&b"h"[..]));
    assert_eq!(section.nth(&HeaderName::from_static("x-a"), 1), Some(&b"2"[..]));
    assert!(!section.has("x-b"));
}

#[test]
fn what_is_removed_is_not_written_and_what_is_set_comes_last() {
    let mut section = section(&[("a", "1"), ("b", "2"), ("c", "3"), ("B", "4")]);
    section.remove("b");
    assert_eq!(written(&section), "a: 1\r\nc: 3\r\n");
    section.set("a", b"5");
    assert_eq!(written(&section), "c: 3\r\na: 5\r\n");
}

#[test]
fn elements_of_a_list_are_taken_from_all_lines() {
    let section = section(&[("connection", "a, b"), ("Connection", "c ,")]);
    assert_eq!(section.elements(Field::Connection).collect::<Vec<_>>(), [&b"a"[..], b"b", b"c", b""]);
}

#[test]
fn lines_of_a_head_are_written_as_they_came() {
    let head = b"GET / HTTP/1.1\r\nA:  1 \r\nB: 2\r\n\r\n";
    let mut section = FieldSection::of_head(head);
    section.line_at(Span::new(16, 17), Span::new(20, 21), 24);
    section.line_at(Span::new(24, 25), Span::new(27, 28), 30);
    assert_eq!(written(&section), "A:  1 \r\nB: 2\r\n");
    assert_eq!(section.first("a"), Some(&b"1"[..]));
    section.remove("b");
    section.append("c", b"3");
    assert_eq!(written(&section), "A:  1 \r\nc: 3\r\n");
}

#[test]
fn an_entry_is_a_line_that_keeps_its_mark() {
    let mut section = section(&[("a", "1")]);
    section.append_entry(Field::Cookie, b"cookie", b"b=2", true);
    section.append_entry(Field::Other, b"x-c", b"", false);
    assert_eq!(written(&section), "a: 1\r\ncookie: b=2\r\nx-c: \r\n");
    assert_eq!(section.first(Field::Cookie), Some(&b"b=2"[..]));
    let copy = section.clone();
    let marks: Vec<_> = copy.entries().map(|(field, _, _, sensitive)| (field, sensitive)).collect();
    assert_eq!(marks, [(Field::Other, false), (Field::Cookie, true), (Field::Other, false)]);
    let mut other = FieldSection::new();
    other.append_block(&Block::from(&section));
    assert!(other.entries().nth(1).is_some_and(|entry| entry.3));
}
