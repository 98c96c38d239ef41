use super::*;

const THEN: &str = "2026-01-01T00:00:00Z";
const NOW: &str = "2026-01-02T00:00:00Z";

fn moment() -> Moment<'static> {
    Moment { generation: 7, now: NOW }
}

fn accepted() -> Vec<Condition> {
    vec![Condition::holds("Accepted", "Accepted", "")]
}

fn of_route(name: &str, before: &Value) -> Value {
    let reference = json!({"name": name});
    let parents = vec![Parent { reference, conditions: accepted(), attached: Vec::new() }];
    status(ObjectKind::HttpRoute, &Report { parents, ..Report::default() }, before, moment()).unwrap()
}

#[test]
fn a_condition_tells_the_generation_and_the_time_of_its_change() {
    let status = of_route("gateway", &Value::Null);
    let expected = json!({
        "type": "Accepted", "status": "True", "reason": "Accepted", "message": "",
        "observedGeneration": 7, "lastTransitionTime": NOW,
    });
    assert_eq!(status["parents"][0]["conditions"], json!([expected]));
}

#[test]
fn a_condition_that_stays_keeps_its_time_and_one_that_changes_does_not() {
    let known = |state: &str| {
        let conditions = json!([{"type": "Accepted", "status": state, "lastTransitionTime": THEN}]);
        let reference = json!({"name": "gateway"});
        json!({"parents": [{"parentRef": reference, "controllerName": gateway::CONTROLLER, "conditions": conditions}]})
    };
    let since =
        |before: &Value| of_route("gateway", before)["parents"][0]["conditions"][0]["lastTransitionTime"].clone();
    assert_eq!(since(&known("True")), THEN);
    assert_eq!(since(&known("False")), NOW);
}

#[test]
fn conditions_of_types_that_are_not_ours_stay_as_they_are_and_ours_that_no_longer_hold_go() {
    let audited = json!({"type": "example.com/Audited", "status": "Unknown", "lastTransitionTime": THEN});
    let before = json!({"conditions": [audited, {"type": "Drained", "status": "True"}]});
    let report = Report { conditions: accepted(), ..Report::default() };
    for kind in [ObjectKind::Split, ObjectKind::Gateway, ObjectKind::GatewayClass] {
        let status = status(kind, &report, &before, moment()).unwrap();
        let conditions = status["conditions"].as_array().unwrap();
        assert_eq!(conditions.len(), 2, "{conditions:?}");
        assert_eq!((&conditions[0], &conditions[1]["type"]), (&audited, &json!("Accepted")));
    }
}

#[test]
fn entries_of_other_controllers_stay_as_they_are_and_ours_that_are_no_longer_asked_for_go() {
    let other = json!({"parentRef": {"name": "theirs"}, "controllerName": "example.com/other", "conditions": []});
    let old = json!({"parentRef": {"name": "before"}, "controllerName": gateway::CONTROLLER, "conditions": []});
    let status = of_route("gateway", &json!({"parents": [other, old]}));
    let parents = status["parents"].as_array().unwrap();
    assert_eq!(parents.len(), 2);
    assert_eq!((&parents[0], &parents[1]["parentRef"]["name"]), (&other, &json!("gateway")));
}

#[test]
fn a_route_of_other_gateways_is_not_written_to() {
    let none = Report::default();
    let theirs = json!({"parents": [{"parentRef": {"name": "theirs"}, "controllerName": "example.com/other"}]});
    assert_eq!(status(ObjectKind::HttpRoute, &none, &theirs, moment()), None);
}

#[test]
fn a_route_that_has_left_our_gateways_loses_our_entry() {
    let ours = json!({"parents": [{"parentRef": {"name": "gateway"}, "controllerName": gateway::CONTROLLER}]});
    let left = status(ObjectKind::HttpRoute, &Report::default(), &ours, moment());
    assert_eq!(left, Some(json!({"parents": []})));
}

#[test]
fn the_same_is_not_written_again() {
    let status = of_route("gateway", &Value::Null);
    assert!(is_same(&status, &status));
    assert!(!is_same(&status, &json!({"parents": []})));
    let again = of_route("gateway", &status);
    assert!(is_same(&again, &status));
}

#[test]
fn a_gateway_and_a_class_that_are_not_ours_are_not_written_to() {
    for kind in [ObjectKind::Gateway, ObjectKind::GatewayClass, ObjectKind::Ingress] {
        assert_eq!(status(kind, &Report::default(), &Value::Null, moment()), None);
    }
}

#[test]
fn an_ingress_tells_where_it_is_reached() {
    let addresses =
        vec![json!({"type": "IPAddress", "value": "192.0.2.1"}), json!({"type": "Hostname", "value": "a.test"})];
    let report = Report { addresses, ..Report::default() };
    let written = status(ObjectKind::Ingress, &report, &Value::Null, moment()).unwrap();
    assert_eq!(written, json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "a.test"}]}}));
}

#[test]
fn a_split_tells_its_versions_and_the_generation() {
    let versions = json!([
        {"name": "stable", "desired": 95, "effective": "95", "success": "99.90"},
        {"name": "canary", "desired": 5, "effective": "2.5", "success": ""},
    ]);
    let report = Report { conditions: accepted(), versions: Some(versions.clone()), ..Report::default() };
    let written = status(ObjectKind::Split, &report, &Value::Null, moment()).unwrap();
    assert_eq!((&written["observedGeneration"], &written["versions"]), (&json!(7), &versions));
    let columns = json!({"versions": "stable/canary", "desired": "95/5", "effective": "95/2.5", "success": "99.90/-"});
    assert_eq!(written["columns"], columns);
}
