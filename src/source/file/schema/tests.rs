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
