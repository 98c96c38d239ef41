use super::super::{Decoder, Entry};
use super::*;
use crate::message::Span;

/// The block of field lines.
fn block(encoder: &mut Encoder, lines: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    encoder.begin(&mut out);
    for (name, value) in lines {
        encoder.field(Field::of(name.as_bytes()), name.as_bytes(), value.as_bytes(), false, &mut out);
    }
    out
}

fn pseudo(encoder: &mut Encoder, name: Pseudo, value: &str) -> Vec<u8> {
    let mut out = Vec::new();
    encoder.pseudo(name, value.as_bytes(), &mut out);
    out
}

#[test]
fn a_value_that_repeats_is_one_byte() {
    let mut encoder = Encoder::new();
    let lines = [("Server", "weir"), ("x-other", "1"), ("Vary", "accept")];
    assert!(block(&mut encoder, &lines).len() > 3);
    assert_eq!(block(&mut encoder, &lines), [0xc0, 0xbf, 0xbe]);
}

#[test]
fn two_values_of_a_field_that_take_turns_are_both_kept() {
    let mut encoder = Encoder::new();
    let lines = [("vary", "accept"), ("vary", "origin")];
    block(&mut encoder, &lines);
    block(&mut encoder, &lines);
    assert_eq!(block(&mut encoder, &lines), [0xbf, 0xbe]);
    assert_eq!(block(&mut encoder, &lines), [0xbf, 0xbe]);
}

#[test]
fn a_value_after_the_first_goes_into_the_table_when_it_comes_twice() {
    let mut encoder = Encoder::new();
    for (second, length) in [(1, 1), (2, 1), (2, 2), (3, 2), (4, 2), (4, 3)] {
        block(&mut encoder, &[("date", &format!("Mon, 21 Oct 2013 20:13:0{second} GMT"))]);
        assert_eq!(encoder.table.len(), length, "{second}");
    }
}

#[test]
fn what_hardly_repeats_is_a_plain_literal() {
    let mut encoder = Encoder::new();
    for _ in 0..3 {
        assert_eq!(block(&mut encoder, &[("content-length", "12")]), b"\x0f\x0d\x0212");
        assert_eq!(block(&mut encoder, &[("X-Request-Id", "1")]), b"\x00\x0cx-request-id\x011");
    }
}

#[test]
fn credentials_cookies_and_what_is_said_to_be_sensitive_are_never_indexed() {
    let mut encoder = Encoder::new();
    for _ in 0..2 {
        assert_eq!(block(&mut encoder, &[("authorization", "a")]), b"\x1f\x08\x01a");
        assert_eq!(block(&mut encoder, &[("proxy-authorization", "a")]), b"\x1f\x22\x01a");
        assert_eq!(block(&mut encoder, &[("cookie", "a=1")]), b"\x1f\x11\x03a=1");
        assert_eq!(block(&mut encoder, &[("set-cookie", "a=1")]), b"\x1f\x28\x03a=1");
        let mut out = Vec::new();
        encoder.field(Field::Other, b"X-Key", b"k", true, &mut out);
        assert_eq!(out, b"\x10\x05x-key\x01k");
    }
}

#[test]
fn a_value_of_more_than_a_quarter_of_the_table_stays_out_of_it() {
    let mut encoder = Encoder::new();
    let long = "a".repeat(1024 - 32 - "server".len());
    block(&mut encoder, &[("server", &format!("{long}a"))]);
    assert_eq!(encoder.table.len(), 0);
    let mut encoder = Encoder::new();
    block(&mut encoder, &[("server", &long)]);
    assert_eq!(encoder.table.len(), 1);
}

#[test]
fn pairs_of_the_static_table_are_one_byte_at_once() {
    let mut encoder = Encoder::new();
    let mut pairs = 0;
    for (at, entry) in STATIC.iter().enumerate().filter(|(_, entry)| !entry.value.is_empty()) {
        let written = match entry.key.pseudo {
            Some(name) => pseudo(&mut encoder, name, entry.value),
            None => block(&mut encoder, &[(entry.name, entry.value)]),
        };
        assert_eq!(written, [0x81 + at as u8], "{}: {}", entry.name, entry.value);
        pairs += 1;
    }
    assert_eq!((pairs, encoder.table.len()), (14, 0));
}

#[test]
fn a_path_goes_into_the_table_when_it_comes_twice_and_never_with_a_query() {
    let mut encoder = Encoder::new();
    for length in [21, 16, 1, 1] {
        assert_eq!(pseudo(&mut encoder, Pseudo::Path, "/pkg.Service/Method").len(), length);
    }
    for _ in 0..3 {
        assert_eq!(pseudo(&mut encoder, Pseudo::Path, "/a?b"), b"\x04\x04/a?b");
    }
}

#[test]
fn a_smaller_table_is_told_at_the_start_of_the_next_block_with_the_lowest_size_before_it() {
    let mut encoder = Encoder::new();
    block(&mut encoder, &[("server", "weir")]);
    encoder.resize(65_536);
    assert_eq!(block(&mut encoder, &[]), b"");
    encoder.resize(0);
    encoder.resize(30);
    encoder.resize(1000);
    assert_eq!(block(&mut encoder, &[]), b"\x20\x3f\xc9\x07");
    assert_eq!(encoder.table.len(), 0);
    assert_eq!(block(&mut encoder, &[]), b"");
    encoder.resize(30);
    assert_eq!(block(&mut encoder, &[("server", "weir")]), b"\x3e\x0f\x27\x04weir");
}

fn section(lines: &[(&str, &str)]) -> FieldSection {
    let mut fields = FieldSection::new();
    lines.iter().for_each(|(name, value)| fields.append(*name, value.as_bytes()));
    fields
}

/// The block of a section, after the decoder has found in it what the section says.
fn checked(encoder: &mut Encoder, decoder: &mut Decoder, fields: &FieldSection) -> Vec<u8> {
    let mut out = Vec::new();
    encoder.begin(&mut out);
    encoder.section(fields, &mut out);
    let mut decoded = Vec::new();
    let each = &mut |entry: Entry<'_>| decoded.push((entry.name.to_vec(), entry.value.to_vec(), entry.sensitive));
    decoder.decode(&out, each).unwrap();
    let said = fields.entries().map(|(_, name, value, mark)| (name.to_ascii_lowercase(), value.to_vec(), mark));
    assert_eq!(decoded, said.collect::<Vec<_>>());
    out
}

/// Both ends, after a section has come so often that it is remembered.
fn after(lines: &[(&str, &str)]) -> (Encoder, Decoder) {
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(TABLE));
    (0..4).for_each(|_| _ = checked(&mut encoder, &mut decoder, &section(lines)));
    assert!(encoder.sequence.knows() > 0);
    (encoder, decoder)
}

const LINES: [(&str, &str); 4] = [("Server", "weir"), ("x-one", "1"), ("vary", "accept"), ("x-two", "2")];

#[test]
fn a_section_that_comes_again_is_its_indices() {
    let (mut encoder, mut decoder) = after(&LINES);
    assert_eq!(checked(&mut encoder, &mut decoder, &section(&LINES)), [0xc1, 0xc0, 0xbf, 0xbe]);
    assert_eq!(encoder.sequence.knows(), 4);
}

#[test]
fn lines_may_be_left_out_added_changed_or_in_another_order() {
    let (mut encoder, mut decoder) = after(&LINES);
    for at in 0..LINES.len() {
        let (mut without, mut more, mut other, mut turned) =
            (LINES.to_vec(), LINES.to_vec(), LINES.to_vec(), LINES.to_vec());
        without.remove(at);
        more.insert(at, ("x-new", "1"));
        other[at].1 = "another";
        turned.rotate_left(at);
        for lines in [without, more, other, turned] {
            checked(&mut encoder, &mut decoder, &section(&lines));
        }
    }
}

#[test]
fn an_entry_that_was_evicted_is_not_named_again() {
    let (mut encoder, mut decoder) = after(&LINES);
    for n in 0..300 {
        // One more entry for each, so that those of the section go one after the other.
        checked(&mut encoder, &mut decoder, &section(&[(&format!("x-{n}"), "v")]));
        if n % 7 == 0 {
            checked(&mut encoder, &mut decoder, &section(&LINES));
        }
    }
}

#[test]
fn a_section_that_was_remembered_is_nothing_in_a_table_made_smaller() {
    for sizes in [&[0][..], &[40], &[0, 4096], &[100, 4096]] {
        let (mut encoder, mut decoder) = after(&LINES);
        sizes.iter().for_each(|size| encoder.resize(*size));
        for _ in 0..3 {
            checked(&mut encoder, &mut decoder, &section(&LINES));
        }
    }
}

#[test]
fn a_line_that_is_sensitive_this_time_is_never_indexed() {
    let (mut encoder, mut decoder) = after(&LINES);
    let mut fields = FieldSection::new();
    for (name, value) in LINES {
        fields.append_entry(Field::of(name.as_bytes()), name.as_bytes(), value.as_bytes(), name == "x-one");
    }
    let out = checked(&mut encoder, &mut decoder, &fields);
    assert_eq!(out, b"\xc1\x10\x05x-one\x011\xbf\xbe");
}

#[test]
fn the_same_bytes_with_another_value_in_them_are_another_line() {
    // White space before a value belongs to it or not, by who has read the line.
    let (mut encoder, mut decoder) = after(&[("x-one", " 1")]);
    let mut fields = FieldSection::of_head(b"x-one:  1\r\n");
    fields.line_at(Span::new(0, 5), Span::new(8, 9), 11);
    checked(&mut encoder, &mut decoder, &fields);
}

#[test]
fn what_keeps_changing_is_not_remembered_each_time() {
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(TABLE));
    let mut remembered = 0;
    for n in 0..1000 {
        let learns = encoder.sequence.is_about_to_learn();
        checked(&mut encoder, &mut decoder, &section(&[(&format!("x-{n}"), "v")]));
        remembered += u32::from(learns);
    }
    assert!((5..40).contains(&remembered), "{remembered}");
}
