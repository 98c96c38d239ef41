use std::sync::Arc;

use super::super::Fleet;
use super::*;
use crate::model::Split;
use crate::record::{Classification, Ending, Reason, Shard};
use crate::testing::{model, route, split};

/// A split of two versions from the Services `NAME-primary` and `NAME-canary` in `prod`.
fn of_flagger(name: &str, workload: Option<&str>) -> Split {
    let mut split = split(&[("stable", 50), ("canary", 50)]);
    for (version, service) in split.versions.iter_mut().zip(["primary", "canary"]) {
        version.origin = Some(Arc::new(Origin {
            namespace: "prod".into(),
            service: format!("{name}-{service}").into(),
            port: 80,
            app: None,
            workload: workload.map(Into::into),
        }));
    }
    split.guard = Some(Box::default());
    split
}

fn count(control: &Control, shard: &mut Shard, rule: usize, failing: bool) {
    let snapshot = control.snapshot();
    for (index, version) in snapshot.rules[rule].body.versions.iter().enumerate() {
        let failed = failing && index == 1;
        let classification = if failed { Classification::Failure } else { Classification::Success };
        let ending = Ending { code: 200, grpc_status: None, classification, reason: Reason::None };
        (0..500).for_each(|_| shard.cell(version.id).ended(ending, None, None));
    }
    control.tick();
}

#[tokio::test(start_paused = true)]
async fn splits_are_found_by_name_by_service_and_by_workload() {
    let control = Control::new(Arc::default(), Arc::default(), Fleet::new(Vec::new()), None).unwrap();
    let routes = [
        route("one", &[], of_flagger("pay", None)),
        route("two", &[], of_flagger("svc", Some("pay"))),
        route("three", &[], of_flagger("payments", None)),
    ];
    control.apply(model(routes)).unwrap();
    control.tick();
    assert_eq!(control.gate("prod", "pay").unwrap().splits, ["one", "two"]);
    assert_eq!(control.gate("", "three").unwrap().splits, ["three"]);
    let error = control.gate("test", "pay").unwrap_err().to_string();
    assert_eq!(error, "there is no split \"test/pay\"; there are: one, three, two");
}

#[tokio::test(start_paused = true)]
async fn a_gate_knows_trips_and_counts_what_is_not_the_first_version() {
    let control = Control::new(Arc::default(), Arc::default(), Fleet::new(Vec::new()), None).unwrap();
    control
        .apply(model([route("good", &[], of_flagger("a", None)), route("bad", &[], of_flagger("b", None))]))
        .unwrap();
    control.tick();
    let mut shard = Shard::new(Arc::clone(control.recorder()));
    count(&control, &mut shard, 0, false);
    count(&control, &mut shard, 1, true);
    let good = control.gate("prod", "a").unwrap();
    assert_eq!((good.samples, good.tripped.len()), (500, 0));
    let bad = control.gate("prod", "b").unwrap();
    assert!(bad.tripped[0].starts_with("canary of bad: canary failed 100% of 500 requests"), "{:?}", bad.tripped);
    control.reset_guard("bad").unwrap();
    assert_eq!(control.gate("prod", "b").unwrap().tripped, Vec::<String>::new());
}
