//! Changes of the configuration's files, as editors, config maps and certificate managers make them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

use crate::load::{Load, Shop, event, event_of, patch, shop_status, version_of};
use crate::support::*;

/// What the configuration file says, with other weights.
fn with_weights(binary: &Binary, from: (u32, u32), to: (u32, u32)) -> String {
    let text = fs::read_to_string(binary.config()).unwrap();
    let weights = |(stable, canary)| [format!("stable, weight: {stable},"), format!("canary, weight: {canary},")];
    let mut changed = text.clone();
    for (old, new) in weights(from).iter().zip(weights(to)) {
        assert!(changed.contains(old), "{old} is not in {changed}");
        changed = changed.replace(old, &new);
    }
    changed
}

/// Waits until a version answers.
async fn served_by(binary: &Binary, version: &str) {
    wait_until(version, async || version_of(binary.http()).await == version).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_written_change_is_in_effect_at_once() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let shop = Shop::new(stable.address(), canary.address());
    let binary = Binary::start(&shop.yaml(1, 0)).await;
    let mut client = h1(binary.http()).await;
    let mut took = Vec::new();
    for n in 0..20 {
        let (wanted, weights) = if n % 2 == 0 { ("canary", (0, 1)) } else { ("stable", (1, 0)) };
        binary.rewrite(&shop.yaml(weights.0, weights.1));
        let written = Instant::now();
        loop {
            let answer = ask_h1(&mut client, request("GET", "/").body(nothing()).unwrap()).await;
            assert_eq!(answer.status, 200);
            if answer.header("x-echo-version") == Some(wanted) {
                break;
            }
            assert!(written.elapsed() < PATIENCE, "change {n} is not in effect");
        }
        took.push(written.elapsed());
    }
    took.sort();
    println!("from write to effect: median {:?}, longest {:?}", took[10], took[19]);
    assert!(took[10] < Duration::from_millis(500), "{took:?}");
    assert_eq!(binary.metric("weir_config_generation", &[]).await, 21.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_written_changes_under_load_are_noticed_by_nobody() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let shop = Shop::new(stable.address(), canary.address());
    let binary = Binary::start(&format!("workers: 2\n{}", shop.yaml(100, 0))).await;
    let load = Load::start(binary.http(), 4);
    for n in 1..=200 {
        binary.rewrite(&format!("workers: 2\n{}", shop.yaml(1000 - n, n)));
        load.more(5).await;
    }
    // A last one, so that the end can be seen.
    binary.rewrite(&format!("workers: 2\n{}", shop.yaml(0, 1)));
    served_by(&binary, "canary").await;
    let report = load.finish().await;
    let generation = binary.metric("weir_config_generation", &[]).await;
    println!("201 writes, {generation} generations, {} requests: {:?}", report.requests, report.versions);
    assert_eq!(report.failures, Vec::<String>::new());
    assert_eq!(report.closed, 0, "connections were closed");
    assert!(generation > 50.0, "most changes were not seen");
    assert_eq!(binary.metric("weir_config_rejected_total", &[]).await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_of_two_quick_writes_wins() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let shop = Shop::new(stable.address(), canary.address());
    let binary = Binary::start(&shop.yaml(1, 0)).await;
    for n in 0..60_u64 {
        let (wanted, weights) = if n % 2 == 0 { ("canary", (0, 1)) } else { ("stable", (1, 0)) };
        // Before the one that counts, one that differs from it, 0 to 12 ms earlier: while that one is being loaded.
        binary.rewrite(&shop.yaml(weights.0 + 1, weights.1 + 1));
        tokio::time::sleep(Duration::from_micros(200 * n)).await;
        binary.rewrite(&shop.yaml(weights.0, weights.1));
        let what = format!("the last write, {} µs after the one before, to be in effect", 200 * n);
        wait_until(&what, async || {
            let status = shop_status(binary.address("admin")).await;
            status["versions"][0]["desired"] == weights.0 && status["versions"][1]["desired"] == weights.1
        })
        .await;
        assert_eq!(version_of(binary.http()).await, wanted);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_may_be_written_in_place() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let binary = Binary::start(&Shop::new(stable.address(), canary.address()).yaml(1, 0)).await;
    for _ in 0..5 {
        fs::write(binary.config(), with_weights(&binary, (1, 0), (0, 1))).unwrap();
        served_by(&binary, "canary").await;
        fs::write(binary.config(), with_weights(&binary, (0, 1), (1, 0))).unwrap();
        served_by(&binary, "stable").await;
    }
    assert_eq!(binary.metric("weir_config_rejected_total", &[]).await, 0.0, "half a file was read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn editors_rename_the_old_file_away_or_a_new_one_over_it() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let binary = Binary::start(&Shop::new(stable.address(), canary.address()).yaml(1, 0)).await;
    // vim: the old file becomes the backup, a new one is written under its name.
    let text = with_weights(&binary, (1, 0), (0, 1));
    fs::rename(binary.config(), binary.folder().join("weir.yaml~")).unwrap();
    fs::write(binary.config(), text).unwrap();
    served_by(&binary, "canary").await;
    // Others: a temporary file is renamed over it.
    let text = with_weights(&binary, (0, 1), (1, 0));
    fs::write(binary.folder().join(".weir.yaml.tmp"), text).unwrap();
    fs::rename(binary.folder().join(".weir.yaml.tmp"), binary.config()).unwrap();
    served_by(&binary, "stable").await;
}

/// A config map's update: a new folder, and `..data` renamed to lead there.
fn publish(folder: &Path, name: &str, text: &str) {
    fs::create_dir(folder.join(name)).unwrap();
    fs::write(folder.join(name).join("weir.yaml"), text).unwrap();
    symlink(name, folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_config_map_swaps_a_link() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let binary = Binary::start(&Shop::new(stable.address(), canary.address()).yaml(1, 0)).await;
    let folder = binary.folder();
    publish(folder, "..1", &with_weights(&binary, (1, 0), (0, 1)));
    symlink("..data/weir.yaml", folder.join("link")).unwrap();
    fs::rename(folder.join("link"), binary.config()).unwrap();
    served_by(&binary, "canary").await;
    publish(folder, "..2", &with_weights(&binary, (0, 1), (1, 0)));
    served_by(&binary, "stable").await;
    fs::remove_dir_all(folder.join("..1")).unwrap();
    publish(folder, "..3", &with_weights(&binary, (1, 0), (0, 1)));
    served_by(&binary, "canary").await;
    assert_eq!(binary.metric("weir_config_rejected_total", &[]).await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_file_changes_nothing_and_is_told() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let shop = Shop::new(stable.address(), canary.address());
    let binary = Binary::start(&shop.yaml(1, 0)).await;
    let admin = binary.address("admin");
    for (n, bad) in ["splits: [", "splits: 3\n", &shop.yaml(0, 1).replace("weight", "wieght"), ""].iter().enumerate() {
        // Not through `rewrite`, which would complete it.
        fs::write(binary.folder().join("new"), bad).unwrap();
        fs::rename(binary.folder().join("new"), binary.config()).unwrap();
        wait_until("it is counted", async || {
            binary.metric("weir_config_rejected_total", &[("source", "file")]).await == (n + 1) as f64
        })
        .await;
        assert_eq!(version_of(binary.http()).await, "stable");
    }
    event(admin, "the suggestion", |event| {
        let message = event["message"].as_str().unwrap();
        event["kind"] == "ConfigRejected" && message.contains("weight") && message.contains("weir.yaml:4:")
    })
    .await;
    assert_eq!(binary.metric("weir_config_generation", &[]).await, 1.0);
    assert_eq!(get(admin, "/readyz").await.status, 200);
    assert!(binary.stderr().contains("did you mean"), "the log says it, too");
    fs::remove_file(binary.config()).unwrap();
    event(admin, "the file is missing", |event| event["message"].as_str().unwrap().contains("cannot read the file"))
        .await;
    binary.rewrite(&shop.yaml(0, 1));
    served_by(&binary, "canary").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_signal_reloads_and_ends_nothing() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let binary = Binary::start(&Shop::new(stable.address(), canary.address()).yaml(1, 0)).await;
    binary.signal("HUP");
    event(binary.address("admin"), "the second generation", |event| {
        event["message"].as_str().unwrap().starts_with("generation 2")
    })
    .await;
    assert_eq!(version_of(binary.http()).await, "stable");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weights_by_hand_end_with_the_process() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let shop = Shop::new(stable.address(), canary.address());
    let binary = Binary::start(&shop.yaml(1, 0)).await;
    assert_eq!(patch(binary.address("admin"), "shop", r#"{"weights": {"stable": 0, "canary": 1}}"#).await.status, 200);
    served_by(&binary, "canary").await;
    binary.rewrite(&format!("{}    balance: leastRequest\n", shop.yaml(1, 0)));
    event(binary.address("admin"), "the reload", |event| {
        event["kind"] == "ConfigApplied" && !event["message"].as_str().unwrap().starts_with("generation 1:")
    })
    .await;
    assert_eq!(version_of(binary.http()).await, "canary");
    let again = Binary::start(&shop.yaml(1, 0)).await;
    assert_eq!(version_of(again.http()).await, "stable");
}

/// The certificate that a server shows.
async fn shown(address: std::net::SocketAddr, authority: &Authority) -> CertificateDer<'static> {
    let stream = tls(address, client_config(authority, &["http/1.1"], None), "shop.example").await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_shown_to_new_connections_and_closes_none() {
    let echo = echo("v1").await;
    let folder = TempDir::new().unwrap();
    let authority = Authority::new("test");
    let (first, second) = (authority.issue(&["shop.example"]), authority.issue(&["shop.example"]));
    first.write(folder.path(), "shop");
    let path = folder.path().join("shop").display().to_string();
    let yaml = format!(
        "listeners: [{{name: https, address: \"{{http}}\", tls: {{certificates: [{{cert: \"{path}.crt\", key: \"{path}.key\"}}]}}}}]\n\
         splits: [{{name: shop, versions: [{{name: v1, endpoints: [\"{}\"]}}]}}]\n",
        echo.address()
    );
    let binary = Binary::start(&yaml).await;
    assert_eq!(shown(binary.http(), &authority).await, *first.certificate.der());
    let stream = tls(binary.http(), client_config(&authority, &["http/1.1"], None), "shop.example").await.unwrap();
    let mut old = h1_over(stream).await;
    assert_eq!(ask_h1(&mut old, request("GET", "/").body(nothing()).unwrap()).await.status, 200);
    // A key that does not fit yet is a bad configuration, and the next file makes it a good one.
    second.write(folder.path(), "shop");
    wait_until("the new certificate", async || shown(binary.http(), &authority).await == *second.certificate.der())
        .await;
    assert_eq!(ask_h1(&mut old, request("GET", "/").body(nothing()).unwrap()).await.status, 200, "the old connection");
    assert!(!old.is_closed());
    // A broken file changes nothing.
    fs::write(folder.path().join("shop.crt"), "no certificate").unwrap();
    event_of(binary.address("admin"), "ConfigRejected").await;
    assert_eq!(shown(binary.http(), &authority).await, *second.certificate.der());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_was_missing_is_read_once_it_is_there() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let shop = Shop::new(stable.address(), canary.address());
    let binary = Binary::start(&shop.yaml(1, 0)).await;
    binary.rewrite(&shop.more("    sticky: {cookie: home, keyFile: keys}\n").yaml(0, 1));
    event_of(binary.address("admin"), "ConfigRejected").await;
    assert_eq!(version_of(binary.http()).await, "stable");
    fs::write(binary.folder().join("keys"), "0123456789abcdef").unwrap();
    served_by(&binary, "canary").await;
}

/// A pipe holds up whoever reads it, as a server of names does that does not answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_told_to_end_waits_for_no_file() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let shop = Shop::new(stable.address(), canary.address());
    let mut binary = Binary::start(&format!("shutdown: {{delay: 0s, timeout: 5s}}\n{}", shop.yaml(1, 0))).await;
    let pipe = binary.folder().join("keys");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let more = shop.more("    sticky: {cookie: home, keyFile: keys}\n");
    binary.rewrite(&format!("shutdown: {{delay: 0s, timeout: 5s}}\n{}", more.yaml(0, 1)));
    // Opened once it is being read.
    let open = tokio::task::spawn_blocking(move || fs::OpenOptions::new().write(true).open(pipe));
    let _held = within(open).await.unwrap().unwrap();
    binary.signal("TERM");
    assert_eq!(binary.exited(PATIENCE).await.code(), Some(0));
}
