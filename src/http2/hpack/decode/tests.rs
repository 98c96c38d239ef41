//! The examples of RFC 7541 appendix C, and what is refused.

use super::*;
use crate::http2::hpack::Pseudo;
use crate::message::Field;

/// The bytes of hex digits, white space left out.
fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// The lines of a block as `name: value`.
fn decoded(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<String>, HpackError> {
    let mut lines = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    decoder.decode(block, &mut |entry| lines.push(format!("{}: {}", text(entry.name), text(entry.value))))?;
    Ok(lines)
}

/// The dynamic table, newest first, and its size.
fn table(decoder: &Decoder) -> (Vec<String>, usize) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let lines = (0..decoder.table.len()).map(|age| {
        let (name, value) = decoder.table.both(decoder.table.get(age).unwrap());
        (format!("{}: {}", text(name), text(value)), name.len() + value.len() + 32)
    });
    let (lines, sizes): (Vec<_>, Vec<_>) = lines.unzip();
    (lines, sizes.iter().sum())
}

/// A block, its lines, the table after it and its size.
type Example<'e> = (&'e str, &'e [&'e str], &'e [&'e str], usize);

fn check(size: usize, examples: &[Example<'_>]) {
    let mut decoder = Decoder::new(TABLE);
    decoder.table.resize(size);
    for (block, lines, entries, size) in examples {
        assert_eq!(decoded(&mut decoder, &bytes(block)).unwrap(), *lines, "{block}");
        assert_eq!(table(&decoder), (entries.iter().map(|line| (*line).to_owned()).collect(), *size), "{block}");
    }
}

fn integer(hex: &str, mask: u8) -> Result<usize, HpackError> {
    let bytes = bytes(hex);
    Block(&bytes).integer(bytes[0], mask)
}

#[test]
fn c_1_integers() {
    assert_eq!(integer("0a", 0x1f), Ok(10));
    assert_eq!(integer("1f 9a 0a", 0x1f), Ok(1337));
    assert_eq!(integer("2a", 0xff), Ok(42));
}

#[test]
fn c_2_1_literal_with_indexing() {
    let line = "custom-key: custom-header";
    check(TABLE, &[("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", &[line], &[line], 55)]);
}

#[test]
fn c_2_2_literal_without_indexing() {
    check(TABLE, &[("040c 2f73 616d 706c 652f 7061 7468", &[":path: /sample/path"], &[], 0)]);
}

#[test]
fn c_2_3_literal_never_indexed() {
    check(TABLE, &[("1008 7061 7373 776f 7264 0673 6563 7265 74", &["password: secret"], &[], 0)]);
}

#[test]
fn c_2_4_indexed() {
    check(TABLE, &[("82", &[":method: GET"], &[], 0)]);
}

const FIRST_REQUEST: [&str; 4] = [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
const SECOND_REQUEST: [&str; 5] =
    [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com", "cache-control: no-cache"];
const THIRD_REQUEST: [&str; 5] =
    [":method: GET", ":scheme: https", ":path: /index.html", ":authority: www.example.com", "custom-key: custom-value"];

fn requests(blocks: [&str; 3]) {
    let (authority, cache, custom) =
        (":authority: www.example.com", "cache-control: no-cache", "custom-key: custom-value");
    check(
        TABLE,
        &[
            (blocks[0], &FIRST_REQUEST, &[authority], 57),
            (blocks[1], &SECOND_REQUEST, &[cache, authority], 110),
            (blocks[2], &THIRD_REQUEST, &[custom, cache, authority], 164),
        ],
    );
}

#[test]
fn c_3_requests_without_huffman() {
    requests([
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ]);
}

#[test]
fn c_4_requests_with_huffman() {
    requests([
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ]);
}

fn responses(blocks: [&str; 3]) {
    let date = "date: Mon, 21 Oct 2013 20:13:21 GMT";
    let later = "date: Mon, 21 Oct 2013 20:13:22 GMT";
    let (found, moved) = (":status: 302", ":status: 307");
    let (private, location) = ("cache-control: private", "location: https://www.example.com");
    let (coding, cookie) =
        ("content-encoding: gzip", "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1");
    check(
        256,
        &[
            (blocks[0], &[found, private, date, location], &[location, date, private, found], 222),
            (blocks[1], &[moved, private, date, location], &[moved, location, date, private], 222),
            (blocks[2], &[":status: 200", private, later, location, coding, cookie], &[cookie, coding, later], 215),
        ],
    );
}

#[test]
fn c_5_responses_without_huffman_with_evictions() {
    responses([
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d
         546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f
         6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b
         2076 6572 7369 6f6e 3d31",
    ]);
}

#[test]
fn c_6_responses_with_huffman_with_evictions() {
    responses([
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7
         8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335
         dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ]);
}

fn refused(hex: &str) -> HpackError {
    decoded(&mut Decoder::new(TABLE), &bytes(hex)).unwrap_err()
}

#[test]
fn an_integer_has_four_bytes_after_its_prefix() {
    assert_eq!(integer("1f ffff ff7f", 0x1f), Ok(0x1f + (1 << 28) - 1));
    assert_eq!(integer("1f 8080 8000", 0x1f), Ok(0x1f));
    assert_eq!(integer("1f 8080 8080 00", 0x1f), Err(HpackError::Integer));
    assert_eq!(integer("1f ffff ffff ff0f", 0x1f), Err(HpackError::Integer));
}

#[test]
fn a_block_that_ends_too_early_is_refused() {
    for block in ["ff", "ff 80", "40", "40 01", "40 01 61", "40 01 61 01", "41", "41 7f", "41 ff 80", "0f", "3f"] {
        assert_eq!(refused(block), HpackError::Truncated, "{block}");
    }
}

#[test]
fn an_index_that_is_in_no_table_is_refused() {
    for block in ["80", "be", "ff 00", "7e 00", "0f 2f 00", "40 01 61 01 62 bf"] {
        assert_eq!(refused(block), HpackError::Index, "{block}");
    }
}

#[test]
fn a_table_size_update_stands_at_the_start_and_is_not_above_the_setting() {
    assert_eq!(refused("82 20"), HpackError::Resize);
    assert_eq!(refused("3f e2 1f"), HpackError::Resize);
    assert_eq!(decoded(&mut Decoder::new(TABLE), &bytes("20 3f e1 1f 82")).unwrap(), [":method: GET"]);
    let mut larger = Decoder::new(10_000);
    assert_eq!(decoded(&mut larger, &bytes("3f e2 1f")).unwrap(), [""; 0]);
    assert_eq!(larger.table.limit(), 4097);
}

#[test]
fn a_name_is_known_only_in_lower_case() {
    let mut decoder = Decoder::new(TABLE);
    let mut fields = Vec::new();
    let block =
        b"\x40\x04Host\x01a\x40\x04host\x01a\x00\x0ax\x0drequest\x09\x00\xbe\xbf\x00\x04:foo\x00\x00\x05:path\x00";
    decoder.decode(block, &mut |entry| fields.push((entry.field, entry.pseudo))).unwrap();
    let (host, other) = ((Field::Host, None), (Field::Other, None));
    assert_eq!(fields, [other, host, other, host, other, other, (Field::Other, Some(Pseudo::Path))]);
}

#[test]
fn only_what_is_never_indexed_is_sensitive() {
    let mut decoder = Decoder::new(TABLE);
    let mut marks = Vec::new();
    let block = b"\x40\x01a\x01b\x00\x01a\x01b\x10\x01a\x01b\x1f\x2f\x01c\xbe";
    decoder.decode(block, &mut |entry| marks.push(entry.sensitive)).unwrap();
    assert_eq!(marks, [false, false, true, true, false]);
}

#[test]
fn an_entry_may_have_the_name_of_one_that_is_evicted_for_it() {
    let mut decoder = Decoder::new(TABLE);
    decoder.table.resize(64);
    for value in ["b", "c", "d"] {
        decoder.decode(b"\x40\x06custom\x01a", &mut |_| ()).unwrap();
        let block = [b"\x7e\x01", value.as_bytes()].concat();
        assert_eq!(decoded(&mut decoder, &block).unwrap(), [format!("custom: {value}")]);
        assert_eq!(table(&decoder), (vec![format!("custom: {value}")], 39));
    }
}

#[test]
fn an_entry_that_is_larger_than_the_table_empties_it() {
    let mut decoder = Decoder::new(TABLE);
    decoder.table.resize(40);
    decoder.decode(b"\x40\x01a\x01b", &mut |_| ()).unwrap();
    assert_eq!(table(&decoder).1, 34);
    assert_eq!(decoded(&mut decoder, b"\x7e\x0a0123456789").unwrap(), ["a: 0123456789"]);
    assert_eq!(table(&decoder), (Vec::new(), 0));
}
