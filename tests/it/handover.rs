//! A process takes the place of another one, with the real program (`upgrade.socket`).
//!
//! `WEIR_HANDOVERS=20 cargo test --test it hand_overs_under_load -- --nocapture` does more of them and prints figures.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;

use crate::load::{Load, version_of};
use crate::shutdown::{End, one, slow};
use crate::support::*;

fn config(endpoint: SocketAddr, more: &str) -> String {
    format!(
        "upgrade: {{socket: upgrade.sock}}\nshutdown: {{delay: 30s, timeout: 10s}}\n{more}splits: \
         [{{name: shop, versions: [{{name: v1, endpoints: [\"{endpoint}\"]}}]}}]\n"
    )
}

/// Waits until `new` has taken over from `old`.
async fn taken(old: &Binary, new: &mut Binary) {
    let line = format!("process {} serves on the same sockets", new.id());
    wait_until("the hand-over", async || {
        assert!(!new.has_exited(), "{}", new.stderr());
        old.stderr().contains(&line)
    })
    .await;
}

/// Clients that make a connection for each request.
struct Visitors {
    stop: Arc<AtomicBool>,
    visits: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<BTreeMap<End, u64>>>,
}

impl Visitors {
    fn start(address: SocketAddr, count: usize) -> Self {
        let (stop, visits) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let visitor = |_| {
            let (stop, visits) = (Arc::clone(&stop), Arc::clone(&visits));
            tokio::spawn(async move {
                let mut ends = BTreeMap::new();
                while !stop.load(Ordering::Relaxed) {
                    *ends.entry(one(address).await).or_default() += 1;
                    visits.fetch_add(1, Ordering::Relaxed);
                }
                ends
            })
        };
        let tasks = (0..count).map(visitor).collect();
        Self { stop, visits, tasks }
    }

    /// Waits until so many more visits have ended.
    async fn more(&self, visits: u64) {
        let until = self.visits.load(Ordering::Relaxed) + visits;
        wait_until("visits go on", async || self.visits.load(Ordering::Relaxed) >= until).await;
    }

    async fn finish(self) -> BTreeMap<End, u64> {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = BTreeMap::new();
        for task in self.tasks {
            for (end, count) in within(task).await.unwrap() {
                *sum.entry(end).or_default() += count;
            }
        }
        sum
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hand_overs_under_load_refuse_and_reset_nothing() {
    let count = std::env::var("WEIR_HANDOVERS").map_or(3, |count| count.parse().unwrap());
    let echo = echo("v1").await;
    let yaml = |workers: usize| config(echo.address(), &format!("workers: {workers}\nops: {{address: \"{{ops}}\"}}\n"));
    let mut running = Binary::start(&yaml(2)).await;
    let (visitors, load) = (Visitors::start(running.http(), 6), Load::start(running.http(), 4));
    let mut slowest = Duration::ZERO;
    for round in 0..count {
        visitors.more(100).await;
        load.more(100).await;
        let begun = Instant::now();
        // More workers than before, then fewer, then as many.
        let mut new = running.spawn_beside(&yaml([3, 1, 2, 2][round % 4]));
        taken(&running, &mut new).await;
        slowest = slowest.max(begun.elapsed());
        assert_eq!(running.exited(PATIENCE).await.code(), Some(0));
        assert!(running.stderr().contains("nothing was cut"), "{}", running.stderr());
        running = new;
    }
    visitors.more(100).await;
    load.more(100).await;
    let (ends, report) = (visitors.finish().await, load.finish().await);
    println!(
        "{count} hand-overs, the slowest {slowest:?} from its start until it served; connections of one request: {ends:?}; \
         requests on kept connections: {}, failed {}, asked to go elsewhere {}",
        report.requests,
        report.failures.len(),
        report.closed
    );
    assert_eq!(ends.keys().copied().collect::<Vec<_>>(), [End::Served], "{ends:?}");
    assert_eq!(report.failures, Vec::<String>::new());
    assert!(report.closed >= count as u64, "each kept connection is asked to go elsewhere");
    for listener in ["admin", "ops"] {
        assert_eq!(get(running.address(listener), "/readyz").await.status, 200, "{listener}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_flight_finishes_where_it_began() {
    let echo = echo("v1").await;
    let mut old = Binary::start(&config(echo.address(), "")).await;
    let slow = slow(&old, &echo, "/latency/1500").await;
    let mut stream = TcpStream::connect(old.http()).await.unwrap();
    stream.write_all(b"GET /events HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    within(stream.read_u8()).await.unwrap();
    let mut new = old.spawn_beside(&config(echo.address(), ""));
    taken(&old, &mut new).await;
    assert_eq!(get(new.http(), "/").await.status, 200);
    assert_eq!(within(slow).await.unwrap().status, 200);
    // The stream is asked to end, which it does as its protocol says.
    let mut events = Vec::new();
    within(stream.read_to_end(&mut events)).await.unwrap();
    assert!(events.ends_with(b"0\r\n\r\n"), "it was cut");
    assert_eq!(old.exited(PATIENCE).await.code(), Some(0));
    assert!(old.stderr().contains("nothing was cut"), "{}", old.stderr());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_a_process_that_makes_room() {
    let echo = echo("v1").await;
    let mut old = Binary::start(&config(echo.address(), "")).await;
    let _slow = slow(&old, &echo, "/latency/60000").await;
    let mut new = old.spawn_beside(&config(echo.address(), ""));
    taken(&old, &mut new).await;
    old.signal("TERM");
    wait_until("the first is heard", async || old.stderr().contains("it is ending already")).await;
    old.signal("TERM");
    old.exited(Duration::from_secs(3)).await;
    assert_eq!(get(new.http(), "/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_process_that_cannot_serve_changes_nothing() {
    let echo = echo("v1").await;
    let running = Binary::start(&config(echo.address(), "")).await;
    let load = Load::start(running.http(), 2);
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let more = format!(
        "listeners: [{{name: http, address: \"{{http}}\"}}, {{name: b, address: \"{}\"}}]\n",
        elsewhere.local_addr().unwrap()
    );
    for (yaml, told) in [
        ("upgrade: {socket: upgrade.sock}\nsplitz: []\n".to_owned(), "did you mean"),
        (config(echo.address(), &more), "another process has it"),
        (config(echo.address(), "workers: 2\nstate: weir.yaml\n"), "the state file"),
    ] {
        load.more(50).await;
        let mut new = running.spawn_beside(&yaml);
        assert_eq!(new.exited(PATIENCE).await.code(), Some(1));
        assert!(new.stderr().contains(told), "{}", new.stderr());
        load.more(50).await;
    }
    let report = load.finish().await;
    assert_eq!((report.failures, report.closed), (Vec::<String>::new(), 0));
    // It can still be taken over.
    let mut new = running.spawn_beside(&config(echo.address(), ""));
    taken(&running, &mut new).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_come_and_go_with_a_hand_over() {
    let echo = echo("v1").await;
    let old_yaml = "ops: {address: \"{ops}\"}\nlisteners: [{name: http, address: \"{http}\"}, {name: any, address: \"127.0.0.1:0\"}]\n";
    let mut old = Binary::start(&config(echo.address(), old_yaml)).await;
    // The new one serves where the old one had its ops listener, and has none.
    let new_yaml = "listeners: [{name: web, address: \"{http}\"}, {name: more, address: \"127.0.0.1:0\"}]\n";
    let mut new = old.spawn_beside(&config(echo.address(), new_yaml));
    taken(&old, &mut new).await;
    assert_eq!(old.exited(PATIENCE).await.code(), Some(0));
    assert_eq!(version_of(new.http()).await, "v1");
    assert!(TcpStream::connect(new.address("ops")).await.is_err(), "nobody listens there any more");
    let health = get(new.address("admin"), "/api/v1/config").await.text();
    assert!(health.contains("web"), "{health}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_cannot_take_over_at_once() {
    let echo = echo("v1").await;
    let running = Binary::start(&config(echo.address(), "")).await;
    // One that has come and is not ready yet.
    let mut first = UnixStream::connect(running.folder().join("upgrade.sock")).await.unwrap();
    within(first.read_u32()).await.unwrap();
    let mut second = running.spawn_beside(&config(echo.address(), ""));
    assert_eq!(second.exited(PATIENCE).await.code(), Some(1));
    let told = format!("process {} is about to take over: try again", std::process::id());
    assert!(second.stderr().contains(&told), "{}", second.stderr());
    drop(first);
    wait_until("it is noticed", async || running.stderr().contains("this one serves on")).await;
    let mut third = running.spawn_beside(&config(echo.address(), ""));
    taken(&running, &mut third).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_is_no_obstacle() {
    let echo = echo("v1").await;
    let mut killed = Binary::start(&config(echo.address(), "")).await;
    killed.signal("KILL");
    killed.exited(PATIENCE).await;
    assert!(killed.folder().join("upgrade.sock").exists());
    let new = killed.spawn_beside(&config(echo.address(), ""));
    wait_until("it serves", async || TcpStream::connect(new.http()).await.is_ok()).await;
    assert_eq!(version_of(new.http()).await, "v1");
}
