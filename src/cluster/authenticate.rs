//! Whether who speaks is another replica.

use futures_util::future::BoxFuture;
use thiserror::Error;

/// Who showed a token that is good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The pod that the token was made for, where that can be told.
    pub pod: Option<String>,
}

/// Why nobody is known to be good.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NotAuthenticated {
    /// The token is not that of a replica.
    #[error("{0}")]
    Refused(String),
    /// It cannot be told now.
    #[error("{0}")]
    Unavailable(String),
}

/// Looks at tokens.
pub trait Authenticate: Send + Sync {
    /// Who has this token, if it is a replica's.
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Caller, NotAuthenticated>>;
}
