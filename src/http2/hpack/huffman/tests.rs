use super::*;

fn decoded(coded: &[u8]) -> Result<Vec<u8>, HpackError> {
    let mut out = Vec::new();
    decode(coded, &mut out).map(|()| out)
}

fn coded(plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode(plain, &mut out);
    assert_eq!(out.len(), coded_len(plain));
    out
}

#[test]
fn every_byte_is_coded_and_decoded_wherever_it_stands() {
    for byte in 0..=255 {
        for (before, after) in [(0, 0), (1, 0), (0, 20), (3, 9), (20, 20)] {
            let plain = [vec![b'a'; before], vec![byte], vec![b'!'; after]].concat();
            assert_eq!(decoded(&coded(&plain)), Ok(plain));
        }
        let plain = [byte; 40];
        assert_eq!(decoded(&coded(&plain)), Ok(plain.to_vec()));
    }
}

#[test]
fn codes_are_those_of_appendix_b() {
    let codes = [(b'0', 0x0, 5), (b' ', 0x14, 6), (b'&', 0xf8, 8), (b'<', 0x7ffc, 15), (b'\\', 0x7fff0, 19)];
    for (symbol, code, length) in codes.into_iter().chain([(0, 0x1ff8, 13), (249, 0xffffffe, 28), (22, 0x3ffffffe, 30)])
    {
        assert_eq!((CODE.codes[usize::from(symbol)], LENGTHS[usize::from(symbol)]), (code, length), "{symbol}");
    }
    // All that is left is EOS.
    assert_eq!(CODE.after[LONGEST], 0x3fff_ffff);
}

#[test]
fn padding_is_up_to_seven_ones() {
    assert_eq!(decoded(b""), Ok(Vec::new()));
    assert_eq!(decoded(&[0x1f]), Ok(b"a".to_vec()));
    assert_eq!(decoded(&[0x1e]), Err(HpackError::Huffman));
    assert_eq!(decoded(&[0x18]), Err(HpackError::Huffman));
    assert_eq!(decoded(&[0x1f, 0xff]), Err(HpackError::Huffman));
    assert_eq!(decoded(&[0xff]), Err(HpackError::Huffman));
}

#[test]
fn eos_is_refused_wherever_it_stands() {
    for after in [&b""[..], b"\x1f", &[0; 20]] {
        assert_eq!(decoded(&[&[0xff; 4], after].concat()), Err(HpackError::Huffman));
        assert_eq!(
            decoded(&[&[0x18, 0xc6, 0x31, 0x8c, 0x63][..], &[0xff; 4], after].concat()),
            Err(HpackError::Huffman)
        );
    }
}

#[test]
fn a_symbol_that_is_cut_off_is_refused() {
    let whole = coded(&[22; 8]);
    for end in 1..whole.len() {
        // Its code has thirty bits, of which up to seven, all ones, may be taken for padding.
        let (symbols, left) = (8 * end / 30, 8 * end % 30);
        let expected = if left < 8 { Ok(vec![22; symbols]) } else { Err(HpackError::Huffman) };
        assert_eq!(decoded(&whole[..end]), expected, "{end}");
    }
}
