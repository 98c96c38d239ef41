use std::collections::BTreeMap;

use serde_json::json;

use super::*;

type Lists = BTreeMap<String, Vec<BTreeMap<String, u32>>>;

fn of(value: Value) -> String {
    place("spec", &value, |value| serde_json::from_value::<Lists>(value.clone()).is_ok())
}

#[test]
fn the_deepest_field_to_blame_is_named() {
    assert_eq!(of(json!({"a": [], "b": [{"x": 1}, {"x": 1, "y": -1}]})), "spec.b[1].y");
    assert_eq!(of(json!({"a/b~c": [{"~": "text"}]})), "spec.a/b~c[0].~");
}

#[test]
fn where_several_are_to_blame_what_they_have_in_common_is_named() {
    assert_eq!(of(json!({"a": [{"x": -1}, {"x": -1}]})), "spec.a");
    assert_eq!(of(json!({"a": [{"x": -1}], "b": [{"x": -1}]})), "spec");
    assert_eq!(of(json!([])), "spec");
}
