//! Stickiness without state (`mode: share`): the client's id alone decides on its version, by weighted
//! rendezvous hashing.
//!
//! Every version gets a score from the id, and the highest score wins. With `u` uniform in (0, 1) the
//! score `-w / ln(u)` makes each version win in proportion to its weight `w` (Efraimidis and Spirakis,
//! 2006; Schindelhauer and Schomaker, 2005). A version's score depends on no other version, so a weight
//! that rises only draws clients to its version and one that falls only sends them away.
//!
//! Replicas and releases of the program must agree on every id, hence what follows is fixed:
//!
//! * the salt is that of [`Salt::new`];
//! * the hash of a version and an id is `xxh3_64(id, seed = xxh3_64(name, seed = salt))`. Hashing one part
//!   after the other keeps the parts apart: no two different sequences of parts are the same input;
//! * `u` is `(hash >> 12) + 0.5`, divided by 2^52: exact in an `f64`, and never 0 or 1.
//!
//! The natural logarithm is that of the platform. Two platforms may differ in its last bit, which decides
//! only between scores that agree in the first 15 digits.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::snapshot::Salt;

#[cfg(test)]
mod tests;

/// How many ids [`draw`] tries: enough for a ten-thousandth of the weights, and a few milliseconds at most.
const DRAWS: usize = 100_000;
/// The digits of base64url (RFC 4648, section 5), all of which may stand in a cookie (RFC 6265).
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Digits of a [`ClientId`].
pub const ID_LENGTH: usize = 22;

/// A client id that this program hands out: 128 random bits as 22 digits of base64url without padding.
///
/// It tells clients apart and is no secret: the generator is not a cryptographic one.
pub type ClientId = [u8; ID_LENGTH];

/// The position in `versions` (name and weight) of the version that a client belongs to; `None` if no
/// weight is positive.
///
/// Weights are relative: any unit will do, as long as it is the same for all. A weight of 0 gets nobody.
/// Names must differ; their order does not matter. As long as the weights of the other versions keep
/// their ratio, changing one weight moves clients only to or only from its version.
pub fn choose<'a>(id: &[u8], salt: Salt, versions: impl Iterator<Item = (&'a str, u32)>) -> Option<usize> {
    let mut best: Option<(usize, f64, &str)> = None;
    for (position, (name, weight)) in versions.enumerate().filter(|(_, (_, weight))| *weight > 0) {
        let score = -f64::from(weight) / unit(hash(id, salt, name)).ln();
        // Equal scores go by name, so that the order of the versions cannot matter.
        let wins = best.is_none_or(|(_, high, holder)| score > high || (score == high && name < holder));
        if wins {
            best = Some((position, score, name));
        }
    }
    best.map(|(position, ..)| position)
}

/// A new client id for which [`choose`] gives `wanted`, and what it does give.
///
/// At most 100,000 ids are drawn. If none of them fits, the last one is returned with the version that it
/// belongs to; this is the usual case only for a version with less than a hundred-thousandth of the weights. For a
/// version without weight, or none at all, a single id is drawn. If no weight is positive, `wanted` is
/// returned as it is.
pub fn draw<'a>(
    wanted: usize,
    salt: Salt,
    versions: impl Iterator<Item = (&'a str, u32)> + Clone,
    rng: &mut fastrand::Rng,
) -> (ClientId, usize) {
    let possible = versions.clone().nth(wanted).is_some_and(|(_, weight)| weight > 0);
    let mut left = if possible { DRAWS } else { 1 };
    loop {
        let id = random_id(rng);
        let chosen = choose(&id, salt, versions.clone()).unwrap_or(wanted);
        left -= 1;
        if chosen == wanted || left == 0 {
            return (id, chosen);
        }
    }
}

/// A new client id, whichever version it belongs to.
pub fn random_id(rng: &mut fastrand::Rng) -> ClientId {
    encode(rng.u128(..))
}

/// The fixed hash of a version and a client id; see the module's description.
fn hash(id: &[u8], salt: Salt, name: &str) -> u64 {
    xxh3_64_with_seed(id, xxh3_64_with_seed(name.as_bytes(), salt.0))
}

/// A hash as a number strictly between 0 and 1.
fn unit(hash: u64) -> f64 {
    const STEPS: f64 = (1_u64 << 52) as f64;
    ((hash >> 12) as f64 + 0.5) / STEPS
}

/// The big-endian bytes of a number in base64url. The last digit holds the two bits that are left, at its
/// upper end, as RFC 4648 has it.
fn encode(bits: u128) -> ClientId {
    std::array::from_fn(|at| {
        let digit = match 122_usize.checked_sub(6 * at) {
            Some(shift) => bits >> shift,
            None => bits << 4,
        };
        DIGITS[(digit & 63) as usize]
    })
}
