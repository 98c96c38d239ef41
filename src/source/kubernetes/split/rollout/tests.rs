use serde_json::{Value, json};

use super::*;

fn shares(spec: Value, status: Value) -> Shares {
    let spec: RolloutSpec = serde_json::from_value(spec).unwrap();
    spec.shares(&serde_json::from_value(status).unwrap())
}

/// 20, 50 and 100 percent with pauses.
fn steps() -> Value {
    let steps = json!([
        {"setWeight": 20}, {"pause": {"duration": "60s"}},
        {"setWeight": 50}, {"pause": {"duration": "60s"}},
        {"setWeight": 100},
    ]);
    json!({"strategy": {"canary": {"steps": steps}}})
}

fn at(step: usize) -> Option<(u32, u32)> {
    let status = json!({"stableRS": "old", "currentPodHash": "new", "currentStepIndex": step});
    shares(steps(), status).weights
}

#[test]
fn each_step_has_the_weight_of_the_last_set_weight_up_to_it() {
    let weights: Vec<_> = (0..5).map(|step| at(step).unwrap().1).collect();
    assert_eq!(weights, [20, 20, 50, 50, 100]);
    assert_eq!(at(0), Some((80, 20)));
}

#[test]
fn after_the_last_step_all_goes_to_the_new_version() {
    assert_eq!(at(5), Some((0, 100)));
}

#[test]
fn before_the_first_set_weight_nothing_goes_to_the_new_version() {
    let spec = json!({"strategy": {"canary": {"steps": [{"pause": {}}, {"setWeight": 10}]}}});
    let status = json!({"stableRS": "old", "currentPodHash": "new", "currentStepIndex": 0});
    assert_eq!(shares(spec, status).weights, Some((100, 0)));
}

#[test]
fn an_abort_takes_all_back_to_stable() {
    let status = json!({"stableRS": "old", "currentPodHash": "new", "currentStepIndex": 3, "abort": true});
    assert_eq!(
        shares(steps(), status),
        Shares { stable: "old".into(), canary: "new".into(), weights: Some((100, 0)), others: vec![] }
    );
}

#[test]
fn at_rest_there_is_one_version() {
    let status = json!({"stableRS": "same", "currentPodHash": "same", "currentStepIndex": 5});
    assert_eq!(
        shares(steps(), status),
        Shares { stable: "same".into(), canary: "same".into(), weights: Some((1, 0)), others: vec![] }
    );
}

#[test]
fn before_the_first_version_is_stable_the_current_one_has_all() {
    let status = json!({"currentPodHash": "first", "currentStepIndex": 0});
    assert_eq!(shares(steps(), status).stable, "first");
}

#[test]
fn weights_that_a_traffic_router_was_told_count_before_the_steps() {
    let weights = json!({"canary": {"weight": 7}, "stable": {"weight": 93}});
    let status = json!({
        "stableRS": "old", "currentPodHash": "new", "currentStepIndex": 0, "canary": {"weights": weights},
    });
    assert_eq!(shares(steps(), status).weights, Some((93, 7)));
}

#[test]
fn the_total_may_be_other_than_100() {
    let routing = json!({"maxTrafficWeight": 1000});
    let spec = json!({"strategy": {"canary": {"steps": [{"setWeight": 5}], "trafficRouting": routing}}});
    let status = json!({"stableRS": "old", "currentPodHash": "new", "currentStepIndex": 0});
    assert_eq!(shares(spec, status).weights, Some((995, 5)));
}

#[test]
fn without_steps_pods_decide() {
    let status = json!({"stableRS": "old", "currentPodHash": "new"});
    assert_eq!(shares(json!({"strategy": {"canary": {}}}), status).weights, None);
}

#[test]
fn blue_green_sends_all_to_the_active_version() {
    let spec = json!({"strategy": {"blueGreen": {"activeService": "shop"}}});
    let selectors = json!({"activeSelector": "blue", "previewSelector": "green"});
    let status = json!({"stableRS": "blue", "currentPodHash": "green", "blueGreen": selectors});
    assert_eq!(
        shares(spec, status),
        Shares { stable: "blue".into(), canary: "green".into(), weights: Some((1, 0)), others: vec![] }
    );
}

#[test]
fn experiments_have_the_weights_that_a_router_was_told() {
    let additional = json!([{"weight": 50, "podTemplateHash": "trial", "serviceName": "trial-svc"}]);
    let weights = json!({"canary": {"weight": 10}, "stable": {"weight": 40}, "additional": additional});
    let status = json!({"stableRS": "old", "currentPodHash": "new", "canary": {"weights": weights}});
    let shares = shares(steps(), status);
    assert_eq!(shares.weights, Some((40, 10)));
    assert_eq!(shares.others, [Share { hash: "trial".into(), weight: 50 }]);
}

/// On the way back to the stable version with `dynamicStableScale` the current version is the stable one already.
#[test]
fn weights_are_those_of_the_pods_that_they_name() {
    let weights = json!({"canary": {"weight": 30, "podTemplateHash": "left"}, "stable": {"weight": 70}});
    let status = json!({"stableRS": "old", "currentPodHash": "old", "canary": {"weights": weights}});
    let shares = shares(steps(), status);
    assert_eq!((&*shares.canary, shares.weights), ("left", Some((70, 30))));
}

fn spec(canary: Value) -> RolloutSpec {
    serde_json::from_value(json!({"strategy": {"canary": canary}})).unwrap()
}

#[test]
fn ping_and_pong_are_the_services_of_a_rollout() {
    let spec = spec(json!({"pingPong": {"pingService": "ping", "pongService": "pong"}}));
    assert_eq!((spec.stable_service(), spec.canary_service()), (Some("ping"), Some("pong")));
}

#[test]
fn routers_are_named_and_settings_are_not() {
    let routing = |routing: Value| spec(json!({"trafficRouting": routing})).routers();
    assert_eq!(routing(json!({"nginx": {"stableIngress": "shop"}, "maxTrafficWeight": 100})), ["nginx"]);
    assert_eq!(routing(json!({"plugins": {"argoproj-labs/gatewayAPI": {}}})), ["argoproj-labs/gatewayAPI"]);
    assert!(routing(json!({"maxTrafficWeight": 100, "managedRoutes": [], "istio": null})).is_empty());
}

#[test]
fn managed_routes_stand_from_their_step_until_the_rollout_is_over_or_aborted() {
    let matched = json!([{"headerName": "x", "headerValue": {"exact": "1"}}]);
    let route = json!({"setHeaderRoute": {"name": "a", "match": matched}});
    let spec = spec(json!({"steps": [{"setWeight": 5}, route, {"pause": {}}]}));
    let overrides = |status: Value| spec.managed(&serde_json::from_value(status).unwrap()).overrides.len();
    let at = |step: usize| json!({"stableRS": "old", "currentPodHash": "new", "currentStepIndex": step});
    assert_eq!([0, 1, 2, 3].map(|step| overrides(at(step))), [0, 1, 1, 1]);
    let mut aborted = at(2);
    aborted["abort"] = true.into();
    assert_eq!(overrides(aborted), 0);
    assert_eq!(overrides(json!({"stableRS": "new", "currentPodHash": "new", "currentStepIndex": 3})), 0);
}
