use serde_json::Value;

use super::*;

/// Kubernetes wants schemas whose structure does not depend on values.
#[test]
fn the_schema_is_structural() {
    fn walk(value: &Value, path: &str) {
        if let Value::Object(map) = value {
            for (key, value) in map {
                assert!(!["oneOf", "anyOf", "allOf", "not"].contains(&key.as_str()), "{path}/{key}");
                assert!(key != "type" || value.is_string(), "{path}/{key}: {value}");
                walk(value, &format!("{path}/{key}"));
            }
        }
        if let Value::Array(items) = value {
            items.iter().for_each(|item| walk(item, path));
        }
    }
    walk(schema(), "");
}

#[test]
fn every_mapping_refuses_unknown_keys_and_every_key_is_described() {
    let definitions = schema()["$defs"].as_object().unwrap();
    for (name, definition) in definitions.iter().chain([(&"File".to_owned(), schema())]) {
        let Some(properties) = definition.get("properties").and_then(Value::as_object) else { continue };
        assert_eq!(definition["additionalProperties"], false, "{name}");
        for (key, property) in properties {
            assert!(property.get("description").is_some_and(Value::is_string), "{name}.{key}");
        }
    }
}

#[test]
fn what_the_schema_accepts_serde_accepts() {
    let samples = [
        "workers: 65535\nshutdown: {delay: 0, timeout: 1h}\n",
        "splits: [{name: s, versions: [{name: v, weight: 1000000, endpoints: []}], retry: {attempts: 255}}]",
        "splits: [{name: s, guard: {minRequests: 1000000000, maxLatencyRatio: 2}}]",
        "listeners: [{name: a, address: b, tls: {minVersion: \"1.2\"}}]",
    ];
    for sample in samples {
        let tree = Tree::parse(sample).unwrap();
        let mut problems = Problems::default();
        check(&tree, &mut problems);
        assert_eq!(problems.errors, [], "{sample}");
        serde_json::from_value::<wire::File>(tree.value).unwrap_or_else(|error| panic!("{sample}: {error}"));
    }
}

/// Values that differ from valid ones in one place each, and valid ones.
#[test]
fn it_finds_what_a_full_implementation_of_json_schema_finds() {
    let full = jsonschema::draft202012::new(schema()).unwrap();
    let whole = r#"{"workers": 2, "shutdown": {"delay": "5s"}, "listeners": [{"name": "a", "address": "b"}],
        "splits": [{"name": "s", "versions": [{"name": "v", "weight": 1, "endpoints": ["a:1"]}], "onEmpty": "sibling",
        "filters": [{"setRequestHeader": {"a": "b"}}], "guard": {"maxErrorRateIncrease": "2%"}}]}"#;
    let odd = [
        Value::Null,
        Value::from(-1),
        Value::from(1.5),
        Value::from(10_000_000_000_u64),
        Value::from("x y"),
        Value::from(true),
        serde_json::json!([]),
        serde_json::json!([1]),
        serde_json::json!({}),
        serde_json::json!({"a": 1, "b": 2}),
    ];
    let whole: Value = serde_json::from_str(whole).unwrap();
    let mut places = Vec::new();
    collect(&whole, String::new(), &mut places);
    for (place, odd) in places.iter().flat_map(|place| odd.iter().map(move |odd| (place, odd))) {
        let mut value = whole.clone();
        *value.pointer_mut(place).unwrap() = odd.clone();
        let mut found = 0;
        structural::check(&value, schema(), &mut |_, _, _, _| found += 1);
        assert_eq!(found == 0, full.is_valid(&value), "{odd} at {place}");
    }
}

fn collect(value: &Value, at: String, places: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, item)| collect(item, format!("{at}/{key}"), places)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| collect(item, format!("{at}/{index}"), places));
        }
        _ => {}
    }
    places.push(at);
}
