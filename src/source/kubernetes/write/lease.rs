//! Which replica writes: the holder of a Lease. One that cannot renew it in time stops before another one may begin, and one that
//! ends gives it up at once.
//!
//! No clocks are compared, as in client-go's leader election: a record is over when it was seen not to change for as long as it says
//! that it holds.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout};

/// Name of the Lease, in the namespace of the proxy.
const NAME: &str = "weir";
/// How long a holder that says nothing keeps it.
const DURATION: Duration = Duration::from_secs(15);
/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(3);
/// How often others look whether it is free.
const LOOK: Duration = Duration::from_secs(1);
/// How long a holder goes on writing after its last renewal: less than the others wait.
const GRACE: Duration = Duration::from_secs(10);
/// How long an answer is waited for: a connection that stalls is given up while there is time for another one.
const ANSWER: Duration = Duration::from_secs(4);
/// How often it is tried to give it up; after that it is over by itself.
const RELEASES: usize = 5;

/// Tries to hold the Lease until it is told to `resign`, or nobody wants to know; tells whether it does.
pub async fn hold(leases: Api<Lease>, identity: String, leads: watch::Sender<bool>, mut resign: oneshot::Receiver<()>) {
    let mut candidate = Candidate { leases, identity, seen: None, renewed: None };
    let mut told = false;
    loop {
        let tried = tokio::select! {
            tried = candidate.campaign() => tried,
            _ = &mut resign => break,
            () = leads.closed() => break,
        };
        let wait = if tried.is_ok() && candidate.holds() { RENEW } else { LOOK };
        if let Err(error) = tried
            && !told
        {
            tracing::warn!("the Lease {NAME} cannot be renewed, and its holder writes statuses: {error}");
            told = true;
        }
        if tell(&leads, candidate.holds()) {
            told = false;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = &mut resign => break,
            () = leads.closed() => break,
        }
        // Its time may be over by now, and the next answer may take a while.
        tell(&leads, candidate.holds());
    }
    // First, so that nothing is written any more when another one may begin.
    tell(&leads, false);
    candidate.resign().await;
    // Whoever waits for news waits on, rather than being told that nobody tells any more.
    leads.closed().await;
}

/// Whether that is news.
fn tell(leads: &watch::Sender<bool>, holds: bool) -> bool {
    let changed = leads.send_if_modified(|leads| std::mem::replace(leads, holds) != holds);
    if changed {
        let message = if holds { "writes statuses from now on" } else { "writes no statuses" };
        tracing::info!(leads = holds, "{message}");
    }
    changed
}

/// Who wants to hold the Lease.
struct Candidate {
    leases: Api<Lease>,
    identity: String,
    /// The record of another one, and since when it is known.
    seen: Option<(LeaseSpec, Instant)>,
    /// When the last renewal was sent that succeeded.
    renewed: Option<Instant>,
}

impl Candidate {
    fn holds(&self) -> bool {
        self.renewed.is_some_and(|renewed| renewed.elapsed() < GRACE)
    }

    /// Renews the Lease, or takes it if it is free. What a holder waits for never outlasts its time.
    async fn campaign(&mut self) -> Result<(), String> {
        let left = self.renewed.map(|renewed| GRACE.saturating_sub(renewed.elapsed()));
        let patience = left.filter(|left| !left.is_zero()).map_or(ANSWER, |left| left.min(ANSWER));
        match timeout(patience, self.renew()).await {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the API server has not answered within {} s", patience.as_secs_f64())),
        }
    }

    async fn renew(&mut self) -> kube::Result<()> {
        let begun = Instant::now();
        let now = Timestamp::now();
        let Some(mut lease) = self.leases.get_opt(NAME).await? else {
            let metadata = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(spec(&self.identity, now, None)) };
            return self.won(self.leases.create(&PostParams::default(), &lease).await, begun);
        };
        let before = lease.spec.take().unwrap_or_default();
        if !self.may_take(&before, begun) {
            self.renewed = None;
            return Ok(());
        }
        lease.spec = Some(spec(&self.identity, now, Some(&before)));
        // The resource version goes along, so that of two that try only one succeeds.
        self.won(self.leases.replace(NAME, &PostParams::default(), &lease).await, begun)
    }

    /// Whether a record is free, our own, or was seen not to change for as long as it holds.
    fn may_take(&mut self, record: &LeaseSpec, now: Instant) -> bool {
        let holder = record.holder_identity.as_deref().unwrap_or_default();
        if holder.is_empty() || holder == self.identity {
            self.seen = None;
            return true;
        }
        let (_, since) = match self.seen.take() {
            Some(seen) if seen.0 == *record => self.seen.insert(seen),
            _ => self.seen.insert((record.clone(), now)),
        };
        let seconds = record.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or_default();
        now.duration_since(*since) >= Duration::from_secs(seconds)
    }

    /// A conflict says that somebody else has written the Lease, which need not have been to take it: the next look tells. Within our
    /// time nobody could.
    fn won(&mut self, result: kube::Result<Lease>, begun: Instant) -> kube::Result<()> {
        match result {
            Ok(_) => self.renewed = Some(begun),
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Gives the Lease up, so that the next one need not wait until it is over; if this fails, it does.
    async fn resign(&mut self) {
        // Whoever never held it may have a request on its way that takes it, so all look.
        for _ in 0..RELEASES {
            match timeout(ANSWER, self.release()).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => tracing::debug!(%error, "the Lease {NAME} cannot be given up yet"),
                Err(_) => {}
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn release(&self) -> kube::Result<()> {
        let Some(mut lease) = self.leases.get_opt(NAME).await? else { return Ok(()) };
        let own = |spec: &&mut LeaseSpec| spec.holder_identity.as_deref() == Some(&self.identity);
        let Some(spec) = lease.spec.as_mut().filter(own) else { return Ok(()) };
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(MicroTime(Timestamp::now()));
        self.leases.replace(NAME, &PostParams::default(), &lease).await.map(|_| ())
    }
}

fn spec(identity: &str, now: Timestamp, before: Option<&LeaseSpec>) -> LeaseSpec {
    let same = before.filter(|before| before.holder_identity.as_deref() == Some(identity));
    let transitions = before.and_then(|before| before.lease_transitions).unwrap_or_default();
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
        acquire_time: same.and_then(|same| same.acquire_time.clone()).or(Some(MicroTime(now))),
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(transitions + i32::from(same.is_none() && before.is_some())),
        ..LeaseSpec::default()
    }
}

#[cfg(test)]
mod tests;
