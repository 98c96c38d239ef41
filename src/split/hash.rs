//! What a request is hashed to, where its endpoint is chosen by a hash.

use std::net::IpAddr;

use xxhash_rust::xxh3::xxh3_64;

use crate::head::RequestHead;
use crate::model::{HashKey, Split};

/// The hash of a request; every replica agrees on it.
pub fn hash_key(split: &Split, head: &RequestHead<'_>) -> u64 {
    let by_address = || match head.client {
        IpAddr::V4(address) => xxh3_64(&address.octets()),
        IpAddr::V6(address) => xxh3_64(&address.octets()),
    };
    match &split.endpoints.hash {
        HashKey::SourceAddress => by_address(),
        HashKey::Header(name) => head.fields.nth(name, 0).map_or_else(by_address, xxh3_64),
        HashKey::Cookie(name) => head.cookie(name).map_or_else(by_address, xxh3_64),
    }
}
