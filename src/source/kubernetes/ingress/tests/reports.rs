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
