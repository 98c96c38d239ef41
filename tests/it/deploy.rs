//! What is under deploy/: that it parses, fits the program, asks for no more than the program needs, and agrees with itself.
//!
//! `WEIR_BLESS=1` rewrites the CustomResourceDefinition. `deploy/helm/rendered.yaml` is what the chart makes with its
//! default values; `deploy/helm/render` rewrites it.
#![cfg(feature = "kubernetes")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value, json};
use weir::source::file::{self, Loaded};
use weir::source::kubernetes::{ObjectKind, crd};

const CRD: &str = "crds/splits.yaml";
const BASE: [&str; 4] = ["base/namespace.yaml", "base/rbac.yaml", "base/weir.yaml", "base/classes.yaml"];
const RENDERED: &str = "helm/rendered.yaml";
/// The same with the namespaces `shop` and `web` only.
const NAMESPACED: &str = "helm/namespaced.yaml";

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

fn text(path: &str) -> String {
    fs::read_to_string(deploy().join(path)).unwrap_or_else(|error| panic!("deploy/{path}: {error}"))
}

fn objects(path: &str) -> Vec<Value> {
    documents(path, &text(path))
}

fn base() -> Vec<Value> {
    BASE.iter().flat_map(|path| objects(path)).collect()
}

fn examples() -> Vec<(String, Vec<Value>)> {
    let examples: Vec<_> = files("examples", "yaml").into_iter().map(|path| (path.clone(), objects(&path))).collect();
    assert!(examples.len() >= 15, "{} examples", examples.len());
    examples
}

/// The files below a folder of deploy/ with that ending.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(deploy().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = if folder.is_empty() {
            entry.file_name().into_string().unwrap()
        } else {
            format!("{folder}/{}", entry.file_name().to_str().unwrap())
        };
        if entry.path().is_dir() {
            found.extend(files(&path, ending));
        } else if path.ends_with(&format!(".{ending}")) {
            found.push(path);
        }
    }
    found.sort();
    found
}

// --- YAML of several documents

fn documents(name: &str, text: &str) -> Vec<Value> {
    let mut events = Parser::new_from_str(text).map(|event| event.unwrap_or_else(|error| panic!("{name}: {error}")).0);
    let mut documents = Vec::new();
    while let Some(event) = events.next() {
        match event {
            Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) => {
                documents.push(value(name, event, &mut events));
            }
            Event::Alias(_) => panic!("{name}: aliases do not survive every tool"),
            _ => {}
        }
    }
    documents.retain(|document| !document.is_null());
    documents
}

fn value<'t>(name: &str, event: Event<'t>, events: &mut dyn Iterator<Item = Event<'t>>) -> Value {
    match event {
        Event::Scalar(text, ScalarStyle::Plain, ..) => match &*text {
            "" | "null" | "~" => Value::Null,
            // JSON and the core schema of YAML agree on numbers and truth values.
            plain => {
                serde_json::from_str(plain).ok().filter(|v: &Value| !v.is_string()).unwrap_or_else(|| plain.into())
            }
        },
        Event::Scalar(text, ..) => Value::from(text.into_owned()),
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                match events.next().unwrap() {
                    Event::SequenceEnd => return items.into(),
                    event => items.push(value(name, event, events)),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut map = Map::new();
            loop {
                let key = match events.next().unwrap() {
                    Event::MappingEnd => return map.into(),
                    Event::Scalar(key, ..) => key.into_owned(),
                    event => panic!("{name}: {event:?} is no key"),
                };
                let event = events.next().unwrap();
                let value = value(name, event, events);
                assert!(map.insert(key.clone(), value).is_none(), "{name}: {key} is there twice");
            }
        }
        event => panic!("{name}: {event:?} is no value"),
    }
}

// --- Looking at objects

fn str<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer} of {value}"))
}

fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).map_or(&[], |list| list.as_array().unwrap_or_else(|| panic!("{pointer} of {value}")))
}

fn strings(value: &Value, pointer: &str) -> Vec<String> {
    list(value, pointer).iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

fn id(object: &Value) -> (String, String) {
    (str(object, "/kind").to_owned(), str(object, "/metadata/name").to_owned())
}

fn find<'o>(objects: &'o [Value], kind: &str, name: &str) -> &'o Value {
    let wanted = (kind.to_owned(), name.to_owned());
    objects.iter().find(|object| id(object) == wanted).unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// Everything under a key of that name, however deep.
fn under<'v>(value: &'v Value, key: &str, found: &mut Vec<&'v Value>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get(key));
            map.values().for_each(|inner| under(inner, key, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| under(inner, key, found)),
        _ => {}
    }
}

fn pod(objects: &[Value]) -> Value {
    find(objects, "Deployment", "weir")["spec"]["template"].clone()
}

fn container(objects: &[Value]) -> Value {
    let pod = pod(objects);
    let [container] = list(&pod, "/spec/containers") else { panic!("several containers") };
    container.clone()
}

/// Ports of the container: name and number.
fn ports(objects: &[Value]) -> BTreeMap<String, u64> {
    let container = container(objects);
    let port = |port: &Value| (str(port, "/name").to_owned(), port["containerPort"].as_u64().unwrap());
    list(&container, "/ports").iter().map(port).collect()
}

/// The settings of the ConfigMap, taken by the program itself.
fn settings(objects: &[Value]) -> Loaded {
    let text = str(find(objects, "ConfigMap", "weir"), "/data/weir.yaml");
    file::parse(text, "weir.yaml", Path::new("")).unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
}

// --- The files

#[test]
fn the_definition_of_split_is_that_of_the_program() {
    let made = format!("{}\n", serde_json::to_string_pretty(&crd()).unwrap());
    if std::env::var_os("WEIR_BLESS").is_some() {
        fs::write(deploy().join(CRD), &made).unwrap();
    }
    assert!(text(CRD) == made, "deploy/{CRD} is not what `weir crds` prints: WEIR_BLESS=1 rewrites it");
    assert_eq!(text("helm/weir/files/splits.yaml"), made, "the chart has another one");
}

#[test]
fn every_file_parses_and_says_what_it_is() {
    let paths: Vec<String> = files("", "yaml").into_iter().filter(|path| !path.contains("/templates/")).collect();
    assert!(paths.len() >= 25, "{paths:?}");
    for path in paths {
        let objects = objects(&path);
        assert!(!objects.is_empty(), "{path} is empty");
        for object in objects.iter().filter(|_| !path.ends_with("values.yaml")) {
            let api = str(object, "/apiVersion");
            if !api.starts_with("kustomize.") && !path.ends_with("Chart.yaml") {
                assert!(!id(object).1.is_empty(), "{path}");
            }
        }
    }
    for path in files("", "json") {
        serde_json::from_str::<Value>(&text(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}

#[test]
fn kustomize_has_every_file() {
    let kustomization = &objects("base/kustomization.yaml")[0];
    let mut named: BTreeSet<String> = strings(kustomization, "/resources").into_iter().collect();
    assert!(named.remove("../crds"));
    let there: BTreeSet<String> = files("base", "yaml").iter().map(|path| path.replace("base/", "")).collect();
    assert_eq!(named, there.into_iter().filter(|name| name != "kustomization.yaml").collect());
    assert_eq!(BASE.len(), named.len(), "this test looks at every file of the base");
    assert_eq!(strings(&objects("crds/kustomization.yaml")[0], "/resources"), ["splits.yaml"]);
    for object in base() {
        let wide = ["Namespace", "ClusterRole", "ClusterRoleBinding", "GatewayClass", "IngressClass"];
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
        let expected = (!wide.contains(&str(&object, "/kind"))).then_some("weir-system");
        assert_eq!(namespace, expected, "{:?}", id(&object));
    }
}

#[test]
fn images_come_from_no_registry_that_is_named() {
    for path in files("", "yaml").into_iter().filter(|path| !path.contains("/templates/")) {
        for object in objects(&path) {
            let mut images = Vec::new();
            under(&object, "image", &mut images);
            under(&object, "repository", &mut images);
            for image in images.into_iter().filter_map(Value::as_str) {
                assert!(!image.contains('/'), "{path}: {image} names a registry or somebody's repository");
                let ours = image == "weir" || image == format!("weir:{}", env!("CARGO_PKG_VERSION"));
                assert!(ours || path == "examples/stateful-worker.yaml", "{path}: {image}");
            }
        }
    }
    let dockerfile = text("Dockerfile");
    let from: Vec<&str> = dockerfile.lines().filter(|line| line.starts_with("FROM")).collect();
    assert_eq!(from, ["FROM scratch"]);
}

#[test]
fn versions_are_those_of_the_program() {
    let version = env!("CARGO_PKG_VERSION");
    let chart = &objects("helm/weir/Chart.yaml")[0];
    assert_eq!((str(chart, "/version"), str(chart, "/appVersion")), (version, version));
    for path in files("", "md").into_iter().chain(["Dockerfile".to_owned()]) {
        for (at, _) in text(&path).match_indices("weir:0") {
            assert!(text(&path)[at..].starts_with(&format!("weir:{version}")), "{path}: another version");
        }
    }
    let context = pod(&base())["spec"]["securityContext"].clone();
    let user = format!("USER {}:{}\n", context["runAsUser"], context["runAsGroup"]);
    assert!(text("Dockerfile").contains(&user), "the image has another user than the pod");
}

// --- The proxy

#[test]
fn settings_are_valid_and_their_ports_are_known() {
    for objects in [base(), objects(RENDERED)] {
        let Loaded { model, settings, warnings, .. } = settings(&objects);
        assert!(warnings.is_empty(), "{warnings:?}");
        let ports = ports(&objects);
        assert_eq!(settings.ops.unwrap().port(), ports["ops"] as u16);
        assert_eq!(settings.peers.unwrap().address.port(), ports["peers"] as u16);
        for listener in &model.listeners {
            assert_eq!(u64::from(listener.address.port()), ports[&*listener.name], "listener {}", listener.name);
        }
        // Dashboard and changes by hand are nobody's who is not in the pod.
        assert!(settings.admin.unwrap().ip().is_loopback());
        assert!(!ports.values().any(|port| *port == u64::from(settings.admin.unwrap().port())));
    }
}

#[test]
fn whoever_names_a_port_names_one_that_exists() {
    for objects in [base(), objects(RENDERED)] {
        let ports = ports(&objects);
        assert_eq!(
            ports,
            [("http", 8080), ("https", 8443), ("ops", 9902), ("peers", 9903)].map(|(n, p)| (n.to_owned(), p)).into()
        );
        let container = container(&objects);
        for (probe, path) in [("startupProbe", "/livez"), ("readinessProbe", "/readyz"), ("livenessProbe", "/livez")] {
            assert_eq!(str(&container, &format!("/{probe}/httpGet/path")), path);
            assert_eq!(str(&container, &format!("/{probe}/httpGet/port")), "ops", "{probe}");
        }
        for service in objects.iter().filter(|object| object["kind"] == "Service") {
            for port in list(service, "/spec/ports") {
                assert!(ports.contains_key(str(port, "/targetPort")), "{:?}: {port}", id(service));
            }
        }
        let policy = find(&objects, "NetworkPolicy", "weir");
        let allowed: Vec<&Value> = list(policy, "/spec/ingress").iter().flat_map(|rule| list(rule, "/ports")).collect();
        for port in &allowed {
            let gateways = port["port"] == 20000 && port["endPort"] == 29999;
            assert!(gateways || ports.contains_key(str(port, "/port")), "{port}");
        }
        for name in ports.keys() {
            assert!(allowed.iter().any(|port| port["port"] == **name), "nobody reaches {name}");
        }
    }
    let monitor = &objects("components/podmonitor/podmonitor.yaml")[0];
    assert_eq!(
        list(monitor, "/spec/podMetricsEndpoints"),
        [json!({"port": "ops", "path": "/metrics", "interval": "15s", "honorLabels": true})]
    );
}

#[test]
fn the_grace_period_covers_what_an_end_may_take() {
    for objects in [base(), objects(RENDERED)] {
        let shutdown = settings(&objects).settings.shutdown;
        let sleep = container(&objects).pointer("/lifecycle/preStop/sleep/seconds").unwrap().as_u64().unwrap();
        let grace = pod(&objects)["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap();
        let needed = Duration::from_secs(sleep) + shutdown.delay + shutdown.timeout;
        assert!(sleep > 0 && Duration::from_secs(grace) > needed, "{grace} s are less than {needed:?}");
    }
}

#[test]
fn pods_have_no_privilege_and_no_label_that_hides_those_of_series() {
    for objects in [base(), objects(RENDERED)] {
        let (pod, container) = (pod(&objects), container(&objects));
        assert_eq!(pod.pointer("/spec/securityContext/runAsNonRoot"), Some(&json!(true)));
        assert_eq!(pod.pointer("/spec/securityContext/seccompProfile/type"), Some(&json!("RuntimeDefault")));
        let expected = json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}});
        assert_eq!(container["securityContext"], expected);
        for label in pod["metadata"]["labels"].as_object().unwrap().keys() {
            assert!(!["ingress", "canary", "status"].contains(&&**label), "label {label}");
        }
        let strategy = &find(&objects, "Deployment", "weir")["spec"]["strategy"]["rollingUpdate"];
        assert_eq!(*strategy, json!({"maxSurge": 1, "maxUnavailable": 0}));
        let selector = &find(&objects, "Deployment", "weir")["spec"]["selector"]["matchLabels"];
        let mut selectors = Vec::new();
        objects.iter().filter(|object| object["kind"] == "Service").for_each(|o| under(o, "selector", &mut selectors));
        under(find(&objects, "PodDisruptionBudget", "weir"), "matchLabels", &mut selectors);
        under(find(&objects, "NetworkPolicy", "weir"), "matchLabels", &mut selectors);
        under(&pod["spec"]["topologySpreadConstraints"], "matchLabels", &mut selectors);
        assert!(selectors.len() >= 7 && selectors.into_iter().all(|each| each == selector));
    }
}

#[test]
fn replicas_have_the_token_that_they_show_each_other() {
    for objects in [base(), objects(RENDERED)] {
        let pod = pod(&objects);
        let volume = list(&pod, "/spec/volumes").iter().find(|volume| volume["name"] == "peers").unwrap();
        let [source] = list(volume, "/projected/sources") else { panic!("{volume}") };
        let token = &source["serviceAccountToken"];
        assert_eq!((str(token, "/audience"), str(token, "/path")), ("weir-peers", "token"));
        let container = container(&objects);
        let mount = list(&container, "/volumeMounts").iter().find(|mount| mount["name"] == "peers").unwrap();
        assert_eq!(str(mount, "/mountPath"), "/var/run/secrets/weir/peers");
        let service = find(&objects, "Service", "weir-replicas");
        assert_eq!(service["spec"]["clusterIP"], "None");
        assert_eq!(service["spec"]["publishNotReadyAddresses"], true);
    }
}

// --- Rights

/// What may be done: where, and group, resource, verb.
type Right = (&'static str, String, String, String);

fn rights(objects: &[Value]) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for (kind, place) in [("ClusterRole", "everywhere"), ("Role", "weir-system")] {
        rights.append(&mut rights_by(find(objects, kind, "weir"), place));
    }
    rights
}

/// What a role allows.
fn rights_by(role: &Value, place: &'static str) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for rule in list(role, "/rules") {
        for group in strings(rule, "/apiGroups") {
            for resource in strings(rule, "/resources") {
                let names = strings(rule, "/resourceNames").join(",");
                let resource = if names.is_empty() { resource } else { format!("{resource}/{names}") };
                for verb in strings(rule, "/verbs") {
                    assert!(verb != "*" && group != "*" && !resource.contains('*'), "{rule}");
                    let right = (place, group.clone(), resource.clone(), verb);
                    assert!(rights.insert(right.clone()), "{right:?} is there twice");
                }
            }
        }
    }
    rights
}

/// Kinds that are told by their status how they are served.
const WITH_STATUS: [ObjectKind; 6] = [
    ObjectKind::Split,
    ObjectKind::GatewayClass,
    ObjectKind::Gateway,
    ObjectKind::HttpRoute,
    ObjectKind::GrpcRoute,
    ObjectKind::Ingress,
];

/// Where, group, resource, verbs: what is not a watch or a status.
const OTHERS: [(&str, &str, &str, &[&str]); 11] = [
    // Those that something refers to; of the others the metadata.
    ("everywhere", "", "configmaps", &["get"]),
    ("everywhere", "", "secrets", &["get"]),
    // Told by Events alone, but read before that as the others are.
    ("everywhere", "split.smi-spec.io", "trafficsplits", &["get"]),
    ("everywhere", "events.k8s.io", "events", &["create"]),
    ("everywhere", "authentication.k8s.io", "tokenreviews", &["create"]),
    ("weir-system", "", "services", &["create", "patch", "delete"]),
    ("weir-system", "discovery.k8s.io", "endpointslices", &["list", "watch"]),
    ("weir-system", "coordination.k8s.io", "leases", &["create"]),
    ("weir-system", "coordination.k8s.io", "leases/weir", &["get", "update"]),
    ("weir-system", "", "configmaps", &["create"]),
    ("weir-system", "", "configmaps/weir-trips", &["get", "update"]),
];

#[test]
fn the_account_may_do_what_the_program_does_and_nothing_else() {
    let mut expected = BTreeSet::new();
    let mut may = |place, group: &str, resource: &str, verbs: &[&str]| {
        for verb in verbs {
            expected.insert((place, group.to_owned(), resource.to_owned(), (*verb).to_owned()));
        }
    };
    for kind in ObjectKind::ALL {
        let plural = kind.resource().plural;
        may("everywhere", kind.group(), &plural, &["list", "watch"]);
        if WITH_STATUS.contains(kind) {
            may("everywhere", kind.group(), &plural, &["get"]);
            may("everywhere", kind.group(), &format!("{plural}/status"), &["patch"]);
        }
    }
    for (place, group, resource, verbs) in OTHERS {
        may(place, group, resource, verbs);
    }
    for objects in [base(), objects(RENDERED)] {
        let rights = rights(&objects);
        let missing: Vec<&Right> = expected.difference(&rights).collect();
        let needless: Vec<&Right> = rights.difference(&expected).collect();
        assert!(missing.is_empty() && needless.is_empty(), "missing: {missing:?}; needless: {needless:?}");
        for (kind, role) in [("ClusterRoleBinding", "ClusterRole"), ("RoleBinding", "Role")] {
            let binding = find(&objects, kind, "weir");
            assert_eq!((str(binding, "/roleRef/kind"), str(binding, "/roleRef/name")), (role, "weir"));
            assert_eq!(
                binding["subjects"],
                json!([{"kind": "ServiceAccount", "name": "weir", "namespace": "weir-system"}])
            );
        }
    }
}

/// Kinds that belong to no namespace.
const CLUSTER_WIDE: [ObjectKind; 3] = [ObjectKind::Namespace, ObjectKind::GatewayClass, ObjectKind::IngressClass];

#[test]
fn with_some_namespaces_the_account_has_rights_in_these_and_elsewhere_only_on_what_belongs_to_none() {
    let (all, some) = (objects(RENDERED), objects(NAMESPACED));
    let is_of_cluster = |right: &Right| {
        let kind = |kind: &ObjectKind| {
            let plural = kind.resource().plural;
            kind.group() == right.1 && [plural.clone(), format!("{plural}/status")].contains(&right.2)
        };
        CLUSTER_WIDE.iter().any(kind) || right.2 == "tokenreviews"
    };
    let everywhere = rights_by(find(&all, "ClusterRole", "weir"), "");
    let (of_cluster, of_namespaces): (BTreeSet<Right>, BTreeSet<Right>) =
        everywhere.into_iter().partition(is_of_cluster);
    assert_eq!(rights_by(find(&some, "ClusterRole", "weir"), ""), of_cluster);
    let named = |kind: &str, namespace: &str| {
        let is_it = |object: &&Value| {
            object["kind"] == kind
                && object["metadata"]["namespace"] == namespace
                && str(object, "/metadata/name") == "weir-routes"
        };
        some.iter().find(is_it).unwrap_or_else(|| panic!("no {kind} weir-routes in {namespace}")).clone()
    };
    for namespace in ["shop", "web"] {
        assert_eq!(rights_by(&named("Role", namespace), ""), of_namespaces);
        let binding = named("RoleBinding", namespace);
        assert_eq!((str(&binding, "/roleRef/kind"), str(&binding, "/roleRef/name")), ("Role", "weir-routes"));
        assert_eq!(
            binding["subjects"],
            json!([{"kind": "ServiceAccount", "name": "weir", "namespace": "weir-system"}])
        );
    }
    // In its own namespace it looks at Services beside what it does there anyway.
    let mut own = rights_by(find(&all, "Role", "weir"), "");
    own.extend(["list", "watch"].map(|verb| ("", String::new(), "services".to_owned(), verb.to_owned())));
    assert_eq!(rights_by(find(&some, "Role", "weir"), ""), own);
    let arguments = strings(&container(&some), "/args");
    assert!(arguments.contains(&"--namespaces=shop,web".to_owned()), "{arguments:?}");
}

// --- Agreement

#[test]
fn the_chart_makes_what_the_base_has() {
    let chart = normal(objects(RENDERED));
    let mut base = normal(base());
    // Helm makes the namespace itself, or is given one.
    assert!(base.remove(&("Namespace".to_owned(), "weir-system".to_owned())).is_some());
    let names = |objects: &BTreeMap<_, _>| objects.keys().cloned().collect::<Vec<(String, String)>>();
    assert_eq!(names(&chart), names(&base));
    for (id, object) in base {
        assert_eq!(chart[&id], object, "{id:?}: deploy/helm/render writes what the chart makes");
    }
}

/// Without what Helm adds, and with the settings as a tree.
fn normal(objects: Vec<Value>) -> BTreeMap<(String, String), Value> {
    let normal = |mut object: Value| {
        let metadata = object["metadata"].as_object_mut().unwrap();
        let labels = metadata["labels"].as_object_mut().unwrap();
        for label in
            ["app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart"]
        {
            labels.remove(label);
        }
        if let Some(template) = object.pointer_mut("/spec/template/metadata").and_then(Value::as_object_mut) {
            let annotations = template.remove("annotations");
            let known = |annotations: &Value| annotations.as_object().unwrap().keys().eq(["weir.dev/config"]);
            assert!(annotations.as_ref().is_none_or(known), "{annotations:?}");
        }
        if let Some(config) = object.pointer_mut("/data/weir.yaml") {
            *config = documents("weir.yaml", config.as_str().unwrap()).remove(0);
        }
        (id(&object), object)
    };
    objects.into_iter().map(normal).collect()
}

#[test]
fn values_have_a_schema_and_fit_it() {
    let schema: Value = serde_json::from_str(&text("helm/weir/values.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let values = objects("helm/weir/values.yaml").remove(0);
    let errors: Vec<String> = validator.iter_errors(&values).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let known: BTreeSet<&String> = schema["properties"].as_object().unwrap().keys().collect();
    let missing: Vec<_> = known.iter().filter(|key| **key != "global" && values.get(key.as_str()).is_none()).collect();
    assert!(missing.is_empty(), "values.yaml does not show {missing:?}");
    for bad in [json!({"replica": 3}), json!({"podLabels": {"canary": "x"}}), json!({"config": {"listeners": []}})] {
        assert!(!validator.is_valid(&bad), "{bad}");
    }
}

#[test]
fn the_cluster_tests_use_the_same_names() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster");
    let support = fs::read_to_string(tests.join("support/weir.py")).unwrap();
    for used in
        ["NAMESPACE = \"weir-system\"", "service_address(\"weir\"", "selector=\"app=weir\"", "wait_available(\"weir\""]
    {
        assert!(support.contains(used), "support/weir.py no longer says {used}");
    }
}

// --- Examples

#[test]
fn splits_of_the_examples_are_valid() {
    let mut schema = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
    close(&mut schema);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut seen = 0;
    for (path, objects) in examples() {
        for split in objects.iter().filter(|object| object["kind"] == "Split") {
            assert_eq!(str(split, "/apiVersion"), "weir.dev/v1alpha1");
            let errors: Vec<String> =
                validator.iter_errors(split).map(|e| format!("{}: {e}", e.instance_path())).collect();
            assert!(errors.is_empty(), "{path}: {errors:?}");
            references(&path, &objects, split);
            seen += 1;
        }
    }
    assert!(seen >= 8, "{seen} Splits");
}

/// Fields that are not in the schema are errors, as they are to `kubectl apply`.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.get("properties").is_some_and(Value::is_object) && map.get("type") == Some(&json!("object")) {
                map.insert("additionalProperties".to_owned(), json!(false));
            }
            map.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
    // The API server has more to say about metadata than the definition.
    if let Some(metadata) = schema.pointer_mut("/properties/metadata") {
        *metadata = json!({"type": "object"});
    }
}

/// Whatever a Split names is in the same file, and its weights make sense.
fn references(path: &str, objects: &[Value], split: &Value) {
    let spec = &split["spec"];
    let versions = list(spec, "/versions");
    if let Some(target) = spec.get("targetRef") {
        let target = find(objects, str(target, "/kind"), str(target, "/name"));
        assert!(str(target, "/apiVersion").starts_with(str(spec, "/targetRef/group")), "{path}");
    } else {
        let weight = |version: &Value| version["weight"].as_u64().unwrap_or(u64::from(versions.len() == 1));
        assert!(versions.iter().map(weight).sum::<u64>() > 0, "{path}: every weight is 0");
    }
    for service in versions.iter().chain([spec]).filter_map(|named| named["service"].as_str()) {
        find(objects, "Service", service);
    }
    let names: BTreeSet<&str> = versions.iter().map(|version| str(version, "/name")).collect();
    for to in list(spec, "/overrides").iter().map(|wanted| str(wanted, "/to")) {
        assert!(names.contains(to), "{path}: an override leads to {to}");
    }
}

#[test]
fn every_example_says_how_to_apply_it_and_what_to_see_and_is_complete() {
    for (path, objects) in examples() {
        let head: String = text(&path).lines().take_while(|line| line.starts_with('#')).collect::<Vec<_>>().join("\n");
        assert!(head.contains(&format!("kubectl apply -f deploy/{path}")), "{path} does not say how it is applied");
        assert!(head.contains("To be seen") || head.contains("The same as"), "{path} does not say what is to be seen");
        let unique: BTreeSet<_> = objects.iter().map(id).collect();
        assert_eq!(unique.len(), objects.len(), "{path}: an object is there twice");
        for object in &objects {
            assert!(object.pointer("/metadata/namespace").is_none(), "{path}: applies to one namespace only");
            for (field, class) in [("gatewayClassName", "weir"), ("ingressClassName", "weir")] {
                assert!(object["spec"].get(field).is_none_or(|named| named == class), "{path}: {field}");
            }
            selects(&path, &objects, object);
            let mut services = Vec::new();
            ["stableService", "canaryService", "activeService", "previewService", "rootService"]
                .iter()
                .for_each(|key| under(object, key, &mut services));
            services.into_iter().for_each(|service| _ = find(&objects, "Service", service.as_str().unwrap()));
            let mut backends = Vec::new();
            under(object, "backendRefs", &mut backends);
            backends
                .into_iter()
                .flat_map(|refs| list(refs, ""))
                .for_each(|backend| _ = find(&objects, "Service", str(backend, "/name")));
        }
    }
}

/// A Service selects pods of the same file, and a port that they have.
fn selects(path: &str, objects: &[Value], service: &Value) {
    if service["kind"] != "Service" {
        return;
    }
    let selector = service["spec"]["selector"].as_object().unwrap();
    let selected = objects.iter().any(|workload| {
        let template = &workload["spec"]["template"];
        let labels = selector.iter().all(|(key, value)| template["metadata"]["labels"].get(key) == Some(value));
        let ports = template.pointer("/spec/containers/0/ports").unwrap_or(&Value::Null);
        let named = |wanted: &Value| list(ports, "").iter().any(|port| port["name"] == wanted["targetPort"]);
        labels && template.is_object() && list(service, "/spec/ports").iter().all(named)
    });
    assert!(selected, "{path}: {:?} selects nothing", id(service));
}

#[test]
fn the_steps_are_those_of_the_articles() {
    let objects = objects("examples/argo-follow-rollout.yaml");
    for (name, first, second, pause) in [("spark-app", 20, 50, "60s"), ("spark-app-rollout", 25, 50, "10m")] {
        let steps = json!([
            {"setWeight": first}, {"pause": {"duration": pause}}, {"setWeight": second}, {"pause": {"duration": pause}}, {"setWeight": 100},
        ]);
        assert_eq!(find(&objects, "Rollout", name)["spec"]["strategy"]["canary"]["steps"], steps);
    }
}

// --- Settings that do not work

#[test]
fn a_pod_with_settings_that_do_not_work_ends_before_it_asks_for_a_cluster() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("weir.yaml");
    fs::write(&path, "ops: {address: \"127.0.0.1:0\"}\nlisteners: [{name: http, adress: \"127.0.0.1:0\"}]\n").unwrap();
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["run", "--kubernetes", "--config"])
        .arg(&path)
        .env_remove("KUBECONFIG")
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(1));
    let message = String::from_utf8(run.stderr).unwrap();
    assert!(message.contains("weir.yaml:2:") && message.contains("address"), "{message}");
}
