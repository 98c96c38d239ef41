//! An endpoint's bytes; the first says whether they answer a HEAD.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else { return };
    if let Err(wrong) = weir_fuzz::rules::responses(bytes, first & 1 == 1) {
        panic!("{wrong}");
    }
});

static MESSAGES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(weir_fuzz::rules::corpus::responses);

fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    weir_fuzz::mutate(data, size, most, seed, 1, &MESSAGES)
});
