use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{CertifiedKey, generate_simple_self_signed};

use super::*;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|p| p.extension().is_some_and(|e| e == "yaml" || e == "json")).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn text_of(result: Result<Loaded, Diagnostics>) -> String {
    match result {
        Err(diagnostics) => format!("{diagnostics}\n"),
        Ok(loaded) => {
            let warnings: String = loaded.warnings.iter().map(|w| format!("{w}\n")).collect();
            format!("{warnings}{:#?}\n{:#?}\n", loaded.settings, loaded.model)
        }
    }
}

/// Each file has its result beside it; WEIR_BLESS=1 writes what is found.
#[test]
fn golden_files_give_what_is_expected() {
    let mut wrong = Vec::new();
    for path in files("tests/golden") {
        let name = path.file_name().unwrap().to_str().unwrap();
        let folder = path.parent().unwrap();
        let found = text_of(parse(&fs::read_to_string(&path).unwrap(), name, folder));
        let found = found.replace(&format!("{}/", folder.display()), "");
        let expected = folder.join(format!("{name}.expected"));
        if std::env::var_os("WEIR_BLESS").is_some() {
            fs::write(&expected, &found).unwrap();
        }
        if fs::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(format!("{name}:\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_example_configuration_loads_without_warnings() {
    for path in files("config") {
        let loaded = load(&path).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(loaded.warnings, [], "{}", path.display());
        assert_eq!(loaded.watched, [path]);
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = load(Path::new("/nowhere/weir.yaml")).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/weir.yaml:1:1: cannot read the file: "), "{error}");
}

#[test]
fn an_absent_admin_is_on_and_off_switches_it_off() {
    let settings = |text: &str| parse(text, "f", Path::new("")).unwrap().settings;
    assert_eq!(settings("workers: 1").admin, Settings::default().admin);
    assert_eq!(settings("admin: {}").admin, Settings::default().admin);
    assert_eq!(settings("admin: {address: off}").admin, None);
}

/// A folder with certificates: `a.crt` with `a.key`, `b.crt` with `b.key`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        let names = vec![format!("{name}.example.com"), format!("*.{name}.example.com")];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        fs::write(folder.path().join(format!("{name}.crt")), cert.pem()).unwrap();
        fs::write(folder.path().join(format!("{name}.key")), signing_key.serialize_pem()).unwrap();
    }
    fs::write(folder.path().join("text"), "no certificate").unwrap();
    folder
}

fn errors(text: &str, folder: &Path) -> Vec<String> {
    let Err(Diagnostics(errors)) = parse(text, "f", folder) else { panic!("no error: {text}") };
    errors.into_iter().map(|d| d.message.replace(&format!("{}/", folder.display()), "")).collect()
}

fn tls(tls: &str) -> String {
    format!("listeners: [{{name: https, address: \":8443\", tls: {tls}}}]")
}

#[test]
fn certificates_are_read_relative_to_the_folder_and_watched() {
    let folder = folder();
    let text = tls(
        "{certificates: [{cert: a.crt, key: a.key}, {cert: b.crt, key: b.key}], clientCa: a.crt, minVersion: \"1.3\"}",
    );
    let loaded = parse(&text, "f", folder.path()).unwrap();
    let names = ["a.crt", "a.key", "b.crt", "b.key"];
    assert_eq!(loaded.watched, names.map(|name| folder.path().join(name)));
    let server = loaded.model.listeners[0].tls.as_ref().unwrap();
    let served: Vec<_> = server.certificates.iter().flat_map(|c| &c.names).map(ToString::to_string).collect();
    assert_eq!(served, ["a.example.com", "*.a.example.com", "b.example.com", "*.b.example.com"]);
    assert!(server.only_tls13);
    assert_eq!(server.client_ca.as_ref().unwrap().len(), 1);
}

#[test]
fn a_key_that_does_not_fit_is_named_with_its_certificate() {
    let folder = folder();
    assert_eq!(
        errors(&tls("{certificates: [{cert: a.crt, key: b.key}]}"), folder.path()),
        ["certificate a.crt and key b.key do not belong together: name the key that the certificate was made with"]
    );
}

#[test]
fn files_that_are_missing_or_hold_something_else_are_named() {
    let folder = folder();
    let text = tls("{certificates: [{cert: text, key: text}, {cert: no.crt, key: a.crt}], clientCa: a.key}");
    assert_eq!(
        errors(&text, folder.path()),
        [
            "text has no certificate in PEM form (BEGIN CERTIFICATE)",
            "text has no private key in PEM form (BEGIN PRIVATE KEY)",
            "cannot read no.crt: No such file or directory (os error 2)",
            "a.crt has no private key in PEM form (BEGIN PRIVATE KEY)",
            "a.key has no certificate in PEM form (BEGIN CERTIFICATE)",
        ]
    );
}

fn upstream(version: &str) -> String {
    format!("listeners: [{{name: http, address: \":80\"}}]\nsplits: [{{name: s, versions: [{{name: v, {version}}}]}}]")
}

fn client(version: &str, folder: &Path) -> crate::model::TlsClient {
    let loaded = parse(&upstream(version), "f", folder).unwrap_or_else(|errors| panic!("{errors}"));
    loaded.model.routes[0].rules[0].split.versions[0].transport.tls.clone().unwrap()
}

#[test]
fn upstream_tls_differs_by_what_it_trusts_and_shows() {
    let folder = folder();
    let with = |tls: &str| client(&format!("endpoints: [\"https://127.0.0.1:1\"], tls: {tls}"), folder.path());
    let plain = with("{ca: a.crt}");
    assert_eq!(plain, with("{ca: a.crt, insecureSkipVerify: false}"));
    assert_eq!(plain.fingerprint.len(), 64);
    let others = [
        "{ca: b.crt}",
        "{ca: a.crt, insecureSkipVerify: true}",
        "{ca: a.crt, cert: b.crt, key: b.key}",
        "{insecureSkipVerify: true}",
        "{ca: a.crt, serverName: x}",
    ];
    for other in others {
        assert_ne!(plain, with(other), "{other}");
    }
}

#[test]
fn sticky_keys_are_lines_of_sixteen_bytes_or_more() {
    let folder = folder();
    let sticky = |keys: &str| {
        fs::write(folder.path().join("keys"), keys).unwrap();
        let text = upstream("endpoints: []")
            .replace("versions:", "sticky: {cookie: weir, mode: pin, keyFile: keys}, versions:");
        parse(&text, "f", folder.path())
    };
    let loaded = sticky("0123456789abcdef\r\n\nfedcba9876543210\n").unwrap();
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.watched, [folder.path().join("keys")]);
    let client = &loaded.model.routes[0].rules[0].split.sticky.as_ref().unwrap().client;
    let crate::model::ClientId::Cookie { keys, .. } = client else { panic!("{client:?}") };
    assert_eq!(keys.iter().map(|k| &**k).collect::<Vec<_>>(), [b"0123456789abcdef", b"fedcba9876543210"]);
    assert!(
        sticky("0123456789abcdef\nshort")
            .unwrap_err()
            .to_string()
            .ends_with("key 2 of keys is too short: use 16 bytes or more")
    );
    assert!(sticky("\n\n").unwrap_err().to_string().contains("keys has no key: "));
}

#[test]
fn the_admin_token_is_the_only_word_of_its_file() {
    let folder = folder();
    let text = "admin: {tokenFile: token}";
    fs::write(folder.path().join("token"), "secret\n").unwrap();
    let loaded = parse(text, "f", folder.path()).unwrap();
    assert_eq!(loaded.settings.admin_token.as_deref(), Some("secret"));
    fs::write(folder.path().join("token"), "two words").unwrap();
    assert_eq!(errors(text, folder.path()), ["the file must hold one token, of printable characters without spaces"]);
}

#[test]
fn a_guard_without_state_is_warned_about_and_with_state_is_not() {
    let split = "\nlisteners: [{name: http, address: \":80\"}]\nsplits: [{name: s, guard: {}, versions: [{name: a, weight: 1, endpoints: []}, {name: b, endpoints: []}]}]";
    let warnings = |text: &str| parse(text, "f", Path::new("etc")).unwrap().warnings;
    let found = warnings(split);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].to_string(), "f:3:27: a trip is forgotten at restart: add state: FILE at the top to keep it");
    assert_eq!(warnings(&format!("state: trips.json{split}")), []);
    let settings = parse("state: trips.json", "f", Path::new("etc")).unwrap().settings;
    assert_eq!(settings.state.unwrap(), Path::new("etc/trips.json"));
}

#[test]
fn a_host_name_gives_an_endpoint_per_address() {
    let loaded = parse(&upstream("endpoints: [\"localhost:9001\"]"), "f", Path::new("")).unwrap();
    let endpoints = &loaded.model.routes[0].rules[0].split.versions[0].endpoints;
    assert!(!endpoints.is_empty());
    assert!(endpoints.iter().all(|e| e.address.ip().is_loopback() && e.host.as_deref() == Some("localhost")));
}

#[test]
fn an_error_in_an_aliased_value_is_told_once_and_where_it_is_written() {
    let text = "x: &a 1\nlisteners:\n  - &l {name: http, address: nowhere}\n  - *l\n";
    let Err(Diagnostics(found)) = parse(&text.replace("x: &a 1\n", ""), "f", Path::new("")) else { panic!() };
    let places: Vec<_> = found.iter().map(|d| (d.line, d.column)).collect();
    // The address once; the name that both have.
    assert_eq!(places, [(2, 15), (2, 30)]);
}
