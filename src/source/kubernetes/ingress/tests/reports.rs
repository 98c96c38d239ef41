//! The audit, and the table of annotations in docs/migration.md.

use std::fmt::Write;
use std::path::Path;

use super::*;
use crate::source::kubernetes::ingress::annotations::TABLE;
use crate::source::kubernetes::ingress::audit::report;

const BEGIN: &str = "<!-- annotations: written by the test docs_have_the_table, WEIR_BLESS=1 -->\n";
const END: &str = "<!-- end of annotations -->\n";

fn table() -> String {
    let mut text = "| annotation | verdict | how or why |\n|---|---|---|\n".to_owned();
    for entry in TABLE {
        writeln!(text, "| `{}` | {} | {} |", entry.name, entry.verdict.word(), entry.verdict.reason()).unwrap();
    }
    text
}

#[test]
fn docs_have_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/migration.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("where the table begins");
    let (found, after) = rest.split_once(END).expect("where the table ends");
    if std::env::var_os("WEIR_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
    } else {
        assert_eq!(found, table(), "run this test with WEIR_BLESS=1");
    }
}

fn reported(views: &[IngressView]) -> audit::Report {
    report(&views.iter().cloned().map(Arc::new).collect::<Vec<_>>(), PREFIX)
}

#[test]
fn what_is_switched_off_is_no_refusal() {
    assert!(!reported(&[main().with("enable-modsecurity", "false")]).has_refusals());
    assert!(reported(&[main().with("enable-modsecurity", "true")]).has_refusals());
    assert!(reported(&[main().with("canary-total", "100")]).has_refusals());
}

#[test]
fn a_canary_is_reported_with_its_main() {
    let report = reported(&[main(), canary().with("canary-weight", "20")]);
    assert_eq!(report.ingresses[0].does, ["shop.example.com paths under /: to main-svc 80%, canary-svc 20%"]);
    assert_eq!(report.ingresses[1].does, ["its backends are versions of the main Ingress's splits"]);
}

#[test]
fn a_canary_is_judged_by_what_counts_on_one() {
    let views = [main(), canary().with("auth-url", "https://x").with("affinity", "cookie").with("canary-weight", "5")];
    let report = reported(&views);
    let verdict = |name: &str| {
        let found = report.ingresses[1].annotations.iter().find(|annotation| annotation.name == name).unwrap();
        (found.verdict, found.reason.contains("on a canary"))
    };
    assert_eq!(verdict("auth-url"), ("ignored", true));
    assert_eq!(verdict("affinity"), ("ignored", true));
    assert_eq!(verdict("canary-weight"), ("supported", false));
    assert!(!report.has_refusals());
}

#[test]
fn a_canary_without_a_main_ingress_is_judged_as_one() {
    assert!(reported(&[canary().with("auth-url", "https://x")]).has_refusals());
}

#[test]
fn what_is_known_and_does_not_do_the_same_is_told() {
    let told = findings(&[main().with("proxy-buffering", "on").with("enable-cors", "true").with("satisfy", "any")], 0);
    let told: Vec<_> = told.iter().map(|finding| (finding.annotation.as_str(), finding.severity)).collect();
    let info = Severity::Info;
    assert_eq!(told, [("enable-cors", info), ("proxy-buffering", info), ("satisfy", info)]);
}

#[test]
fn what_is_told_with_its_value_is_told_once() {
    let told = findings(&[main().with("affinity", "cookie").with("affinity-mode", "balanced")], 0);
    assert_eq!(told.iter().filter(|finding| finding.annotation == "affinity-mode").count(), 1, "{told:?}");
}

#[test]
fn every_annotation_of_a_canary_that_does_not_count_there_is_told() {
    let names = ["auth-url", "limit-rps", "proxy-body-size", "satisfy"];
    let canary = names.iter().fold(canary(), |canary, name| canary.with(name, "5m"));
    let told = findings(&[main(), canary.clone()], 1);
    for name in names {
        let found: Vec<_> = told.iter().filter(|finding| finding.annotation == name).collect();
        assert_eq!((found.len(), found[0].severity), (1, Severity::Info), "{told:?}");
    }
    let balance = |canary: IngressView| {
        let told = findings(&[main(), canary], 1);
        told.into_iter().find(|finding| finding.annotation == "load-balance").unwrap().severity
    };
    assert_eq!(balance(canary.clone().with("load-balance", "round_robin")), Severity::Info);
    assert_eq!(balance(canary.with("load-balance", "ewma")), Severity::Warning);
}
