use super::*;

/// A frame of `length` bytes.
fn frame(opcode: u8, length: usize, masked: bool) -> Vec<u8> {
    let mask = if masked { 0x80 } else { 0 };
    let mut frame = vec![opcode];
    match length {
        0..126 => frame.push(mask | length as u8),
        126..65_536 => {
            frame.push(mask | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        _ => {
            frame.push(mask | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    if masked {
        frame.extend([1, 2, 3, 4]);
    }
    // Bytes that look like a Close frame must not be taken for one.
    frame.extend(std::iter::repeat_n(0x88, length));
    frame
}

#[test]
fn the_end_of_every_kind_of_frame_is_found_however_the_bytes_come() {
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, 100_000] {
        for masked in [false, true] {
            let bytes = [frame(0x82, length, masked), frame(0x81, 3, masked)].concat();
            let first = frame(0x82, length, masked).len();
            for cut in [1, 2, 3, 9, 13, first - 1] {
                let cut = cut.min(first - 1);
                let mut frames = Frames::default();
                assert_eq!(frames.to_boundary(&bytes), Some(0));
                frames.advance(&bytes[..cut]);
                assert!(!frames.is_between(), "{length} {masked} {cut}");
                assert_eq!(frames.to_boundary(&bytes[cut..]), Some(first - cut), "{length} {masked} {cut}");
                assert_eq!(frames.to_boundary(&bytes[cut..first - 1]), None);
                frames.advance(&bytes[cut..first]);
                assert!(frames.is_between() && !frames.is_closed());
            }
        }
    }
}

#[test]
fn a_message_in_fragments_goes_whole_unless_that_takes_too_long() {
    // A ping may stand between the fragments (section 5.5).
    let (first, ping) = (frame(0x01, 20, false), frame(0x89, 4, false));
    let (second, last) = (frame(0x00, 7, false), frame(0x80, 3, false));
    let mut frames = Frames::default();
    frames.advance(&first);
    let rest = [ping.clone(), second.clone(), last].concat();
    assert_eq!(frames.to_boundary(&[rest.clone(), frame(0x81, 5, false)].concat()), Some(rest.len()));
    assert_eq!(frames.to_boundary(&[ping.clone(), second].concat()), None);
    assert_eq!(frames.to_boundary(&[]), None);
    frames.hurry();
    assert_eq!(frames.to_boundary(&rest), Some(0));
    frames.advance(&ping[..2]);
    assert_eq!(frames.to_boundary(&rest), Some(4));
}

#[test]
fn a_close_frame_is_seen_once_it_has_gone_whole() {
    let mut frames = Frames::default();
    let bytes = frame(0x88, 2, true);
    frames.advance(&frame(0x01, 20, true));
    frames.advance(&bytes[..4]);
    assert!(!frames.is_closed());
    frames.advance(&bytes[4..]);
    assert!(frames.is_closed());
}

#[test]
fn our_close_frame_says_its_code() {
    assert_eq!(close(1001), [0x88, 0x02, 0x03, 0xe9]);
    let mut frames = Frames::default();
    frames.advance(&close(1012));
    assert!(frames.is_closed());
}
