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
