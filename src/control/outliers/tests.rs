use std::sync::Arc;

use super::*;
use crate::endpoint::Endpoint;
use crate::model::Transport;
use crate::testing::key;

const S: Duration = Duration::from_secs(1);

fn ejection() -> Ejection {
    let transport = Arc::new(Transport::default());
    let endpoint = Arc::new(Endpoint::new(EndpointId(3), ([10, 0, 0, 1], 80).into(), None, transport));
    let (route, version) = (key("shop"), "stable".into());
    Ejection { endpoint, route, version, reason: "it takes no connections", failures: 5, base: 10 * S }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_out_for_longer_each_time_until_it_did_well_for_long() {
    let (mut outliers, ejection) = (Outliers::default(), ejection());
    let health = &ejection.endpoint.health;
    for times in 1..4 {
        assert!(health.eject());
        assert_eq!(outliers.eject(ejection.clone(), Instant::now()), 10 * S * times);
        tokio::time::advance(10 * S * times - Duration::from_millis(1)).await;
        assert_eq!(outliers.take_back(Instant::now()).len(), 0);
        assert!(health.is_ejected());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(outliers.take_back(Instant::now()).len(), 1);
        assert!(health.is_usable());
    }
    tokio::time::advance(300 * S).await;
    assert_eq!(outliers.take_back(Instant::now()).len(), 0, "it is taken back once");
    assert_eq!(outliers.eject(ejection, Instant::now()), 10 * S, "all is forgotten");
}

#[tokio::test(start_paused = true)]
async fn no_ejection_lasts_more_than_thirty_times_the_first() {
    let (mut outliers, ejection) = (Outliers::default(), ejection());
    let lasts = (0..40).map(|_| outliers.eject(ejection.clone(), Instant::now())).last();
    assert_eq!(lasts, Some(300 * S));
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_goes_with_the_first_failure_and_is_cleared_by_a_success() {
    let (mut outliers, ejection) = (Outliers::default(), ejection());
    let health = &ejection.endpoint.health;
    health.eject();
    outliers.eject(ejection.clone(), Instant::now());
    tokio::time::advance(10 * S).await;
    outliers.take_back(Instant::now());
    assert_eq!(health.failed(), 5, "as many as are too many");
    health.succeeded();
    assert_eq!(health.failed(), 1);
}
