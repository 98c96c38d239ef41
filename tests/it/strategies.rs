//! `weir demo --strategy`, with the real program: each way of a release loses nothing, and does what it is for.

use std::time::{Duration, Instant};

use tokio::process::Command;

/// Runs a strategy; gives what it printed.
async fn demo(strategy: &str) -> String {
    let begun = Instant::now();
    let arguments = ["demo", "--strategy", strategy, "--port", "0", "--admin", "127.0.0.1:0", "--duration", "3s"];
    let run = Command::new(env!("CARGO_BIN_EXE_weir")).args(arguments).kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_secs(60), run).await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}\n{text}");
    println!("{text}\nit took {:?}", begun.elapsed());
    for figure in [
        "requests lost                 0 of ",
        "clients that saw two versions",
        "peak number of endpoints",
        "time to roll back",
        "connections opened cold",
        " 0 were cut",
    ] {
        assert!(text.contains(figure), "{figure} is not in {text}");
    }
    text
}

/// The number behind `name`.
fn figure(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rolling_replaces_endpoints_one_by_one() {
    let text = demo("rolling").await;
    assert_eq!(figure(&text, "peak number of endpoints"), 4);
    assert_eq!(text.matches("is replaced by v2").count(), 3, "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blue_green_goes_over_and_back_at_once() {
    let text = demo("blue-green").await;
    assert_eq!(figure(&text, "peak number of endpoints"), 6);
    assert_eq!(figure(&text, "clients that saw two versions"), 12, "all go over at once: {text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_moves_clients_one_way() {
    let text = demo("canary").await;
    assert_eq!(figure(&text, "peak number of endpoints"), 4);
    assert!(text.contains("0 of them went to and fro"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_experiment_is_for_its_group_alone() {
    let text = demo("ab").await;
    assert_eq!(figure(&text, "clients that saw two versions"), 0, "{text}");
    assert!(text.contains("0 answers went to the wrong group"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recreate_never_has_both_versions_serving() {
    let text = demo("recreate").await;
    assert_eq!(figure(&text, "peak number of endpoints"), 3);
    assert!(text.contains("no moment had both versions serving"), "{text}");
}
