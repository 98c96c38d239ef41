//! The modules use each other one way only: the table of docs/architecture.md, read against the `use` lines.

use std::path::{Path, PathBuf};

/// Module, and the modules of ours that it may use.
const MAY_USE: [(&str, &[&str]); 21] = [
    ("model", &[]),
    ("head", &[]),
    ("endpoint", &["model"]),
    ("snapshot", &["model", "endpoint", "head"]),
    ("route", &["model", "head", "snapshot"]),
    ("split", &["model", "head", "snapshot"]),
    ("message", &["head"]),
    ("http1", &["message"]),
    ("http2", &["message", "http1"]),
    ("io", &["message", "http1", "http2"]),
    ("upstream", &["model", "endpoint", "message", "http1", "http2", "io"]),
    ("decide", &["model", "endpoint", "head", "snapshot", "route", "split", "upstream"]),
    ("record", &["model", "endpoint", "snapshot", "split"]),
    ("rollout", &["model"]),
    ("drain", &["model", "endpoint", "record"]),
    (
        "proxy",
        &[
            "model", "endpoint", "head", "snapshot", "route", "split", "upstream", "decide", "record", "message",
            "http1", "http2", "io", "drain",
        ],
    ),
    ("cluster", &["rollout"]),
    ("source", &["model", "cluster"]),
    ("echo", &[]),
    ("control", &["model", "endpoint", "snapshot", "split", "decide", "record", "rollout", "drain", "proxy", "source"]),
    ("admin", &["model", "head", "snapshot", "route", "decide", "record", "proxy", "control"]),
];

/// Module, and the crates that it may not know.
const MAY_NOT_KNOW: [(&[&str], &[&str]); 2] = [
    (
        &["model", "head", "snapshot", "route", "split", "decide", "rollout", "message", "http1", "http2"],
        &["tokio", "hyper", "hyper_util", "clap", "kube"],
    ),
    (&["proxy", "upstream", "record", "io"], &["serde", "serde_json", "clap", "kube", "hyper", "hyper_util"]),
];

/// Every product source file with its top-level module.
fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs")
                && !path.components().any(|c| c.as_os_str() == "tests")
            {
                let name = path.strip_prefix(&root).unwrap().components().next().unwrap().as_os_str().to_str().unwrap();
                let module = name.trim_end_matches(".rs").to_owned();
                if !path.ends_with("tests.rs") && module != "testing" {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
                    files.push((module, path, product));
                }
            }
        }
    }
    files
}

/// The first path segment after every `prefix` in code, comments left out.
fn named<'t>(text: &'t str, prefix: &'t str) -> impl Iterator<Item = &'t str> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(move |line| line.match_indices(prefix).map(move |(at, _)| &line[at + prefix.len()..])).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

#[test]
fn modules_use_each_other_one_way_only() {
    let mut breaches = Vec::new();
    let known: Vec<&str> = MAY_USE.iter().map(|(module, _)| *module).chain(["lifecycle", "cli", "demo"]).collect();
    for (module, path, text) in sources() {
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else { continue };
        for used in named(&text, "crate::").filter(|used| known.contains(used)) {
            if used != module && !allowed.contains(&used) {
                breaches.push(format!("{}: {module} uses {used}", path.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn modules_that_decide_know_no_runtime_and_the_proxy_no_wire_format() {
    let mut breaches = Vec::new();
    for (module, path, text) in sources() {
        for (modules, crates) in MAY_NOT_KNOW {
            for banned in crates.iter().filter(|_| modules.contains(&module.as_str())) {
                let used = text
                    .lines()
                    .any(|line| line.starts_with(&format!("use {banned}::")) || line.contains(&format!(" {banned}::")));
                if used {
                    breaches.push(format!("{}: {module} knows {banned}", path.display()));
                }
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}
