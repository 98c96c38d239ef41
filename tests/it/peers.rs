//! Replicas that hear one another: streams over loopback, tokens of a made-up authority, guards that share what they know.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use weir::cluster::{Applied, Authenticate, Caller, Frame, Member, NotAuthenticated, Peers, Setup};
use weir::echo::{Echo, EchoOptions};
use weir::lifecycle::replicate;

use crate::load::{Load, Shop, event_of, shop_status};
use crate::support::*;

/// Tokens are `good-POD`.
struct Authority;

impl Authenticate for Authority {
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Caller, NotAuthenticated>> {
        let caller = token.strip_prefix("good-").map(|pod| Caller { pod: Some(pod.to_owned()) });
        let refused = || NotAuthenticated::Refused("no token of this authority".to_owned());
        async move { caller.ok_or_else(refused) }.boxed()
    }
}

struct Replica {
    name: &'static str,
    peers: Arc<Peers>,
    heard: Option<mpsc::Receiver<Frame>>,
    token: PathBuf,
    _folder: TempDir,
}

impl Replica {
    async fn start(name: &'static str, token: &str) -> Self {
        Self::start_at(name, token, "127.0.0.1:0").await
    }

    async fn start_at(name: &'static str, shown: &str, address: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, shown).unwrap();
        let address = address.parse().unwrap();
        let setup = Setup { name: name.into(), address, token: token.clone(), authenticate: Arc::new(Authority) };
        let (peers, heard) = Peers::start(setup).await.unwrap();
        Self { name, peers: Arc::new(peers), heard: Some(heard), token, _folder: folder }
    }

    fn member(&self) -> Member {
        Member { name: self.name.into(), address: self.peers.address().unwrap(), ready: true }
    }

    fn serves(&self, generation: i64) {
        self.peers.applied(vec![shop(generation)], vec![]);
    }

    /// Who does not serve a generation, as this replica knows it.
    fn lagging(&self, generation: i64) -> Vec<String> {
        let standing = self.peers.replicas().standing(&shop(generation)).unwrap();
        standing.lagging.iter().map(ToString::to_string).collect()
    }

    async fn waits_for(&self, generation: i64, lagging: &[&str]) {
        let what = format!("{} waits for {lagging:?} at {generation}", self.name);
        wait_until(&what, async || self.lagging(generation) == lagging).await;
    }
}

fn shop(generation: i64) -> Applied {
    Applied::new("Split default/shop", "uid", generation)
}

/// Every one knows of every one.
fn introduce(replicas: &[&Replica]) {
    let members: Vec<Member> = replicas.iter().map(|replica| replica.member()).collect();
    replicas.iter().for_each(|replica| replica.peers.set_members(members.clone()));
}

#[tokio::test]
async fn every_replica_knows_what_every_other_one_serves() {
    let (a, b, c) =
        (Replica::start("a", "good-a").await, Replica::start("b", "good-b").await, Replica::start("c", "good-c").await);
    introduce(&[&a, &b]);
    a.serves(1);
    b.serves(1);
    a.waits_for(1, &[]).await;
    b.waits_for(1, &[]).await;
    a.serves(2);
    b.waits_for(2, &["b"]).await;
    a.waits_for(2, &["b"]).await;
    introduce(&[&a, &b, &c]);
    a.waits_for(2, &["b", "c"]).await;
    // Who comes later is told what was said before.
    c.serves(2);
    c.waits_for(2, &["b"]).await;
    b.serves(2);
    for replica in [&a, &b, &c] {
        replica.waits_for(2, &[]).await;
    }
    b.peers.applied(vec![], vec![shop(2).0]);
    a.waits_for(2, &["b"]).await;
    introduce(&[&a, &c]);
    a.waits_for(2, &[]).await;
}

#[tokio::test]
async fn a_bad_token_is_not_believed_on_either_side_until_it_is_a_good_one() {
    let (a, b) = (Replica::start("a", "good-a").await, Replica::start("b", "stolen\n").await);
    introduce(&[&a, &b]);
    a.serves(1);
    b.serves(1);
    let unheard = async |replica: &Replica| {
        let unheard = replica.peers.heard().is_empty();
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        unheard && replica.peers.heard().is_empty()
    };
    assert!(unheard(&a).await && unheard(&b).await);
    assert_eq!((a.lagging(1), b.lagging(1)), (vec!["b".to_owned()], vec!["a".to_owned()]));
    std::fs::write(&b.token, "good-b\n").unwrap();
    a.waits_for(1, &[]).await;
    b.waits_for(1, &[]).await;
}

#[tokio::test]
async fn the_port_for_peers_tells_strangers_nothing() {
    let a = Replica::start("a", "good-a").await;
    a.serves(1);
    let address = a.peers.address().unwrap();
    assert_eq!(get(address, "/v1/stream").await.status, 401);
    assert_eq!(get(address, "/metrics").await.status, 404);
    let bad = request("GET", "/v1/stream").header("authorization", "Bearer bad").body(nothing()).unwrap();
    let answer = send(address, bad).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("weir-peer-token"), None);
}

#[tokio::test]
async fn who_has_the_address_of_another_replica_is_not_heard_in_its_name() {
    let (a, b) = (Replica::start("a", "good-a").await, Replica::start("b", "good-b").await);
    a.serves(1);
    b.serves(1);
    let stale = Member { name: "gone".into(), ..b.member() };
    a.peers.set_members(vec![a.member(), stale]);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!((a.lagging(1), a.peers.heard()), (vec!["gone".to_owned()], vec![]));
    introduce(&[&a, &b]);
    a.waits_for(1, &[]).await;
}

#[tokio::test]
async fn a_replica_that_was_restarted_is_heard_again_and_begins_anew() {
    let (a, b) = (Replica::start("a", "good-a").await, Replica::start("b", "good-b").await);
    introduce(&[&a, &b]);
    a.serves(1);
    b.serves(1);
    a.waits_for(1, &[]).await;
    let address = b.peers.address().unwrap().to_string();
    drop(b);
    a.waits_for(1, &["b"]).await;
    let b = Replica::start_at("b", "good-b", &address).await;
    wait_until("b is heard again", async || !a.peers.heard().is_empty()).await;
    assert_eq!(a.lagging(1), ["b"], "what it served before it does not serve yet");
    b.serves(1);
    a.waits_for(1, &[]).await;
}

/// A peer that says what is given, and then nothing any more.
async fn falls_silent(lines: &'static str) -> (std::net::SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut kept = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked).await;
            let head = "HTTP/1.1 200 OK\r\nweir-peer-token: good-b\r\ntransfer-encoding: chunked\r\n\r\n";
            let chunk = format!("{head}{:x}\r\n{lines}\r\n", lines.len());
            let _ = stream.write_all(chunk.as_bytes()).await;
            kept.push(stream);
        }
    });
    (address, task)
}

#[tokio::test]
async fn a_peer_that_falls_silent_is_taken_as_gone_after_five_seconds() {
    let a = Replica::start("a", "good-a").await;
    let (address, task) = falls_silent("{\"is\":\"hello\",\"name\":\"b\"}\n{\"is\":\"beat\",\"judges\":true}\n").await;
    a.peers.set_members(vec![a.member(), Member { name: "b".into(), address, ready: true }]);
    wait_until("b is heard", async || a.peers.heard() == [("b".into(), true)]).await;
    let begun = std::time::Instant::now();
    wait_until("b is gone", async || a.peers.heard().is_empty()).await;
    let took = begun.elapsed().as_secs_f64();
    assert!((4.5..7.0).contains(&took), "{took}");
    task.abort();
}

const GUARD: &str = "    guard: {minRequests: 50, maxErrorRateIncrease: 2%}\n";

/// A whole process that is a replica.
async fn process(name: &'static str, yaml: &str, leads: bool) -> (Proxy, Replica, JoinHandle<()>) {
    let proxy = Proxy::start(yaml).await;
    let mut replica = Replica::start(name, &format!("good-{name}")).await;
    let control = Arc::clone(proxy.process().control());
    control.set_judging(false);
    let (leads, peers, heard) = (watch::channel(leads).1, Arc::clone(&replica.peers), replica.heard.take().unwrap());
    let task = tokio::spawn(replicate(control, peers, heard, leads));
    (proxy, replica, task)
}

async fn guard_of(proxy: &Proxy) -> String {
    shop_status(proxy.admin()).await["versions"][1]["guard"]["state"].as_str().unwrap_or_default().to_owned()
}

async fn guards_say(proxies: [&Proxy; 2], wanted: &str) {
    for proxy in proxies {
        wait_until(&format!("the guard is {wanted}"), async || guard_of(proxy).await == wanted).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_replica_sees_trips_the_guard_of_all_and_one_reset_re_arms_all() {
    let stable = echo("stable").await;
    let options = EchoOptions { version: "canary".to_owned(), fail: 0.5, seed: Some(7), ..EchoOptions::default() };
    let bad = Echo::start(options).await.unwrap();
    let yaml = Shop::new(stable.address(), bad.address()).more(GUARD).yaml(50, 50);
    let (judge, a, _first) = process("a", &yaml, true).await;
    let (other, b, _second) = process("b", &yaml, false).await;
    introduce(&[&a, &b]);
    wait_until("a is heard to judge", async || b.peers.heard() == [("a".into(), true)]).await;
    // All traffic goes through the replica that does not judge.
    let load = Load::start(other.http(), 2);
    guards_say([&other, &judge], "tripped").await;
    load.finish().await;
    for proxy in [&judge, &other] {
        event_of(proxy.admin(), "GuardTripped").await;
        assert_eq!(shop_status(proxy.admin()).await["versions"][1]["effective"], 0.0);
    }
    bad.set_fail(0.0);
    other.process().control().reset_guard("shop").unwrap();
    guards_say([&other, &judge], "collecting").await;
    // Who comes later, or comes back, learns of a trip, too.
    let key = weir::snapshot::VersionKey {
        route: judge.process().control().snapshot().rules[0].body.route.clone(),
        version: "canary".into(),
        revision: "r1".into(),
    };
    other.process().control().trip(&key, "bad".to_owned());
    let (late, c, _third) = process("c", &yaml, false).await;
    introduce(&[&a, &b, &c]);
    guards_say([&late, &judge], "tripped").await;
}
