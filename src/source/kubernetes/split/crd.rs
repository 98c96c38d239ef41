//! The CustomResourceDefinition of `Split`, from the structs of `resource` and the status that is written.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::resource::SplitSpec;

/// Keys of a JSON Schema that a structural schema knows (apiextensions/v1 `JSONSchemaProps`).
const KNOWN: [&str; 17] = [
    "type",
    "description",
    "properties",
    "items",
    "required",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "pattern",
    "additionalProperties",
    "nullable",
];

/// The definition.
pub fn crd() -> Value {
    let settings = SchemaSettings::openapi3().for_deserialize().with(|settings| settings.inline_subschemas = true);
    let mut spec = structural(settings.into_generator().into_root_schema_for::<SplitSpec>().to_value());
    validate(&mut spec);
    let schema = json!({
        "type": "object",
        "description": "Divides the traffic of a routed name between versions of a service.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status(),
        },
    });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "splits.weir.dev"},
        "spec": {
            "group": "weir.dev",
            "scope": "Namespaced",
            "names": {"kind": "Split", "listKind": "SplitList", "plural": "splits", "singular": "split", "shortNames": ["spl"]},
            "versions": [{
                "name": "v1alpha1",
                "served": true,
                "storage": true,
                "schema": {"openAPIV3Schema": schema},
                "subresources": {"status": {}},
                "additionalPrinterColumns": columns(),
            }],
        },
    })
}

fn columns() -> Value {
    let column = |name: &str, kind: &str, path: &str, description: &str| json!({"name": name, "type": kind, "jsonPath": path, "description": description});
    json!([
        column("Target", "string", ".spec.targetRef.name", "What the weights come from"),
        column("Versions", "string", ".status.columns.versions", "Names of the versions"),
        column("Desired", "string", ".status.columns.desired", "Weights asked for"),
        column("Effective", "string", ".status.columns.effective", "Weights in effect"),
        column("Success", "string", ".status.columns.success", "Share of requests that succeeded, percent"),
        column(
            "Programmed",
            "string",
            ".status.conditions[?(@.type==\"Programmed\")].status",
            "Served by every replica"
        ),
        column(
            "Draining",
            "string",
            ".status.conditions[?(@.type==\"Draining\")].status",
            "Connections are asked to end"
        ),
        column("Age", "date", ".metadata.creationTimestamp", "Since it was made"),
    ])
}

/// A schema in the form that the API server wants: no references, no keys that it does not know.
fn structural(schema: Value) -> Value {
    let Value::Object(mut map) = schema else { return schema };
    // What may be absent is left out, never null.
    if let Some(Value::Array(mut options)) = map.remove("anyOf").or_else(|| map.remove("allOf")) {
        options.retain(|option| option["type"] != "null" && option["enum"] != json!([null]));
        if let Some(Value::Object(only)) = options.into_iter().next() {
            only.into_iter().for_each(|(key, value)| _ = map.entry(key).or_insert(value));
        }
    }
    if let Some(Value::Array(types)) = map.get("type") {
        let kind = types.iter().find(|kind| *kind != "null").cloned();
        map.insert("type".to_owned(), kind.unwrap_or_default());
    }
    if let Some(Value::Array(values)) = map.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    map.retain(|key, value| {
        KNOWN.contains(&key.as_str()) && !(key == "additionalProperties" && value.is_boolean()) && key != "nullable"
    });
    let nested = |(key, value): (String, Value)| {
        let value = match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                properties.into_iter().map(|(name, schema)| (name, structural(schema))).collect::<Map<_, _>>().into()
            }
            ("items" | "additionalProperties", schema) => structural(schema),
            (_, value) => value,
        };
        (key, value)
    };
    map.into_iter().map(nested).collect::<Map<_, _>>().into()
}

/// What no type can say: rules in the Common Expression Language.
fn validate(spec: &mut Value) {
    let rule = |rule: &str, message: &str| json!({"rule": rule, "message": message});
    spec["x-kubernetes-validations"] = json!([
        rule(
            "has(self.targetRef) || (has(self.versions) && self.versions.size() > 0)",
            "write versions: [{name: stable, service: NAME}], or a targetRef",
        ),
        rule(
            "has(self.targetRef) || !has(self.versions) || self.versions.all(v, has(v.service) || has(self.service))",
            "each version needs a service, its own or that of the spec",
        ),
        rule(
            "has(self.targetRef) || !has(self.versions) || self.versions.size() == 1 || \
             self.versions.exists(v, has(v.weight) && v.weight > 0)",
            "every weight is 0: give at least one version a weight",
        ),
        rule("!(has(self.gateways) && has(self.listeners))", "gateways and listeners cannot stand together"),
    ]);
    let properties = &mut spec["properties"];
    properties["versions"]["x-kubernetes-list-type"] = "map".into();
    properties["versions"]["x-kubernetes-list-map-keys"] = json!(["name"]);
    properties["sticky"]["x-kubernetes-validations"] = json!([
        rule(
            "[has(self.cookie), has(self.header), has(self.sourceAddress)].filter(x, x).size() == 1",
            "write exactly one of cookie, header, sourceAddress: true",
        ),
        rule(
            "!has(self.keySecretRef) || has(self.cookie)",
            "keySecretRef signs a cookie: write cookie: NAME, or remove it"
        ),
    ]);
    let parts = json!([
        rule("!(has(self.percent) && has(self.fraction))", "percent and fraction cannot stand together"),
        rule(
            "!has(self.fraction) || self.fraction.numerator <= (has(self.fraction.denominator) ? self.fraction.denominator : 100)",
            "the fraction is more than all requests: write a numerator of at most the denominator",
        ),
    ]);
    properties["mirror"]["x-kubernetes-validations"] = parts.clone();
    properties["mirrors"]["items"]["x-kubernetes-validations"] = parts;
    let groups = json!([rule(
        "self.kind == 'Rollout' ? self.group == 'argoproj.io' : self.kind == 'TrafficSplit' ? self.group == 'split.smi-spec.io' \
         : self.kind == 'Ingress' ? self.group == 'networking.k8s.io' : self.kind == 'Service' ? self.group == '' \
         : self.group == 'gateway.networking.k8s.io'",
        "the group does not fit the kind: argoproj.io for Rollout, gateway.networking.k8s.io for HTTPRoute and GRPCRoute, \
         networking.k8s.io for Ingress, split.smi-spec.io for TrafficSplit, \"\" for Service",
    )]);
    properties["targetRef"]["x-kubernetes-validations"] = groups;
    properties["targetRef"]["properties"]["group"]["default"] = "".into();
}

fn status() -> Value {
    let text = || json!({"type": "string"});
    let number = || json!({"type": "integer", "format": "int64"});
    json!({
        "type": "object",
        "properties": {
            "observedGeneration": number(),
            "conditions": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
                "items": {
                    "type": "object",
                    "required": ["type", "status", "reason", "message", "lastTransitionTime"],
                    "properties": {
                        "type": text(),
                        "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                        "reason": text(),
                        "message": text(),
                        "observedGeneration": number(),
                        "lastTransitionTime": {"type": "string", "format": "date-time"},
                    },
                },
            },
            "replicas": {
                "type": "object",
                "description": "Replicas of the proxy: how many are ready, and how many of them serve this generation.",
                "properties": {"ready": number(), "programmed": number()},
            },
            "columns": {
                "type": "object",
                "description": "The versions' figures side by side, for kubectl get, which shows one value in a column.",
                "properties": {"versions": text(), "desired": text(), "effective": text(), "success": text()},
            },
            "versions": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {
                        "name": text(),
                        "revision": text(),
                        "desired": number(),
                        "effective": text(),
                        "share": text(),
                        "requests": number(),
                        "success": text(),
                        "p99": text(),
                        "connections": number(),
                        "draining": number(),
                        "drainReplicas": number(),
                        "drainEndsAt": {"type": "string", "format": "date-time"},
                        "guard": text(),
                        "guardReason": text(),
                    },
                },
            },
        },
    })
}

#[cfg(test)]
mod tests;
