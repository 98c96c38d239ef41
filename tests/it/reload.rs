//! Changes under load: what is in effect when, and that nobody notices.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::load::{Load, Shop, count_events, event, event_of, patch, shop_status, version_of};
use crate::support::*;

/// Clients that keep the cookie they were given.
struct Cohort {
    address: SocketAddr,
    cookies: Vec<Option<String>>,
}

impl Cohort {
    fn new(address: SocketAddr, clients: usize) -> Self {
        Self { address, cookies: vec![None; clients] }
    }

    /// One visit of each: the version that it saw.
    async fn visit(&mut self) -> Vec<String> {
        let mut versions = Vec::new();
        let mut connection = h1(self.address).await;
        for cookie in &mut self.cookies {
            let mut request = request("GET", "/");
            if let Some(cookie) = cookie {
                request = request.header("cookie", &*cookie);
            }
            let answer = ask_h1(&mut connection, request.body(nothing()).unwrap()).await;
            if let Some(set) = answer.header("set-cookie") {
                *cookie = Some(set.split(';').next().unwrap().to_owned());
            }
            versions.push(answer.header("x-echo-version").unwrap().to_owned());
        }
        versions
    }
}

fn count(versions: &[String], wanted: &str) -> usize {
    versions.iter().filter(|version| *version == wanted).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_weight_changes_under_load_are_noticed_by_nobody() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let shop = Shop::new(stable.address(), canary.address());
    let proxy = Proxy::start(&format!("workers: 2\n{}", shop.yaml(1, 0))).await;
    let load = Load::start(proxy.http(), 4);
    load.more(50).await;
    let begun = Instant::now();
    for n in 0..1000 {
        let weight = n % 101;
        proxy.apply(&shop.yaml(100 - weight, weight));
        tokio::task::yield_now().await;
    }
    let took = begun.elapsed();
    load.more(50).await;
    let report = load.finish().await;
    println!("1000 changes in {took:?}, {} requests meanwhile: {:?}", report.requests, report.versions);
    assert_eq!(report.failures, Vec::<String>::new());
    assert_eq!(report.closed, 0, "connections were closed");
    assert_eq!(proxy.metric("weir_config_generation", &[]).await, 1001.0);
    assert_eq!(proxy.metric("weir_requests_total", &[("classification", "failure")]).await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blue_green_and_back_is_in_effect_with_the_next_request() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let shop = Shop::new(stable.address(), canary.address());
    let proxy = Proxy::start(&shop.yaml(1, 0)).await;
    for _ in 0..20 {
        proxy.apply(&shop.yaml(0, 1));
        assert_eq!(version_of(proxy.http()).await, "canary");
        proxy.apply(&shop.yaml(1, 0));
        assert_eq!(version_of(proxy.http()).await, "stable");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ramp_spreads_a_change_over_its_time() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let shop = Shop::new(stable.address(), canary.address()).more("    ramp: 2s\n");
    let proxy = Proxy::start(&shop.yaml(1, 0)).await;
    let share = async || {
        let status = shop_status(proxy.admin()).await;
        (status["versions"][1]["effectiveShare"].as_f64().unwrap(), status["ramping"].as_bool().unwrap())
    };
    assert_eq!(share().await, (0.0, false), "the first configuration is in force at once");
    let begun = Instant::now();
    proxy.apply(&shop.yaml(0, 1));
    let mut shares = Vec::new();
    wait_until("the ramp ends", async || {
        let (now, ramping) = share().await;
        assert!(!ramping || now < 1.0);
        shares.push(now);
        now == 1.0
    })
    .await;
    let took = begun.elapsed();
    assert!(shares.is_sorted(), "{shares:?}");
    assert!(shares.iter().filter(|share| (0.05..0.95).contains(*share)).count() > 5, "{shares:?}");
    assert!((Duration::from_millis(1900)..Duration::from_secs(4)).contains(&took), "{took:?}");
    event_of(proxy.admin(), "RampFinished").await;
    assert_eq!(share().await, (1.0, false));
    assert_eq!(version_of(proxy.http()).await, "canary");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ramp_goes_on_over_a_reload_of_something_else() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let shop = Shop::new(stable.address(), canary.address()).more("    ramp: 1s\n");
    let proxy = Proxy::start(&shop.yaml(1, 0)).await;
    let begun = Instant::now();
    proxy.apply(&shop.yaml(0, 1));
    for n in 0..20 {
        proxy.apply(&format!("{}    balance: {}\n", shop.yaml(0, 1), ["roundRobin", "leastRequest"][n % 2]));
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    event_of(proxy.admin(), "RampFinished").await;
    assert!(begun.elapsed() < Duration::from_secs(2), "it began anew: {:?}", begun.elapsed());
    assert_eq!(version_of(proxy.http()).await, "canary");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weights_by_hand_lie_over_the_file_until_it_changes_them() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let shop = Shop::new(stable.address(), canary.address());
    let proxy = Proxy::start(&shop.yaml(1, 0)).await;
    let from = async || shop_status(proxy.admin()).await["weightsFrom"].as_str().unwrap().to_owned();
    assert_eq!(from().await, "file");
    let answer = patch(proxy.admin(), "shop", r#"{"weights": {"stable": 0, "canary": 7}}"#).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["versions"][1]["desired"], 7);
    assert_eq!((version_of(proxy.http()).await, from().await), ("canary".to_owned(), "hand".to_owned()));
    // Something else changes in the file.
    proxy.apply(&format!("{}    balance: leastRequest\n", shop.yaml(1, 0)));
    assert_eq!((version_of(proxy.http()).await, from().await), ("canary".to_owned(), "hand".to_owned()));
    // Its weights do.
    proxy.apply(&shop.yaml(2, 0));
    assert_eq!((version_of(proxy.http()).await, from().await), ("stable".to_owned(), "file".to_owned()));
    let told = event_of(proxy.admin(), "WeightsChanged").await;
    assert!(told["message"].as_str().unwrap().contains("by hand: stable=0, canary=7"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_follows_the_hand_takes_the_weights_over() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let shop = Shop::new(stable.address(), canary.address());
    let proxy = Proxy::start(&shop.yaml(1, 0)).await;
    assert_eq!(patch(proxy.admin(), "shop", r#"{"weights": {"stable": 0, "canary": 1}}"#).await.status, 200);
    proxy.apply(&shop.yaml(0, 1));
    assert_eq!(shop_status(proxy.admin()).await["weightsFrom"], "file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weights_by_hand_are_refused_where_they_make_no_sense() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let proxy = Proxy::start(&Shop::new(stable.address(), canary.address()).yaml(3, 1)).await;
    for (split, body, status, says) in [
        ("shop", r#"{"weights": {"cannary": 1}}"#, 400, "stable, canary"),
        ("shop", r#"{"weights": {"stable": 0, "canary": 0}}"#, 400, "positive"),
        ("shop", r#"{"weights": {"stable": -1}}"#, 400, ""),
        ("shop", r#"{"weights": {"stable": 1000001}}"#, 400, ""),
        ("shop", r#"{"weights": {"stable": 1.5}}"#, 400, ""),
        ("shop", r#"{"weight": {"stable": 1}}"#, 400, "weights"),
        ("shop", "weights", 400, "weights"),
        ("shops", r#"{"weights": {"stable": 1}}"#, 404, "shop"),
    ] {
        let answer = patch(proxy.admin(), split, body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert!(answer.json()["error"].as_str().unwrap().contains(says), "{body}: {}", answer.text());
    }
    for (header, value) in [("host", "evil.example"), ("content-type", "text/plain"), ("content-type", "")] {
        let mut request = http::Request::patch("/api/v1/splits/-/shop")
            .header("host", proxy.admin().to_string())
            .header("content-type", "application/json")
            .body(all(r#"{"weights": {"stable": 0, "canary": 1}}"#))
            .unwrap();
        request.headers_mut().insert(header, value.parse().unwrap());
        assert_eq!(send(proxy.admin(), request).await.status, 403, "{header}: {value}");
    }
    for method in ["PUT", "DELETE", "POST"] {
        let request = http::Request::builder()
            .method(method)
            .uri("/api/v1/splits/-/shop")
            .header("host", proxy.admin().to_string())
            .header("content-type", "application/json")
            .body(nothing())
            .unwrap();
        assert_eq!(send(proxy.admin(), request).await.status, 405, "{method}");
    }
    let status = shop_status(proxy.admin()).await;
    assert_eq!((&status["versions"][0]["desired"], &status["weightsFrom"]), (&3.into(), &"file".into()));
    assert_eq!(count_events(proxy.admin(), "WeightsChanged").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sticky_clients_only_move_as_the_weights_ask() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let shop = Shop::new(stable.address(), canary.address()).more("    sticky: {cookie: weir, ttl: 1h}\n");
    let proxy = Proxy::start(&shop.yaml(80, 20)).await;
    let mut clients = Cohort::new(proxy.http(), 200);
    let first = clients.visit().await;
    assert_eq!(count(&first, "canary"), 40, "first visits are as exact as any");
    assert!(clients.cookies.iter().all(Option::is_some));
    for _ in 0..3 {
        proxy.apply(&format!("{}    balance: leastRequest\n", shop.yaml(80, 20)));
        assert_eq!(clients.visit().await, first, "a reload moves nobody");
        proxy.apply(&shop.yaml(80, 20));
        assert_eq!(clients.visit().await, first, "a reload moves nobody");
    }
    proxy.apply(&shop.yaml(40, 60));
    let raised = clients.visit().await;
    for (before, after) in first.iter().zip(&raised) {
        assert!(before == after || (before == "stable" && after == "canary"), "somebody moved back");
    }
    assert!((90..=150).contains(&count(&raised, "canary")), "{} of 200 at 60%", count(&raised, "canary"));
    proxy.apply(&shop.yaml(80, 20));
    assert_eq!(clients.visit().await, first, "the way back is the way there");
    proxy.apply(&shop.yaml(0, 100));
    assert_eq!(count(&clients.visit().await, "canary"), 200);
    let why = [("why", "sticky"), ("version", "canary")];
    assert!(proxy.metric("weir_decisions_total", &why).await > 200.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_revision_draws_a_new_cohort() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let shop = || Shop::new(stable.address(), canary.address()).more("    sticky: {cookie: weir, ttl: 1h}\n");
    let proxy = Proxy::start(&shop().yaml(50, 50)).await;
    let mut clients = Cohort::new(proxy.http(), 100);
    let first = clients.visit().await;
    proxy.apply(&shop().revision("r2").yaml(50, 50));
    let second = clients.visit().await;
    let mut moves: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (before, after) in first.iter().zip(&second) {
        *moves.entry((before, after)).or_default() += 1;
    }
    assert_eq!(moves.len(), 4, "some stay and some move, both ways: {moves:?}");
    assert_eq!(clients.visit().await, second, "and stay there");
    proxy.apply(&shop().yaml(50, 50));
    assert_eq!(clients.visit().await, first, "the same revisions draw the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_goes_lets_its_clients_finish() {
    let echo = echo("v1").await;
    let splits = format!("splits: [{{name: shop, versions: [{{name: v1, endpoints: [\"{}\"]}}]}}]\n", echo.address());
    let one = "{name: http, address: \"127.0.0.1:0\"}";
    let both = format!("listeners: [{one}, {{name: second, address: \"127.0.0.1:0\"}}]\n{splits}");
    let proxy = Proxy::start(&format!("listeners: [{one}]\n{splits}")).await;
    let mut kept = h1(proxy.http()).await;
    let ask = || request("GET", "/").body(nothing()).unwrap();
    assert_eq!(ask_h1(&mut kept, ask()).await.status, 200);
    proxy.apply(&both);
    let second = proxy.address("second");
    let (mut idle, mut busy) = (h1(second).await, h1(second).await);
    assert_eq!(ask_h1(&mut idle, ask()).await.status, 200);
    let requests = echo.stats().requests;
    let slow = request("GET", "/stream/10/50").body(nothing()).unwrap();
    let slow = tokio::spawn(async move {
        let answer = ask_h1(&mut busy, slow).await;
        (answer, busy)
    });
    wait_until("the slow request is on its way", async || echo.stats().requests > requests).await;
    proxy.apply(&format!("listeners: [{one}]\n{splits}"));
    wait_until("it accepts no more", async || tokio::net::TcpStream::connect(second).await.is_err()).await;
    wait_until("an idle connection is closed", async || idle.is_closed()).await;
    let (answer, busy) = within(slow).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.text().lines().count()), (200, 10), "a request in flight ends in peace");
    wait_until("its connection is closed, too", async || busy.is_closed()).await;
    assert_eq!(ask_h1(&mut kept, ask()).await.status, 200, "the other listener's connections are not touched");
    assert!(proxy.process().control().address("second").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_taken_changes_nothing() {
    let echo = echo("v1").await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = (taken.local_addr().unwrap(), taken);
    let splits = format!("splits: [{{name: shop, versions: [{{name: v1, endpoints: [\"{}\"]}}]}}]\n", echo.address());
    let binary = Binary::start(&splits).await;
    let listeners =
        format!("listeners: [{{name: http, address: \"{{http}}\"}}, {{name: second, address: \"{}\"}}]\n", taken.0);
    binary.rewrite(&format!("{listeners}{splits}"));
    let rejected = event_of(binary.address("admin"), "ConfigRejected").await;
    let message = rejected["message"].as_str().unwrap();
    for part in ["\"second\"", &taken.0.to_string(), "another process has it", "last good configuration stays"] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
    assert_eq!(binary.metric("weir_config_rejected_total", &[("source", "file")]).await, 1.0);
    assert_eq!(get(binary.http(), "/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_can_be_renamed() {
    let echo = echo("v1").await;
    let splits = format!("splits: [{{name: shop, versions: [{{name: v1, endpoints: [\"{}\"]}}]}}]\n", echo.address());
    let binary = Binary::start(&splits).await;
    binary.rewrite(&format!("listeners: [{{name: web, address: \"{{http}}\"}}]\n{splits}"));
    let told = event(binary.address("admin"), "an answer to the change", |event| {
        event["kind"] == "ConfigRejected" || event["message"].as_str().unwrap().starts_with("generation 2")
    })
    .await;
    assert_eq!(told["kind"], "ConfigApplied", "{told}");
    wait_until("it serves under its new name", async || {
        let config = get(binary.address("admin"), "/api/v1/config").await.json();
        config["listeners"][0]["name"] == "web" && get(binary.http(), "/").await.status == 200
    })
    .await;
}
