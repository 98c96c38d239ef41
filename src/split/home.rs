//! The endpoint that a client keeps.

use std::net::{IpAddr, SocketAddr};

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::SetCookie;
use super::rendezvous::ClientId;
use crate::model::{Sticky, StickyTo};
use crate::snapshot::Rule;

/// How a client's endpoint is found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// It follows from who the client is: the highest of the tokens that are made with this seed.
    Hashed(u64),
    /// The client brings its token.
    Kept {
        /// Who the client is.
        id: ClientId,
        /// The endpoint's token; none before the first visit.
        token: Option<u64>,
    },
}

impl Home {
    /// The home of a client that is told apart by `id`, if it keeps an endpoint without being given anything for it.
    pub(super) fn hashed(sticky: &Sticky, id: &[u8]) -> Option<Self> {
        matches!(sticky.to, StickyTo::Endpoint { .. }).then(|| Self::Hashed(xxh3_64(id)))
    }

    /// The home of a client that brings, or will be given, the token of its endpoint.
    pub(super) fn kept(sticky: &Sticky, id: &[u8], token: Option<u64>) -> Option<Self> {
        let id = ClientId::try_from(id).ok()?;
        matches!(sticky.to, StickyTo::Endpoint { .. }).then_some(Self::Kept { id, token })
    }

    /// What stands for an endpoint in this client's cookie. Replicas of the program agree on it, and it says nothing about
    /// the endpoint to who does not know the addresses.
    fn token(&self, address: SocketAddr) -> u64 {
        let seed = match self {
            Self::Hashed(seed) => *seed,
            Self::Kept { id, .. } => xxh3_64(id),
        };
        let port = u64::from(address.port());
        match address.ip() {
            IpAddr::V4(ip) => xxh3_64_with_seed(&ip.octets(), seed.wrapping_add(port)),
            IpAddr::V6(ip) => xxh3_64_with_seed(&ip.octets(), seed.wrapping_add(port)),
        }
    }

    /// Who the client is, and whether it was here before; none if its endpoint follows from that.
    pub fn resident(&self) -> Option<(u64, bool)> {
        match self {
            Self::Hashed(_) => None,
            Self::Kept { id, token } => Some((xxh3_64(id), token.is_some())),
        }
    }

    /// The position of the client's endpoint among these, if it is one of them.
    pub fn find(&self, endpoints: impl Iterator<Item = (usize, SocketAddr)>) -> Option<usize> {
        let mut tokens = endpoints.map(|(position, address)| (self.token(address), position));
        match self {
            Self::Hashed(_) => tokens.max().map(|(_, position)| position),
            Self::Kept { token, .. } => tokens.find(|(mine, _)| Some(*mine) == *token).map(|(_, position)| position),
        }
    }

    /// The cookie of a client that is at an endpoint of a version now; none if nothing has to be told.
    pub fn cookie(&self, rule: &Rule, version: usize, address: SocketAddr) -> Option<SetCookie> {
        let sticky = rule.body.split.sticky.as_ref()?;
        let Self::Kept { id, .. } = self else { return None };
        if sticky.forgets.contains(&version) {
            return None;
        }
        SetCookie::new(sticky, id, rule.body.versions.get(version)?.pin(), Some(self.token(address)))
    }
}
