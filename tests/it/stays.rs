//! Clients that keep their endpoint over a rolling update: how evenly they are spread at every moment of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;

use weir::echo::Echo;

use crate::support::*;

/// Clients that are there at first, and those that come with each step.
const CLIENTS: usize = 60;
const NEWCOMERS: usize = 5;

/// A rolling update of three endpoints: a new one comes, then an old one goes.
const STEPS: [Range<usize>; 7] = [0..3, 0..4, 1..4, 1..5, 2..5, 2..6, 3..6];

/// A client: what it keeps, and where it was last.
#[derive(Clone, Default)]
struct Client {
    cookie: Option<String>,
    at: Option<String>,
}

/// Asks, with the cookie that the client was given.
async fn visit(proxy: &Proxy, client: &mut Client) -> String {
    let mut asked = request("GET", "/");
    if let Some(cookie) = &client.cookie {
        asked = asked.header("cookie", cookie);
    }
    let answer = send(proxy.http(), asked.body(nothing()).unwrap()).await;
    assert_eq!(answer.status, 200);
    if let Some(given) = answer.header("set-cookie") {
        client.cookie = given.split(';').next().map(str::to_owned);
    }
    answer.header("x-echo-version").unwrap().to_owned()
}

/// The greatest share of the clients that an endpoint had at any step, in those of the mean; and at the end. `plain`: the
/// client goes where it was for as long as that is there, else wherever the proxy sends it, which knows nothing of it.
async fn peak(policy: &str, plain: bool) -> (f64, f64) {
    let mut backends = Vec::new();
    for n in 0..6 {
        backends.push(echo(&n.to_string()).await);
    }
    let yaml = |step: &Range<usize>| {
        let endpoints: Vec<SocketAddr> = backends[step.clone()].iter().map(Echo::address).collect();
        let endpoints: Vec<String> = endpoints.iter().map(|endpoint| format!("\"{endpoint}\"")).collect();
        let versions = format!("[{{name: stable, endpoints: [{}]}}]", endpoints.join(", "));
        format!("workers: 1\nsplits:\n  - name: shop\n    versions: {versions}\n    balance: roundRobin\n{policy}")
    };
    let proxy = Proxy::start(&yaml(&STEPS[0])).await;
    let mut clients = vec![Client::default(); CLIENTS];
    let mut ratios = Vec::new();
    for step in STEPS {
        proxy.apply(&yaml(&step));
        clients.resize(clients.len() + NEWCOMERS, Client::default());
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for client in &mut clients {
            let is_there = |at: &String| step.contains(&at.parse().unwrap());
            if !plain || !client.at.as_ref().is_some_and(is_there) {
                let at = visit(&proxy, client).await;
                if !plain {
                    assert_eq!(visit(&proxy, client).await, at, "a client stays");
                    let stays = client.at.as_ref().is_none_or(|before| *before == at || !is_there(before));
                    assert!(stays, "a client moved whose endpoint was there");
                }
                client.at = Some(at);
            }
            *counts.entry(client.at.clone().unwrap()).or_default() += 1;
        }
        let most = *counts.values().max().unwrap();
        ratios.push(most as f64 * step.len() as f64 / clients.len() as f64);
    }
    println!("{ratios:.2?}");
    (ratios.iter().copied().fold(0.0, f64::max), ratios[ratios.len() - 1])
}

#[tokio::test]
async fn clients_that_keep_their_endpoint_stay_evenly_spread_over_a_rolling_update() {
    let (peak, end) = peak("    sticky: {cookie: weir, to: endpoint}\n", false).await;
    assert!(peak <= 1.3, "{peak}");
    assert!(end <= 1.1, "{end}");
}

#[tokio::test]
async fn with_a_plain_cookie_over_round_robin_they_do_not() {
    let (peak, end) = peak("", true).await;
    assert!(peak > 2.0 && end > 1.3, "{peak}, {end}: the other test shows nothing");
}
