//! Whether a token is that of another replica: the API server tells (`TokenReview`).

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use kube::api::{Api, PostParams};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{Instant, timeout};

use super::connection::Connection;
use crate::cluster::{Authenticate, Caller, NotAuthenticated};

/// What tokens of replicas are for: they are of no use towards the API server.
const AUDIENCE: &str = "weir-peers";
/// Where the API server says which pod a token was made for.
const POD: &str = "authentication.kubernetes.io/pod-name";
/// How long an answer is believed.
const BELIEVED: Duration = Duration::from_secs(60);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(4);
/// Answers that are remembered.
const REMEMBERED: usize = 128;
/// Questions at a time: who calls with nonsense must not have the API server flooded.
const AT_ONCE: usize = 4;
/// The longest token that is asked about, bytes.
const LONGEST: usize = 16 << 10;

/// Asks the API server about tokens.
pub struct TokenReviews {
    reviews: Api<TokenReview>,
    own_token: PathBuf,
    /// The name of our own service account, which is that of every replica.
    own: OnceCell<String>,
    known: Mutex<HashMap<String, (Instant, Caller)>>,
    places: Semaphore,
}

impl TokenReviews {
    /// Nobody is known. `own_token`: the file with the token of this replica, which tells who replicas are.
    pub fn new(connection: &Connection, own_token: PathBuf) -> Self {
        Self {
            reviews: Api::all(connection.client()),
            own_token,
            own: OnceCell::new(),
            known: Mutex::default(),
            places: Semaphore::new(AT_ONCE),
        }
    }

    async fn check(&self, token: &str) -> Result<Caller, NotAuthenticated> {
        if let Some(known) = self.recall(token) {
            return Ok(known);
        }
        let own = self.own.get_or_try_init(|| self.own_name()).await?;
        let user = self.review(token).await?;
        let name = user.username.unwrap_or_default();
        if name != *own {
            return Err(NotAuthenticated::Refused(format!("the token is that of {name:?}, replicas are {own:?}")));
        }
        let pod = user.extra.and_then(|mut extra| extra.remove(POD)).and_then(|pods| pods.into_iter().next());
        let caller = Caller { pod };
        self.remember(token, &caller);
        Ok(caller)
    }

    async fn own_name(&self) -> Result<String, NotAuthenticated> {
        let token = tokio::fs::read_to_string(&self.own_token).await;
        let token = token.map_err(|error| unavailable(format!("{}: {error}", self.own_token.display())))?;
        let user = self.review(token.trim()).await.map_err(|error| unavailable(format!("our own token: {error}")))?;
        let name = user.username.filter(|name| name.starts_with("system:serviceaccount:"));
        name.ok_or_else(|| unavailable("our own token is not that of a service account".to_owned()))
    }

    async fn review(&self, token: &str) -> Result<UserInfo, NotAuthenticated> {
        if token.is_empty() || token.len() > LONGEST {
            return Err(NotAuthenticated::Refused("this is no token".to_owned()));
        }
        // Never closed.
        let _place = self.places.acquire().await.map_err(|error| unavailable(error.to_string()))?;
        let spec = TokenReviewSpec { token: Some(token.to_owned()), audiences: Some(vec![AUDIENCE.to_owned()]) };
        let review = TokenReview { spec, ..TokenReview::default() };
        let params = PostParams::default();
        let answer = match timeout(PATIENCE, self.reviews.create(&params, &review)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(unavailable(format!("the API server cannot be asked: {error}"))),
            Err(_) => return Err(unavailable("the API server does not answer".to_owned())),
        };
        judge(answer)
    }

    fn recall(&self, token: &str) -> Option<Caller> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(token).filter(|(at, _)| at.elapsed() < BELIEVED).map(|(_, caller)| caller.clone())
    }

    fn remember(&self, token: &str, caller: &Caller) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (at, _)| at.elapsed() < BELIEVED);
        if known.len() < REMEMBERED {
            known.insert(token.to_owned(), (Instant::now(), caller.clone()));
        }
    }
}

impl Authenticate for TokenReviews {
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Caller, NotAuthenticated>> {
        self.check(token).boxed()
    }
}

fn unavailable(why: String) -> NotAuthenticated {
    NotAuthenticated::Unavailable(why)
}

/// Who has a token, as the API server answers. A server that knows nothing of audiences leaves them out of its answer, and
/// the token might be meant for anybody (`TokenReviewStatus.audiences`).
fn judge(review: TokenReview) -> Result<UserInfo, NotAuthenticated> {
    let status = review.status.unwrap_or_default();
    let for_us = status.audiences.is_some_and(|audiences| audiences.iter().any(|audience| audience == AUDIENCE));
    if status.authenticated != Some(true) || !for_us {
        let why = status.error.unwrap_or_else(|| format!("it is not valid for the audience {AUDIENCE}"));
        return Err(NotAuthenticated::Refused(why));
    }
    status.user.ok_or_else(|| NotAuthenticated::Refused("the API server does not say whose token it is".to_owned()))
}

#[cfg(test)]
mod tests;
