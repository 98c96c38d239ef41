//! `weir audit`, with the real program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn audit(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_weir")).arg("audit").args(arguments).env_remove("WEIR_LOG").output().unwrap()
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/audit").join(name)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Each manifest has its report beside it; WEIR_BLESS=1 writes what is found.
#[test]
fn golden_manifests_give_what_is_expected() {
    for (name, status) in [("shop.yaml", 1), ("plain.json", 0)] {
        let output = audit(&[golden(name).to_str().unwrap()]);
        let (found, expected) = (text(&output.stdout), golden(&format!("{name}.expected")));
        assert_eq!(output.status.code(), Some(status), "{name}: {found}{}", text(&output.stderr));
        if std::env::var_os("WEIR_BLESS").is_some() {
            std::fs::write(&expected, &found).unwrap();
        }
        assert_eq!(found, std::fs::read_to_string(&expected).unwrap(), "{name}");
    }
}

#[test]
fn a_report_for_machines_has_a_verdict_for_every_annotation() {
    let output = audit(&["-o", "json", golden("shop.yaml").to_str().unwrap()]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let canary = &report["ingresses"][1];
    assert_eq!(canary["name"], "shop-canary");
    let unknown = &canary["annotations"].as_array().unwrap()[2];
    assert_eq!((&unknown["name"], &unknown["verdict"]), (&"canary-total".into(), &"unknown".into()));
    assert!(unknown["reason"].as_str().unwrap().contains("canary-weight-total"), "{unknown}");
}

#[test]
fn files_without_an_ingress_or_of_an_old_version_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("manifest.yaml");
    let old = "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: old}\n";
    for (manifest, told) in [("kind: Service\n", "no Ingress"), (old, "networking.k8s.io/v1"), ("a: [", "no YAML")] {
        std::fs::write(&path, manifest).unwrap();
        let output = audit(&[path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(told), "{}", text(&output.stderr));
    }
}

const CLASSES: &str = "\
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: edge}
spec: {controller: k8s.io/ingress-nginx}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: alb, annotations: {ingressclass.kubernetes.io/is-default-class: \"true\"}}
spec: {controller: ingress.k8s.aws/alb}
";

fn of_class(name: &str, class: &str) -> String {
    let class = if class.is_empty() { String::new() } else { format!("ingressClassName: {class}, ") };
    let paths = "paths: [{path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}]";
    format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {name}}}\n\
         spec: {{{class}rules: [{{host: a.example.com, http: {{{paths}}}}}]}}\n"
    )
}

/// Names of Ingresses that are reported, and of those that are left out.
fn by_class(manifest: &str, arguments: &[&str]) -> (Vec<String>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("manifest.yaml");
    std::fs::write(&path, manifest).unwrap();
    let output = audit(&[&["-o", "json", path.to_str().unwrap()], arguments].concat());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    let names = |key: &str| {
        let all = report[key].as_array().unwrap().iter();
        all.map(|ingress| ingress["name"].as_str().unwrap().to_owned()).collect()
    };
    // Who is left out takes nothing from the others.
    assert!(!report.to_string().contains("is served for"), "{report}");
    (names("ingresses"), names("leftOut"))
}

#[test]
fn ingresses_of_other_classes_are_left_out_and_told() {
    let ingresses = [of_class("other", "alb"), of_class("none", ""), of_class("edge", "edge")].concat();
    let (reported, left_out) = by_class(&format!("{CLASSES}{ingresses}"), &[]);
    assert_eq!((reported, left_out), (vec!["edge".to_owned()], vec!["other".to_owned(), "none".to_owned()]));
}

#[test]
fn the_class_nginx_counts_unless_others_are_named() {
    let ingresses = [of_class("nginx", "nginx"), of_class("mine", "mine")].concat();
    let (nginx, mine) = (vec!["nginx".to_owned()], vec!["mine".to_owned()]);
    assert_eq!(by_class(&ingresses, &[]), (nginx.clone(), mine.clone()));
    assert_eq!(by_class(&ingresses, &["--class", "mine"]), (mine, nginx));
    assert_eq!(by_class(&of_class("none", ""), &[]).0, ["none"]);
}
