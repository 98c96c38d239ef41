//! What the fuzz targets hold the codec to, the rules of the differential tests, and where their bytes come from.
#![allow(clippy::expect_used)]

#[path = "../../tests/it/differential/rules/mod.rs"]
pub mod rules;

/// Changes `data`, of which `size` bytes are used and the first `before` are none of a message. Half of the time as libFuzzer
/// does; else to one of `messages`, or by what readers are known to disagree about, which chance alone would not hit upon.
pub fn mutate(data: &mut [u8], size: usize, most: usize, seed: u32, before: usize, messages: &[Vec<u8>]) -> usize {
    let mut random = fastrand::Rng::with_seed(seed.into());
    if random.bool() {
        return libfuzzer_sys::fuzzer_mutate(data, size, most);
    }
    let mut all = data[..size].to_vec();
    all.resize(size.max(before), random.u8(..));
    let mut message = all.split_off(before);
    let other = random.choice(messages).cloned().unwrap_or_default();
    if message.is_empty() || random.u8(0..16) == 0 {
        message = other;
    } else {
        rules::corpus::change(&mut message, &other, 3, &mut random);
    }
    all.append(&mut message);
    all.truncate(most.min(data.len()));
    data[..all.len()].copy_from_slice(&all);
    all.len()
}
