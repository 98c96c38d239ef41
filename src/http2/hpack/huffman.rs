//! The Huffman code of strings (RFC 7541 section 5.2 and appendix B).
//!
//! It is canonical: symbols of the same length have codes in the order of their numbers. So the lengths say it all, and
//! the tables are made of them when this is compiled.

use super::HpackError;

/// Length of each byte's code, bits.
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
    28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12,
    10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6,
    5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22,
    22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20,
    22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28,
    27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28,
    27, 27, 27, 27, 27, 26,
];

/// The longest code, bits.
const LONGEST: usize = 30;
/// Bits that one look-up decodes.
const WINDOW: u32 = 11;

/// The code as it is read: its symbols in the order of their codes.
struct Code {
    symbols: [u8; 256],
    /// For each length: the first code, what comes after the last, and which of `symbols` is the first one's.
    first: [u32; LONGEST + 1],
    after: [u32; LONGEST + 1],
    place: [u16; LONGEST + 1],
    /// The code of each byte.
    codes: [u32; 256],
}

const CODE: Code = code();

const fn code() -> Code {
    let mut code = Code {
        symbols: [0; 256],
        first: [0; LONGEST + 1],
        after: [0; LONGEST + 1],
        place: [0; LONGEST + 1],
        codes: [0; 256],
    };
    let (mut next, mut count, mut length) = (0, 0, 1);
    while length <= LONGEST {
        next <<= 1;
        code.first[length] = next;
        code.place[length] = count as u16;
        let mut symbol = 0;
        while symbol < 256 {
            if LENGTHS[symbol] as usize == length {
                code.codes[symbol] = next;
                code.symbols[count] = symbol as u8;
                next += 1;
                count += 1;
            }
            symbol += 1;
        }
        code.after[length] = next;
        length += 1;
    }
    code
}

/// One or two symbols that a window begins with.
#[derive(Clone, Copy)]
struct Step {
    symbols: [u8; 2],
    /// Symbols; 0: the code is longer than the window.
    count: u8,
    /// Bits of all of them.
    bits: u8,
}

static STEPS: [Step; 1 << WINDOW] = steps();

/// The symbol that `bits` of a window, left-aligned, begin with.
const fn short(window: u32, bits: u32) -> Option<u8> {
    let mut length = 5;
    while length <= bits {
        let code = window >> (WINDOW - length);
        if code < CODE.after[length as usize] {
            let place = CODE.place[length as usize] as u32 + code - CODE.first[length as usize];
            return Some(CODE.symbols[place as usize]);
        }
        length += 1;
    }
    None
}

const fn steps() -> [Step; 1 << WINDOW] {
    let mut steps = [Step { symbols: [0; 2], count: 0, bits: 0 }; 1 << WINDOW];
    let mut window = 0;
    while window < steps.len() {
        if let Some(first) = short(window as u32, WINDOW) {
            let bits = LENGTHS[first as usize];
            let rest = ((window << bits) & (steps.len() - 1)) as u32;
            steps[window] = match short(rest, WINDOW - bits as u32) {
                Some(second) => Step { symbols: [first, second], count: 2, bits: bits + LENGTHS[second as usize] },
                None => Step { symbols: [first, 0], count: 1, bits },
            };
        }
        window += 1;
    }
    steps
}

/// The symbol whose code is longer than a window, and its length. None: EOS.
#[cold]
fn long(bits: u64) -> Option<(u8, u32)> {
    (WINDOW as usize + 1..=LONGEST).find_map(|length| {
        let code = (bits >> (64 - length)) as u32;
        let place = usize::from(CODE.place[length]) + (code.checked_sub(CODE.first[length])? as usize);
        (code < CODE.after[length]).then(|| (CODE.symbols[place], length as u32))
    })
}

/// Appends what `coded` says to `out`.
///
/// # Errors
///
/// [`HpackError::Huffman`].
pub(super) fn decode(coded: &[u8], out: &mut Vec<u8>) -> Result<(), HpackError> {
    let start = out.len();
    // The shortest codes have five bits; a look-up writes two symbols.
    out.resize(start + coded.len() * 8 / 5 + 2, 0);
    let count = decode_into(coded, &mut out[start..])?;
    out.truncate(start + count);
    Ok(())
}

fn decode_into(coded: &[u8], out: &mut [u8]) -> Result<usize, HpackError> {
    // Bits from the left, of which `have` are there for sure; what is behind them is right or 0.
    let (mut bits, mut have, mut at, mut rest) = (0u64, 0u32, 0, coded);
    while let Some(word) = rest.first_chunk() {
        bits |= u64::from_be_bytes(*word) >> have;
        let taken = (63 - have) / 8;
        rest = &rest[taken as usize..];
        have += 8 * taken;
        // At least 56 bits are there: five windows.
        for _ in 0..5 {
            let step = STEPS[(bits >> (64 - WINDOW)) as usize];
            if step.count == 0 {
                if have >= LONGEST as u32 {
                    let (symbol, length) = long(bits).ok_or(HpackError::Huffman)?;
                    out[at] = symbol;
                    at += 1;
                    bits <<= length;
                    have -= length;
                }
                break;
            }
            out[at..at + 2].copy_from_slice(&step.symbols);
            at += usize::from(step.count);
            bits <<= step.bits;
            have -= u32::from(step.bits);
        }
    }
    finish(bits, have, rest, &mut out[at..]).map(|count| at + count)
}

/// Decodes the last bits and bytes, one symbol at a time, up to the padding.
fn finish(mut bits: u64, mut have: u32, mut rest: &[u8], out: &mut [u8]) -> Result<usize, HpackError> {
    let mut at = 0;
    loop {
        while have < 56
            && let Some((byte, after)) = rest.split_first()
        {
            bits |= u64::from(*byte) << (56 - have);
            have += 8;
            rest = after;
        }
        let padded = bits | u64::MAX >> have;
        // No code of up to seven bits is all ones.
        if have < 8 && padded == u64::MAX {
            return Ok(at);
        }
        let step = STEPS[(padded >> (64 - WINDOW)) as usize];
        let (symbol, length) = match step.count {
            0 => long(padded).ok_or(HpackError::Huffman)?,
            _ => (step.symbols[0], u32::from(LENGTHS[usize::from(step.symbols[0])])),
        };
        have = have.checked_sub(length).ok_or(HpackError::Huffman)?;
        bits <<= length;
        out[at] = symbol;
        at += 1;
    }
}

/// Bytes that a string takes in the code.
pub(super) fn coded_len(plain: &[u8]) -> usize {
    plain.iter().map(|byte| usize::from(LENGTHS[usize::from(*byte)])).sum::<usize>().div_ceil(8)
}

/// Appends a string in the code to `out`.
pub(super) fn encode(plain: &[u8], out: &mut Vec<u8>) {
    static CODES: [u32; 256] = CODE.codes;
    // The last `have` bits of it are to be written.
    let (mut bits, mut have) = (0u64, 0);
    for byte in plain {
        let length = u32::from(LENGTHS[usize::from(*byte)]);
        bits = bits << length | u64::from(CODES[usize::from(*byte)]);
        have += length;
        if have >= 32 {
            have -= 32;
            out.extend_from_slice(&((bits >> have) as u32).to_be_bytes());
        }
    }
    // The rest, padded with ones.
    let last = (bits << (32 - have)) as u32 | u32::MAX >> have;
    out.extend_from_slice(&last.to_be_bytes()[..have.div_ceil(8) as usize]);
}

#[cfg(test)]
mod tests;
