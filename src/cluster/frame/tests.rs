use super::*;

#[test]
fn lines_come_out_of_any_pieces() {
    let frames = [
        Frame::Hello { name: "a".to_owned() },
        Frame::Applied { set: vec![Applied(u64::MAX, 1, i64::MAX)], gone: vec![u64::MAX] },
        Frame::Beat { judges: true },
    ];
    let text: Vec<u8> = frames.iter().flat_map(|frame| frame.encode().unwrap().to_vec()).collect();
    for size in [1, 7, text.len()] {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for piece in text.chunks(size) {
            lines.push(piece);
            while let Some(frame) = lines.next().unwrap() {
                found.push(frame);
            }
        }
        assert_eq!(found, frames);
    }
}

#[test]
fn what_a_later_version_says_is_passed_over() {
    let mut lines = Lines::default();
    lines.push(b"{\"is\":\"weather\",\"of\":[1]}\n{\"is\":\"beat\",\"judges\":false,\"more\":1}\n");
    assert_eq!(lines.next().unwrap(), Some(Frame::Unknown));
    assert_eq!(lines.next().unwrap(), Some(Frame::Beat { judges: false }));
    assert_eq!(lines.next().unwrap(), None);
}

#[test]
fn a_line_without_end_is_refused_before_it_fills_the_memory() {
    let mut lines = Lines::default();
    lines.push(&vec![b' '; LONGEST]);
    assert!(lines.next().unwrap().is_none());
    lines.push(b"  ");
    assert!(matches!(lines.next(), Err(FrameError::TooLong)));
}

#[test]
fn a_line_that_is_no_json_is_refused() {
    let mut lines = Lines::default();
    lines.push(b"GET / HTTP/1.1\n");
    assert!(matches!(lines.next(), Err(FrameError::Malformed(_))));
}
