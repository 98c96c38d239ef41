//! The command line, with the real program.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::load::{Shop, version_of};
use crate::support::*;

/// Runs `weir` to its end.
async fn weir(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(arguments).env_remove("WEIR_LOG").env_remove("WEIR_ADMIN_TOKEN").stdin(Stdio::null());
    within(tokio::task::spawn_blocking(move || command.output())).await.unwrap().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A file in a folder of its own.
fn file(text: &str) -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("weir.yaml");
    fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    (folder, path)
}

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
    files.sort();
    assert!(files.len() >= 7, "{files:?}");
    files
}

#[tokio::test]
async fn check_accepts_every_example() {
    let files: Vec<String> = examples().iter().map(|path| path.display().to_string()).collect();
    let mut arguments = vec!["check"];
    arguments.extend(files.iter().map(String::as_str));
    let output = weir(&arguments).await;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(out(&output).lines().count(), files.len());
    assert!(out(&output).lines().all(|line| line.ends_with(": valid")));
    assert_eq!(err(&output), "", "an example has a warning");
}

/// Runs `weir` with outputs that nobody reads.
async fn unread(arguments: &[&str]) -> Option<i32> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(arguments).env_remove("WEIR_LOG").stdin(Stdio::null());
    let run = move || {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        child.wait().unwrap().code()
    };
    within(tokio::task::spawn_blocking(run)).await.unwrap()
}

#[tokio::test]
async fn a_reader_that_has_enough_is_no_reason_to_panic() {
    let text = "listeners: [{name: http, address: \"127.0.0.1:0\"}]\nsplits: [{name: shop, versions: [{name: v1, endpoints: \
                [\"127.0.0.1:1\"]}]}]\n";
    let (_folder, good) = file(text);
    let (_other, bad) = file("splits: 3\n");
    for (arguments, status) in [
        (&["check", "--schema"][..], 0),
        (&["check", &good], 0),
        (&["check", &bad], 1),
        (&["explain", "--config", &good, "GET", "http://shop/"], 0),
        (&["explain", "--config", &bad, "GET", "http://shop/"], 1),
        (&["crds"], 0),
        (&["completions", "bash"], 0),
    ] {
        assert_eq!(unread(arguments).await, Some(status), "{arguments:?}");
    }
}

#[tokio::test]
async fn check_tells_every_error_with_its_place() {
    let text = "listeners:\n  - {name: http, address: \"127.0.0.1:0\"}\nsplits:\n  - name: shop\n    ramp: 10\n    versions:\n      \
                - {name: stable, wieght: 1, endpoints: [\"127.0.0.1:1\"]}\n      - {name: canary, weight: -1, endpoints: [\"127.0.0.1:2\"]}\n";
    let (_folder, path) = file(text);
    let output = weir(&["check", &path]).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(out(&output), "", "errors go to stderr");
    let errors = err(&output);
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(lines.len(), 3, "{errors}");
    for (line, (place, says)) in lines.iter().zip([("5:11", "10s"), ("7:24", "\"weight\""), ("8:32", "0 to 1000000")]) {
        assert!(line.starts_with(&format!("{path}:{place}: ")), "{line} is not at {place}");
        assert!(line.contains(says), "{line} does not say {says}");
    }
}

#[tokio::test]
async fn check_tells_what_only_shows_in_context() {
    let text = "listeners: [{name: http, address: \"127.0.0.1:0\"}]\nsplits:\n  - name: shop\n    versions: [{name: a, endpoints: [\"127.0.0.1:1\"]}]\n    \
                overrides: [{header: x, to: b}]\n  - name: shop\n    paths: [/x]\n    versions: [{name: a, endpoints: [\"no.such.host.invalid:80\"]}]\n";
    let (_folder, path) = file(text);
    let output = weir(&["check", &path]).await;
    assert_eq!(output.status.code(), Some(1));
    let errors = err(&output);
    assert!(errors.lines().any(|line| line.starts_with(&format!("{path}:5:")) && line.contains("\"b\"")), "{errors}");
    assert!(errors.lines().any(|line| line.starts_with(&format!("{path}:6:")) && line.contains("shop")), "{errors}");
    assert!(errors.lines().any(|line| line.contains("no.such.host.invalid")), "{errors}");
}

#[tokio::test]
async fn check_warns_of_an_end_that_takes_longer_than_it_may() {
    let (_folder, path) =
        file("shutdown: {delay: 5s, timeout: 60s}\nlisteners: [{name: http, address: \"127.0.0.1:0\"}]\n");
    for (grace, warned) in [("64s", true), ("65s", false), ("2m", false)] {
        let output = weir(&["check", "--grace-period", grace, &path]).await;
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        let warning = err(&output);
        assert_eq!(
            warning.contains("65s together") && warning.contains("terminationGracePeriodSeconds"),
            warned,
            "{warning}"
        );
    }
    assert_eq!(err(&weir(&["check", &path]).await), "", "nobody knows how long it may take");
}

#[tokio::test]
async fn one_bad_file_of_several_is_enough() {
    let (_folder, bad) = file("splits: 3\n");
    let good = examples()[0].display().to_string();
    let output = weir(&["check", &good, &bad, "/no/such/file.yaml"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).contains(": valid"));
    assert!(err(&output).contains(&format!("{bad}:1:")));
    assert!(err(&output).contains("/no/such/file.yaml:1:1: cannot read the file"));
}

#[tokio::test]
async fn check_prints_the_schema() {
    let output = weir(&["check", "--schema"]).await;
    assert_eq!(output.status.code(), Some(0));
    let schema: Value = serde_json::from_str(&out(&output)).unwrap();
    assert!(schema["properties"]["splits"].is_object(), "{schema}");
    assert_eq!(schema["additionalProperties"], false);
}

#[tokio::test]
async fn explain_reads_a_file() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/cohorts.yaml").display().to_string();
    let output = weir(&["explain", "--config", &path, "GET", "http://127.0.0.1:8080/"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    for part in ["http (127.0.0.1:8080)", "shop", "100.000%  stable"] {
        assert!(out(&output).contains(part), "{part} is not in {}", out(&output));
    }
    let arguments =
        ["explain", "--config", &path, "-H", "x-canary: beta-7", "-o", "json", "GET", "http://127.0.0.1:8080/"];
    let json: Value = serde_json::from_str(&out(&weir(&arguments).await)).unwrap();
    assert_eq!((&json["why"], &json["versions"][0]["version"]), (&"override".into(), &"canary".into()));
    let output = weir(&["explain", "--config", &path, "--client", "nobody", "GET", "http://127.0.0.1:8080/"]).await;
    assert_eq!(output.status.code(), Some(2));
    let output = weir(&["explain", "--config", &path, "GET", "http://a b/"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("is no URL"));
}

#[tokio::test]
async fn explain_tells_what_follows_from_the_address_of_a_client() {
    let text = "listeners: [{name: http, address: \"127.0.0.1:0\"}]\nsplits:\n  - name: shop\n    sticky: {sourceAddress: true}\n    \
                versions:\n      - {name: stable, weight: 1, endpoints: [\"127.0.0.1:1\"]}\n      - {name: canary, weight: 1, endpoints: [\"127.0.0.1:2\"]}\n";
    let (_folder, path) = file(text);
    let mut versions = HashSet::new();
    for last in 1..=20 {
        let client = format!("192.0.2.{last}");
        let output =
            weir(&["explain", "--config", &path, "--client", &client, "-o", "json", "GET", "http://shop/"]).await;
        let json: Value = serde_json::from_str(&out(&output)).unwrap();
        assert_eq!((&json["why"], &json["versions"][0]["share"]), (&"sticky".into(), &1.0.into()), "{json}");
        versions.insert(json["versions"][0]["version"].to_string());
    }
    assert_eq!(versions.len(), 2, "clients are told apart");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_status_waits_for_a_proxy_that_has_gone() {
    let shop = echo("stable").await;
    let binary = Binary::start(&Shop::new(shop.address(), shop.address()).yaml(1, 1)).await;
    let admin = binary.address("admin").to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["status", "--watch", "--admin", &admin]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut watching = command.spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap());
    let mut complaints = BufReader::new(watching.stderr.take().unwrap());
    let first = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        (lines, line)
    });
    let (_lines, first) = within(first).await.unwrap();
    assert!(first.starts_with("SPLIT"), "{first}");
    drop(binary);
    let complaint = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        complaints.read_line(&mut line).unwrap();
        line
    });
    let complaint = within(complaint).await.unwrap();
    assert!(complaint.starts_with("weir: "), "{complaint}");
    assert!(watching.try_wait().unwrap().is_none(), "it goes on");
    watching.kill().unwrap();
    watching.wait().unwrap();
}

#[tokio::test]
async fn a_filter_of_logs_that_is_none_is_refused() {
    let (_folder, path) = file("listeners: [{name: http, address: \"127.0.0.1:0\"}]\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["run", "--config", &path]).env("WEIR_LOG", "info,weir=loud").stdin(Stdio::null());
    let output = within(tokio::task::spawn_blocking(move || command.output())).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("WEIR_LOG=info,weir=loud is no filter"), "{}", err(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_proxy_is_looked_at_and_steered() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let shop = Shop::new(stable.address(), canary.address()).more("    guard: {minRequests: 100}\n");
    let binary = Binary::start(&shop.yaml(3, 1)).await;
    let admin = binary.address("admin").to_string();
    let at = ["--admin", &admin];
    let run = async |arguments: &[&str]| weir(&[arguments, &at[..]].concat()).await;

    let output = run(&["explain", "GET", "http://shop.example/a?b=c"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).contains(" 75.000%  stable") && out(&output).contains(" 25.000%  canary (revision r1)"));

    let output = run(&["status"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let table = out(&output);
    assert!(table.starts_with("SPLIT") && table.contains("EFFECTIVE"), "{table}");
    assert!(table.lines().any(|line| line.starts_with("shop") && line.contains("canary@r1")), "{table}");
    let status: Value = serde_json::from_str(&out(&run(&["status", "-o", "json"]).await)).unwrap();
    assert_eq!(status["splits"][0]["versions"][1]["desired"], 1);

    let output = run(&["weight", "shop", "stable=0", "canary=1"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).starts_with("shop: "));
    assert_eq!(version_of(binary.http()).await, "canary");
    for (arguments, says) in [
        (&["weight", "shop", "cannary=1"][..], "stable, canary"),
        (&["weight", "shops", "canary=1"], "there are: shop"),
        (&["weight", "shop", "canary=0"], "all weights"),
        (&["guard", "reset", "shops"], "there are: shop"),
    ] {
        let output = run(arguments).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(err(&output).contains(says) && out(&output).is_empty(), "{arguments:?}: {}", err(&output));
    }
    let output = run(&["guard", "reset", "shop"]).await;
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(0), "shop: the guard is armed\n"));
}

#[tokio::test]
async fn nobody_at_the_admin_address_is_told() {
    let nobody = crate::mocks::accepts_never::AcceptsNever::start();
    let output = weir(&["status", "--admin", &nobody.address().to_string()]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("no proxy answers at"), "{}", err(&output));
}

#[tokio::test]
async fn completions_are_a_script() {
    for shell in ["bash", "zsh", "fish"] {
        let output = weir(&["completions", shell]).await;
        assert_eq!(output.status.code(), Some(0));
        assert!(out(&output).contains("explain"), "{shell}");
    }
}

#[tokio::test]
async fn wrong_usage_ends_with_2() {
    for arguments in [
        &["frobnicate"][..],
        &["run"],
        &["check"],
        &["weight", "shop"],
        &["weight", "shop", "canary"],
        &["echo", "--fail", "101%"],
        &["echo", "--fail", "20"],
        &["echo", "--fail=-1%"],
        &["echo", "--fail", "NaN%"],
        &["echo", "--latency", "5"],
        &["completions", "tcsh2"],
    ] {
        let output = weir(arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", err(&output));
        assert!(!err(&output).is_empty() && out(&output).is_empty(), "{arguments:?}");
    }
    let output = weir(&["--version"]).await;
    assert_eq!((output.status.code(), out(&output)), (Some(0), format!("weir {}\n", env!("CARGO_PKG_VERSION"))));
}

#[tokio::test]
async fn run_does_not_start_with_what_it_cannot_serve() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap();
    let split = "splits: [{name: shop, versions: [{name: v1, endpoints: [\"127.0.0.1:1\"]}]}]\n";
    let unresolvable = split.replace("127.0.0.1:1", "no.such.host.invalid:80");
    let listener = "listeners: [{name: http, address: \"127.0.0.1:0\"}]\n";
    let off = "admin: {address: \"off\"}\n";
    for (text, says) in [
        (
            format!("{off}listeners: [{{name: http, address: \"{port}\"}}]\n{split}"),
            vec!["\"http\"", "another process has it"],
        ),
        (format!("admin: {{address: \"{port}\"}}\n{listener}{split}"), vec!["admin cannot listen on", "another port"]),
        (format!("{off}ops: {{address: \"{port}\"}}\n{listener}{split}"), vec!["ops cannot listen on"]),
        (format!("{off}{listener}{unresolvable}"), vec!["no.such.host.invalid", "weir.yaml:3:"]),
        ("splits: 3\n".to_owned(), vec!["weir.yaml:1:9: "]),
    ] {
        let (_folder, path) = file(&text);
        let output = weir(&["run", "--config", &path]).await;
        assert_eq!(output.status.code(), Some(1), "{text}: {}", err(&output));
        for part in says {
            assert!(err(&output).contains(part), "{part} is not in {}", err(&output));
        }
        assert_eq!(out(&output), "");
    }
    let (folder, path) = file(&format!("state: state.json\n{off}{listener}{split}"));
    fs::write(folder.path().join("state.json"), "{").unwrap();
    let output = weir(&["run", "--config", &path]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("state file"), "{}", err(&output));
}

/// `weir echo` as a process; killed when dropped.
struct Backend(Child, SocketAddr);

impl Backend {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.args(["echo", "--address", "127.0.0.1:0"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).stdin(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().parse().unwrap();
        Self(child, address)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn echo_fails_as_often_as_asked() {
    for (fail, low, high) in [("0%", 0, 0), ("30%", 60, 180), ("100%", 400, 400)] {
        let backend = Backend::start(&["--version", "v7", "--fail", fail]);
        let mut client = h1(backend.1).await;
        let mut failed = 0;
        for _ in 0..400 {
            let answer = ask_h1(&mut client, request("GET", "/").body(nothing()).unwrap()).await;
            assert_eq!(answer.header("x-echo-version"), Some("v7"));
            failed += u32::from(answer.status == 500);
        }
        assert!((low..=high).contains(&failed), "{failed} of 400 at {fail}");
    }
}

/// The paths that each example's comments ask for, at least one.
fn paths(example: &Path) -> Vec<String> {
    let text = fs::read_to_string(example).unwrap();
    let urls = text.lines().filter(|line| line.starts_with("#") && line.contains("curl"));
    let path =
        |line: &str| line.split("http://127.0.0.1:8080").nth(1)?.split(['\'', ' ', ';']).next().map(str::to_owned);
    let paths: Vec<String> = urls.filter_map(path).collect();
    assert!(!paths.is_empty(), "{example:?} shows no request");
    paths
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_serves() {
    for example in examples() {
        let mut text = fs::read_to_string(&example).unwrap();
        let mut backends = Vec::new();
        for port in [9001, 9002, 9101] {
            let backend = echo(&format!("v{port}")).await;
            text = text.replace(&format!("127.0.0.1:{port}\""), &format!("{}\"", backend.address()));
            backends.push(backend);
        }
        let text = text.replace("\"127.0.0.1:8080\"", "\"{http}\"");
        let binary = Binary::start(&text).await;
        for path in paths(&example) {
            let answer = get(binary.http(), &path).await;
            let expected = match path.as_str() {
                "/api" if example.ends_with("api-versions.yaml") => 404,
                "/old/item/1" => 301,
                _ => 200,
            };
            assert_eq!(answer.status, expected, "{example:?} {path}: {answer:?}");
        }
        assert!(backends.iter().any(|backend| backend.stats().requests > 0), "{example:?}");
        assert_eq!(binary.metric("weir_requests_total", &[("classification", "failure")]).await, 0.0, "{example:?}");
    }
}
