//! Bodies in chunks, cut anywhere; the first four bytes say where, the rest is the body. It is read as that of a request and as
//! that of an answer, beside the others, too.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use weir_fuzz::rules;

fuzz_target!(|bytes: &[u8]| {
    let Some((places, body)) = bytes.split_at_checked(4) else { return };
    let places: Vec<usize> = places.iter().map(|place| usize::from(*place)).collect();
    for first in ["POST / HTTP/1.1", "HTTP/1.1 200 OK"] {
        let head = format!("{first}\r\nTransfer-Encoding: chunked\r\n\r\n");
        let message = [head.as_bytes(), body].concat();
        let at = |place: &usize| head.len() + place % (body.len() + 1);
        let every: Vec<usize> = (0..message.len()).collect();
        let some: Vec<usize> = places.iter().map(at).collect();
        let judged = rules::cuts(&message, &some).and_then(|()| rules::cuts(&message, &every));
        let judged = judged.and_then(|()| match first {
            "POST / HTTP/1.1" => rules::requests(&message).map(drop),
            _ => rules::responses(&message, false).map(drop),
        });
        if let Err(wrong) = judged {
            panic!("{wrong}");
        }
    }
});

static MESSAGES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(weir_fuzz::rules::corpus::chunks);

fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    weir_fuzz::mutate(data, size, most, seed, 4, &MESSAGES)
});
