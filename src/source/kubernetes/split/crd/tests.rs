use super::*;

/// Every schema in it, with its path.
fn schemas<'v>(at: String, schema: &'v Value, found: &mut Vec<(String, &'v Value)>) {
    found.push((at.clone(), schema));
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        schemas(format!("{at}.{name}"), property, found);
    }
    for key in ["items", "additionalProperties"] {
        if schema[key].is_object() {
            schemas(format!("{at}[]"), &schema[key], found);
        }
    }
}

#[test]
fn every_schema_has_a_type_as_a_structural_schema_must() {
    let crd = crd();
    let mut found = Vec::new();
    schemas(String::new(), &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], &mut found);
    assert!(found.len() > 80, "{}", found.len());
    let untyped: Vec<&String> = found.iter().filter(|(_, s)| !s["type"].is_string()).map(|(at, _)| at).collect();
    assert!(untyped.is_empty(), "{untyped:?}");
}

#[test]
fn versions_are_a_map_by_name() {
    let crd = crd();
    let versions =
        &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["versions"];
    assert_eq!(versions["x-kubernetes-list-map-keys"], json!(["name"]));
}
