//! Which replica writes: the holder of a Lease. One that cannot renew it in time stops before another one may begin.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::watch;
use tokio::time::Instant;

/// Name of the Lease, in the namespace of the proxy.
const NAME: &str = "weir";
/// How long a holder that says nothing keeps it.
const DURATION: Duration = Duration::from_secs(15);
/// How often it is renewed, and how often others look whether it is free.
const RENEW: Duration = Duration::from_secs(3);
/// How long a holder goes on writing after its last renewal: less than the others wait.
const GRACE: Duration = Duration::from_secs(10);

/// Tries to hold the Lease for as long as the receiver lives; tells whether it does.
pub async fn hold(leases: Api<Lease>, identity: String, leads: watch::Sender<bool>) {
    let mut renewed: Option<Instant> = None;
    let mut told = false;
    loop {
        match renew(&leases, &identity).await {
            Ok(true) => renewed = Some(Instant::now()),
            Ok(false) => renewed = None,
            Err(error) => {
                if !told {
                    tracing::warn!(%error, "the Lease {NAME} cannot be renewed; statuses are written by its holder");
                    told = true;
                }
            }
        }
        let holds = renewed.is_some_and(|renewed| renewed.elapsed() < GRACE);
        let changed = leads.send_if_modified(|leads| std::mem::replace(leads, holds) != holds);
        if changed {
            told = false;
            tracing::info!(
                leads = holds,
                "{}",
                if holds { "writes statuses from now on" } else { "writes no statuses" }
            );
        }
        tokio::select! {
            () = leads.closed() => break,
            () = tokio::time::sleep(RENEW) => {}
        }
    }
    if renewed.is_some() {
        // The next one need not wait until it is over; if this fails, it does.
        let _ = release(&leases, &identity).await;
    }
}

/// Whether the Lease is ours now.
async fn renew(leases: &Api<Lease>, identity: &str) -> kube::Result<bool> {
    let now = Timestamp::now();
    let Some(mut lease) = leases.get_opt(NAME).await? else {
        let metadata = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
        let lease = Lease { metadata, spec: Some(spec(identity, now, None)) };
        return won(leases.create(&PostParams::default(), &lease).await);
    };
    let before = lease.spec.take().unwrap_or_default();
    let holder = before.holder_identity.as_deref().unwrap_or_default();
    if !holder.is_empty() && holder != identity && !is_over(&before, now) {
        return Ok(false);
    }
    lease.spec = Some(spec(identity, now, Some(&before)));
    // The resource version goes along, so that of two that try only one succeeds.
    won(leases.replace(NAME, &PostParams::default(), &lease).await)
}

fn won(result: kube::Result<Lease>) -> kube::Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

async fn release(leases: &Api<Lease>, identity: &str) -> kube::Result<()> {
    let mut lease = leases.get(NAME).await?;
    let Some(spec) = lease.spec.as_mut().filter(|spec| spec.holder_identity.as_deref() == Some(identity)) else {
        return Ok(());
    };
    spec.holder_identity = Some(String::new());
    leases.replace(NAME, &PostParams::default(), &lease).await.map(|_| ())
}

fn is_over(spec: &LeaseSpec, now: Timestamp) -> bool {
    let Some(renewed) = &spec.renew_time else { return true };
    let seconds = spec.lease_duration_seconds.unwrap_or_default();
    now.as_second() >= renewed.0.as_second() + i64::from(seconds)
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
