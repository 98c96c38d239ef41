//! Both halves against each other and against another implementation.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::message::FieldSection;
use crate::testing::fixed;

/// A field line that owns its bytes.
type Owned = (Vec<u8>, Vec<u8>);

/// One with its mark.
type Marked = (Vec<u8>, Vec<u8>, bool);

/// What a connection does: new settings, then a block.
type Turn = (Vec<usize>, Vec<Marked>);

fn any_name() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&str> = Field::ALL.iter().map(|field| field.name()).filter(|name| !name.is_empty()).collect();
    prop_oneof![
        4 => select(known).prop_map(|name| name.as_bytes().to_vec()),
        1 => select(Pseudo::ALL.to_vec()).prop_map(|pseudo| pseudo.name().as_bytes().to_vec()),
        2 => select(vec!["X-One", "x-two", "X-THREE", "x-a-longer-name-than-most-others-have"])
            .prop_map(|name| name.as_bytes().to_vec()),
        1 => "[a-zA-Z0-9-]{1,140}".prop_map(String::into_bytes),
    ]
}

fn any_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => select(vec!["", "a", "200", "GET", "/", "gzip, deflate", "text/html; charset=utf-8", "/some/path"])
            .prop_map(|value| value.as_bytes().to_vec()),
        2 => "[a-z0-9 ]{0,60}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..40),
        1 => vec(97..123u8, 900..1400),
    ]
}

fn any_turn() -> impl Strategy<Value = Turn> {
    let size = prop_oneof![Just(0), Just(100), Just(4096), Just(65_536), 0..5000usize];
    let sizes = prop_oneof![6 => Just(Vec::new()), 1 => vec(size, 1..4)];
    (sizes, vec((any_name(), any_value(), prop::bool::weighted(0.1)), 1..12))
}

fn encode(encoder: &mut Encoder, sizes: &[usize], lines: &[Marked]) -> Vec<u8> {
    let mut block = Vec::new();
    sizes.iter().for_each(|size| encoder.resize(*size));
    encoder.begin(&mut block);
    for (name, value, sensitive) in lines {
        match Pseudo::of(name) {
            Some(pseudo) => encoder.pseudo(pseudo, value, &mut block),
            None => encoder.field(Field::of(name), name, value, *sensitive, &mut block),
        }
    }
    block
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<Marked>, HpackError> {
    let mut lines = Vec::new();
    decoder.decode(block, &mut |entry| {
        let Key { field, pseudo } = Key::of(entry.name);
        assert_eq!((entry.field, entry.pseudo), (field, pseudo));
        lines.push((entry.name.to_vec(), entry.value.to_vec(), entry.sensitive));
    })?;
    Ok(lines)
}

fn without_marks(lines: Vec<Marked>) -> Vec<Owned> {
    lines.into_iter().map(|(name, value, _)| (name, value)).collect()
}

/// The entries of a table, newest first.
fn entries(table: &table::Table) -> Vec<(&[u8], &[u8])> {
    (0..table.len()).map(|age| table.both(table.get(age).unwrap())).collect()
}

/// A representation of a block (RFC 7541 section 6), as any encoder might choose it.
#[derive(Clone, Debug)]
enum Piece {
    Indexed(usize),
    /// First bits, index or name, value, whether they are coded.
    Literal(u8, Result<usize, Vec<u8>>, Vec<u8>, bool),
}

fn any_piece() -> impl Strategy<Value = Piece> {
    let index = || prop_oneof![4 => 1..75usize, 1 => 0..200usize];
    let name = prop_oneof![index().prop_map(|index| Ok(index.max(1))), any_name().prop_map(Err)];
    prop_oneof![
        index().prop_map(Piece::Indexed),
        (select(vec![0x40, 0x40, 0x00, 0x10]), name, any_value(), any::<bool>())
            .prop_map(|(kind, name, value, coded)| Piece::Literal(kind, name, value, coded)),
    ]
}

fn write_text(text: &[u8], coded: bool, out: &mut Vec<u8>) {
    if coded {
        encode::integer(0x80, 0x7f, huffman::coded_len(text), out);
        huffman::encode(text, out);
    } else {
        encode::integer(0, 0x7f, text.len(), out);
        out.extend_from_slice(text);
    }
}

fn write_piece(piece: &Piece, out: &mut Vec<u8>) {
    match piece {
        Piece::Indexed(index) => encode::integer(0x80, 0x7f, *index, out),
        Piece::Literal(kind, name, value, coded) => {
            let mask = if *kind == 0x40 { 0x3f } else { 0x0f };
            match name {
                Ok(index) => encode::integer(*kind, mask, *index, out),
                Err(name) => {
                    encode::integer(*kind, mask, 0, out);
                    write_text(name, *coded, out);
                }
            }
            write_text(value, *coded, out);
        }
    }
}

proptest! {
    #![proptest_config(fixed(128))]

    #[test]
    fn what_is_encoded_is_decoded_here_and_elsewhere(turns in vec(any_turn(), 1..12)) {
        let (mut encoder, mut decoder, mut other) = (Encoder::new(), Decoder::new(TABLE), fluke_hpack::Decoder::new());
        other.set_max_allowed_table_size(TABLE);
        for (sizes, lines) in turns {
            let block = encode(&mut encoder, &sizes, &lines);
            let decoded = decode(&mut decoder, &block).unwrap();
            prop_assert_eq!(decoded.len(), lines.len());
            for ((name, value, sensitive), (came_name, came_value, came_sensitive)) in lines.iter().zip(&decoded) {
                prop_assert_eq!((name.to_ascii_lowercase(), value), (came_name.clone(), came_value));
                prop_assert!(*came_sensitive || !*sensitive || name[0] == b':');
            }
            prop_assert_eq!(other.decode(&block).unwrap(), without_marks(decoded));
            prop_assert_eq!(entries(encoder.table()), entries(decoder.table()));
        }
    }

    #[test]
    fn sections_that_are_much_alike_are_decoded_here_and_elsewhere(
        lines in vec((any_name(), any_value(), prop::bool::weighted(0.1)), 6),
        turns in vec((prop_oneof![8 => Just(Vec::new()), 1 => vec(0..5000usize, 1..3)], vec(0..6usize, 0..8)), 1..40),
    ) {
        let (mut encoder, mut decoder, mut other) = (Encoder::new(), Decoder::new(TABLE), fluke_hpack::Decoder::new());
        other.set_max_allowed_table_size(TABLE);
        for (sizes, chosen) in turns {
            let mut fields = FieldSection::new();
            // The other one takes no block that has nothing but updates.
            fields.append("x-first", b"1");
            for (name, value, sensitive) in chosen.iter().map(|at| &lines[*at]).filter(|line| line.0[0] != b':') {
                fields.append_entry(Field::of(name), name, value, *sensitive);
            }
            let mut block = Vec::new();
            sizes.iter().for_each(|size| encoder.resize(*size));
            encoder.begin(&mut block);
            encoder.section(&fields, &mut block);
            let decoded = decode(&mut decoder, &block).unwrap();
            let said: Vec<_> = fields.entries().map(|(_, name, value, mark)| (name.to_ascii_lowercase(), value, mark)).collect();
            prop_assert_eq!(decoded.len(), said.len());
            for ((name, value, mark), (came_name, came_value, came_mark)) in said.iter().zip(&decoded) {
                prop_assert_eq!((name, *value), (came_name, &came_value[..]));
                prop_assert!(*came_mark || !*mark);
            }
            prop_assert_eq!(other.decode(&block).unwrap(), without_marks(decoded));
            prop_assert_eq!(entries(encoder.table()), entries(decoder.table()));
        }
    }

    #[test]
    fn what_is_encoded_elsewhere_is_decoded(turns in vec(any_turn(), 1..12)) {
        let (mut other, mut decoder) = (fluke_hpack::Encoder::new(), Decoder::new(TABLE));
        for (_, lines) in turns {
            let lines = without_marks(lines);
            let block = other.encode(lines.iter().map(|(name, value)| (&name[..], &value[..])));
            prop_assert_eq!(without_marks(decode(&mut decoder, &block).unwrap()), lines);
        }
    }

    #[test]
    fn any_choice_of_an_encoder_means_what_it_means_elsewhere(
        blocks in vec((prop::option::weighted(0.2, 0..=TABLE), vec(any_piece(), 1..12)), 1..12),
    ) {
        let (mut decoder, mut other) = (Decoder::new(TABLE), fluke_hpack::Decoder::new());
        for (size, pieces) in blocks {
            let mut block = Vec::new();
            size.into_iter().for_each(|size| encode::integer(0x20, 0x1f, size, &mut block));
            pieces.iter().for_each(|piece| write_piece(piece, &mut block));
            let (ours, theirs) = (decode(&mut decoder, &block), other.decode(&block));
            prop_assert_eq!(ours.clone().map(without_marks).ok(), theirs.ok(), "{:?}", ours);
            if ours.is_err() {
                break;
            }
        }
    }

    #[test]
    fn no_bytes_are_too_much(blocks in vec(vec(any::<u8>(), 0..200), 1..8)) {
        let mut decoder = Decoder::new(TABLE);
        for block in blocks {
            let _ = decode(&mut decoder, &block);
            prop_assert!(decoder.table().size() <= TABLE);
        }
    }

    #[test]
    fn no_change_of_a_block_is_too_much(turn in any_turn(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut block = encode(&mut Encoder::new(), &turn.0, &turn.1);
        let at = at.index(block.len());
        block[at] = byte;
        let mut decoder = Decoder::new(TABLE);
        let _ = decode(&mut decoder, &block);
        prop_assert!(decoder.table().size() <= TABLE);
    }
}

#[test]
fn a_connection_in_its_stride_allocates_nothing_for_a_block() {
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(TABLE));
    let mut block = Vec::with_capacity(1024);
    let mut room = Vec::new();
    for turn in 0..2000 {
        block.clear();
        encoder.begin(&mut block);
        encoder.field(Field::Server, b"server", b"weir", false, &mut block);
        // Each value comes twice, so that it goes into the tables.
        encoder.field(Field::Date, b"date", format!("date {}", turn / 2).as_bytes(), false, &mut block);
        decode(&mut decoder, &block).unwrap();
        room.push((encoder.table().capacity(), decoder.table().capacity()));
    }
    assert!(room[1000..].iter().all(|now| *now == room[1000]), "{:?} {:?}", room[1000], room[1999]);
    assert!(room[1999].0.0 <= 2 * TABLE && room[1999].1.0 <= 2 * TABLE);
    assert_eq!((Encoder::new().table().capacity(), Decoder::new(TABLE).table().capacity()), ((0, 0), (0, 0)));
}
