//! Runs of field lines that were decoded before mean what they would without.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::http2::head::Head;
use crate::http2::hpack::{Decoder, HpackError, TABLE};
use crate::http2::runs::Runs;
use crate::testing::fixed;

/// A client's end of the compression, as the server decodes it.
struct Decoding {
    decoder: Decoder,
    runs: Runs,
}

impl Decoding {
    fn new() -> Self {
        Self { decoder: Decoder::new(TABLE), runs: Runs::default() }
    }

    fn head(&mut self, block: &[u8], most: usize) -> Result<Head, HpackError> {
        let mut head = Head::new(most);
        head.decode(&mut self.decoder, &mut self.runs, block).map(|()| head)
    }

    fn request(&mut self, block: &[u8]) -> String {
        match self.head(block, LIMITS.head) {
            Ok(head) => format!("{:?}", head.into_request(true)),
            Err(error) => error.to_string(),
        }
    }
}

/// `:method: GET`, `:scheme: http`, `:path: /`, `accept-encoding: gzip, deflate`.
const RUN: [u8; 4] = [0x82, 0x86, 0x84, 0x90];

/// A line that goes into the table.
fn remembered(name: &str, value: &str) -> Vec<u8> {
    let mut line = block(&[(name, value)]);
    line[0] = 0x40;
    line
}

#[test]
fn a_run_means_the_same_each_time() {
    let mut decoding = Decoding::new();
    let first = decoding.request(&RUN);
    assert!(first.contains("gzip"), "{first}");
    for _ in 0..3 {
        assert_eq!(decoding.request(&RUN), first);
    }
}

#[test]
fn an_index_means_something_else_once_the_table_has_changed() {
    let mut decoding = Decoding::new();
    let run = [&RUN[..3], &[0xbe, 0xbe]].concat();
    for value in ["one", "two", "three"] {
        decoding.request(&[&RUN[..], &remembered("x-a", value)].concat());
        for _ in 0..3 {
            let request = decoding.request(&run);
            assert_eq!(request.matches(&format!("{value:?}")).count(), 2, "{request}");
        }
    }
}

#[test]
fn an_index_is_in_no_table_once_that_was_made_smaller() {
    let mut decoding = Decoding::new();
    let run = [&RUN[..3], &[0xbe, 0xbe]].concat();
    decoding.request(&[&RUN[..], &remembered("x-a", "one")].concat());
    (0..3).for_each(|_| _ = decoding.request(&run));
    let emptied = decoding.head(&[&[0x20], &run[..]].concat(), LIMITS.head);
    assert_eq!(emptied.err(), Some(HpackError::Index));
}

#[test]
fn no_size_update_follows_a_run() {
    let mut decoding = Decoding::new();
    (0..3).for_each(|_| _ = decoding.request(&RUN));
    let updated = decoding.head(&[&RUN[..], &[0x20]].concat(), LIMITS.head);
    assert_eq!(updated.err(), Some(HpackError::Resize));
}

#[test]
fn a_pseudo_field_of_a_run_may_not_come_twice_or_late() {
    let mut decoding = Decoding::new();
    (0..3).for_each(|_| _ = decoding.request(&RUN));
    let twice = decoding.request(&[&[0x04, 1, b'/'][..], &RUN].concat());
    let late = decoding.request(&[&block(&[("a", "b")]), &RUN[..]].concat());
    assert!(twice.contains("twice") && late.contains("after other fields"), "{twice} {late}");
}

#[test]
fn lines_of_a_run_count_as_they_would_otherwise() {
    let mut decoding = Decoding::new();
    let size = (3 + 7 + 7 + 4 + 5 + 1 + 15 + 13) + 4 * 32;
    for _ in 0..4 {
        assert!(!decoding.head(&RUN, size).unwrap().is_too_large());
        assert!(decoding.head(&RUN, size - 1).unwrap().is_too_large());
    }
}

#[test]
fn long_lines_are_not_kept() {
    let mut decoding = Decoding::new();
    let long = "v".repeat(120);
    decoding.request(&[&RUN[..], &remembered("x-a", &long)].concat());
    for _ in 0..3 {
        let request = decoding.request(&[&RUN[..], &[0xbe; 20]].concat());
        assert_eq!(request.matches(&long).count(), 20);
    }
    assert_eq!(decoding.runs.kept(), 0);
}

/// What a block may be made of.
fn any_piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => select(vec![RUN.to_vec(), vec![0x83, 0x87, 0x84], vec![0xbe, 0xbf], vec![0x90, 0xbe], vec![0xc0, 0xbf, 0xbe]]),
        2 => select(vec![0x82u8, 0x84, 0x86, 0x88, 0x90, 0xbe, 0xbf, 0xff, 0x80]).prop_map(|index| vec![index]),
        1 => select(vec![("x-a", "1"), ("x-b", "2"), ("te", "no"), ("X-C", "3"), (":path", "/a")])
            .prop_map(|(name, value)| block(&[(name, value)])),
        1 => select(vec![("x-a", "1"), ("x-b", "2"), ("x-b", " 2"), (":authority", "a")])
            .prop_map(|(name, value)| remembered(name, value)),
        1 => select(vec![0x20u8, 0x3e]).prop_map(|update| vec![update]),
    ]
}

proptest! {
    #![proptest_config(fixed(256))]

    #[test]
    fn heads_are_the_same_with_what_was_remembered_and_without(blocks in vec(vec(any_piece(), 1..5), 1..40)) {
        let (mut decoding, mut plain) = (Decoding::new(), Decoding::new());
        for pieces in blocks {
            let block = pieces.concat();
            let (with, without) = (decoding.head(&block, LIMITS.head), plain.head(&block, LIMITS.head));
            plain.runs = Runs::default();
            prop_assert_eq!(with.as_ref().err(), without.as_ref().err());
            let (Ok(with), Ok(without)) = (with, without) else { break };
            prop_assert_eq!(with.lines(), without.lines());
            prop_assert_eq!(format!("{:?}", with.into_request(true)), format!("{:?}", without.into_request(true)));
        }
    }
}
