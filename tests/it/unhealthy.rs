//! Versions of which active health checks find every endpoint unhealthy: to requests they are without endpoints.

use crate::mocks::falls_ill::FallsIll;
use crate::support::*;

/// Stable, which is well, and a canary of two endpoints, each with half of the requests; and more lines of the split.
struct Stage {
    proxy: Proxy,
    canary: [FallsIll; 2],
    stable: FallsIll,
}

impl Stage {
    async fn with(more: &str) -> Self {
        let (stable, canary) = (FallsIll::start().await, [FallsIll::start().await, FallsIll::start().await]);
        let yaml = format!(
            "workers: 1\nsplits:\n  - name: shop\n    versions:\n      \
             - {{name: stable, weight: 1, endpoints: [\"{}\"]}}\n      \
             - {{name: canary, weight: 1, endpoints: [\"{}\", \"{}\"]}}\n    \
             health: {{path: /healthz, interval: 20ms, timeout: 5s, healthy: 1, unhealthy: 1}}\n{more}",
            stable.address(),
            canary[0].address(),
            canary[1].address(),
        );
        Self { proxy: Proxy::start(&yaml).await, canary, stable }
    }

    /// The canary falls ill, or gets well, and the checks have noticed.
    async fn set_ill(&self, ill: bool) {
        self.canary.iter().for_each(|endpoint| endpoint.set_ill(ill));
        let ready = if ill { 0.0 } else { 2.0 };
        wait_until("the checks have noticed", async || {
            self.proxy.metric("weir_upstream_endpoints", &[("version", "canary"), ("state", "ready")]).await == ready
        })
        .await;
    }

    fn at_canary(&self) -> usize {
        self.canary.iter().map(FallsIll::requests).sum()
    }

    /// How many of ten requests the canary got, and how many were refused.
    async fn ten(&self) -> (usize, usize) {
        let (before, mut refused) = (self.at_canary(), 0);
        for _ in 0..10 {
            let answer = get(self.proxy.http(), "/").await;
            if answer.status != 200 {
                assert_eq!((answer.status.as_u16(), answer.header("x-weir-reason")), (503, Some("no_endpoint")));
                assert!(answer.header("retry-after").is_some());
                refused += 1;
            }
        }
        (self.at_canary() - before, refused)
    }
}

#[tokio::test]
async fn siblings_take_its_share() {
    let stage = Stage::with("").await;
    assert_eq!(stage.ten().await, (5, 0));
    stage.set_ill(true).await;
    assert_eq!(stage.ten().await, (0, 0));
    stage.set_ill(false).await;
    assert_eq!(stage.ten().await, (5, 0));
}

#[tokio::test]
async fn its_share_is_refused_where_that_is_wanted() {
    let stage = Stage::with("    onEmpty: reject\n").await;
    stage.set_ill(true).await;
    assert_eq!(stage.ten().await, (0, 5));
    stage.set_ill(false).await;
    assert_eq!(stage.ten().await, (5, 0));
}

#[tokio::test]
async fn its_share_waits_until_an_endpoint_is_well() {
    let stage = Stage::with("    onEmpty: hold\n").await;
    stage.set_ill(true).await;
    let before = stage.at_canary();
    let address = stage.proxy.http();
    let asked: Vec<_> = (0..10).map(|_| tokio::spawn(async move { get(address, "/").await.status })).collect();
    wait_until("half of them wait", async || {
        stage.proxy.metric("weir_held_requests", &[("version", "canary")]).await == 5.0 && stage.stable.requests() == 5
    })
    .await;
    // They look now and then, and stay.
    let checks = stage.canary[0].checks();
    wait_until("they have looked twice", async || stage.canary[0].checks() > checks + 30).await;
    assert_eq!(stage.at_canary(), before, "an unhealthy endpoint was asked");
    assert_eq!(stage.proxy.metric("weir_held_requests", &[("version", "canary")]).await, 5.0);
    stage.set_ill(false).await;
    for asked in asked {
        assert_eq!(within(asked).await.unwrap(), 200);
    }
    // They were decided anew.
    assert!((2..=3).contains(&(stage.at_canary() - before)), "{}", stage.at_canary() - before);
    assert_eq!(stage.at_canary() - before + stage.stable.requests(), 10);
    assert_eq!(stage.proxy.metric("weir_held_requests", &[("version", "canary")]).await, 0.0);
}
