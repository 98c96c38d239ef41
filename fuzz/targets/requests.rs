//! A client's bytes.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|bytes: &[u8]| {
    if let Err(wrong) = weir_fuzz::rules::requests(bytes) {
        panic!("{wrong}");
    }
});

static MESSAGES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(weir_fuzz::rules::corpus::requests);

fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    weir_fuzz::mutate(data, size, most, seed, 0, &MESSAGES)
});
