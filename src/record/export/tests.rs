use prometheus::Registry;

use super::*;
use crate::model::{Fraction, Mirror, MirrorTarget, Rescue, RescueOn, Split};
use crate::record::gathered::{self, Gathered};
use crate::record::{Format, Reason, Shard};
use crate::snapshot::{Interner, compile};
use crate::testing::{model, route, split};

fn served(routes: Vec<crate::model::Route>) -> Served {
    let mut interner = Interner::default();
    let snapshot = Arc::new(compile(&model(routes), &Snapshot::default(), &mut interner).unwrap());
    Served { snapshot, versions: interner.known_versions(), mirrors: interner.known_mirrors(), drains: Vec::new() }
}

/// An export of what is counted of something.
fn exporter(served: &Served, recorder: &Arc<Recorder>) -> Arc<dyn Export> {
    let Served { snapshot, versions, mirrors, drains } = served;
    let (snapshot, versions) = (Arc::clone(snapshot), versions.clone());
    let (mirrors, drains) = (mirrors.clone(), drains.clone());
    let served = move || Served {
        snapshot: Arc::clone(&snapshot),
        versions: versions.clone(),
        mirrors: mirrors.clone(),
        drains: drains.clone(),
    };
    Arc::new(Exporter::new(Arc::clone(recorder), served))
}

fn written(format: Format, export: Arc<dyn Export>) -> String {
    String::from_utf8(format.write(&[export], &Registry::new()).unwrap().collect::<Vec<_>>().concat()).unwrap()
}

/// What is written of one route.
fn exported(shop: Split, recorder: &Arc<Recorder>) -> String {
    written(Format::Prometheus, exporter(&served(vec![route("shop", &[], shop)]), recorder))
}

/// All series as objects.
fn objects(served: &Served, recorder: &Recorder) -> Gathered {
    let mut families = Families::default();
    for (labels, source) in sources(served) {
        families.add(&labels, &source, recorder);
    }
    let mut gathered = Gathered(Vec::new());
    for (name, help, kind) in FAMILIES.iter().copied() {
        let numbers = families.numbers.remove(name).into_iter().flatten();
        let numbers = numbers.map(|(series, value)| gathered::number(kind, &series.0, value));
        let histograms = families.histograms.remove(name).into_iter().flatten();
        let histograms = histograms.map(|(series, d)| gathered::histogram(&series.0, &d, &OPENTELEMETRY));
        gathered.family(name, help, kind, numbers.chain(histograms).collect());
    }
    gathered
}

/// Counts something of every kind.
fn count(recorder: &Arc<Recorder>, version: VersionId) {
    let mut shard = Shard::new(Arc::clone(recorder));
    let cell = shard.cell(version);
    for (code, grpc_status, classification, reason) in [
        (200, Some(0), Classification::Success, Reason::None),
        (503, None, Classification::Failure, Reason::Status),
        (0, None, Classification::ClientGone, Reason::None),
    ] {
        let ending = Ending { code, grpc_status, classification, reason };
        cell.ended(ending, Some(Duration::from_micros(7_300)), Some(Duration::from_millis(2)));
    }
    cell.retried(Reason::ConnectFailed);
    cell.rescued(Reason::Status);
    cell.denied();
    cell.held();
    cell.decided(Why::Sticky);
    cell.active(1);
    cell.stream_began(StreamProtocol::Upgrade);
    cell.stream_ended(StreamProtocol::Sse, Duration::from_secs(3));
}

/// Routes and versions whose names begin alike, with revisions, mirrors and drains.
fn busy(recorder: &Arc<Recorder>) -> Served {
    let mirror = Mirror { to: MirrorTarget::Version(1), fraction: Fraction::ALL, body_limit: 1 };
    let shop = Split { mirrors: vec![mirror], ..split(&[("stable", 1), ("canary", 3)]).revisions(&["r-1", "r-2"]) };
    let names = ["shop", "shop-2", "sho", "a\"quoted\"", "back\\slash"];
    let mut served = served(names.map(|name| route(name, &[], shop.clone())).into());
    let (_, first) = served.versions[0].clone();
    // An earlier revision of the same version, which nothing is configured for any more.
    let earlier = VersionKey { revision: "r\n0".into(), ..first.clone() };
    served.versions.push((served.versions[1].0, earlier));
    let drain = |route: RouteKey| DrainFigures {
        route,
        version: Arc::clone(&first.version),
        draining: 2,
        remaining: 3,
        left: Duration::from_millis(1_500),
        oldest: Duration::ZERO,
        closed: [("finished", 1), ("asked", 2), ("forced", 3)],
        idle_closed: 4,
    };
    let clients = RouteKey { name: "".into(), ..first.route.clone() };
    served.drains = vec![drain(first.route.clone()), drain(clients)];
    let ids = served.versions.iter().chain(&served.mirrors).map(|(id, _)| *id).step_by(2);
    ids.chain([VersionId::UNROUTED]).for_each(|id| count(recorder, id));
    served
}

#[test]
fn the_text_is_what_a_registry_would_show_of_all_series_at_once() {
    let recorder = Arc::new(Recorder::default());
    let served = busy(&recorder);
    for format in [Format::Prometheus, Format::OpenMetrics] {
        let text = written(format, exporter(&served, &recorder));
        assert!(FAMILIES.iter().all(|(name, ..)| text.contains(&format!("\n{name}"))), "{text}");
        assert!(text == objects(&served, &recorder).text(format), "{text}");
    }
}

#[test]
fn series_of_configured_versions_exist_from_the_start() {
    let rescue = Rescue { from: 1, on: vec![RescueOn::ServerError, RescueOn::Connect] };
    let shop = Split { rescue: Some(Box::new(rescue)), ..split(&[("stable", 1), ("canary", 1)]) };
    let text = exported(shop, &Arc::default());
    let count = |family: &str, has: &str| {
        let named =
            |line: &&str| line.starts_with(&format!("{family}{{")) && line.contains(has) && line.ends_with("} 0");
        text.lines().filter(named).count()
    };
    for (family, has, series) in [
        ("weir_active_connections", "protocol=", 6),
        ("weir_drain_remaining", "", 2),
        ("weir_drain_deadline_seconds", "", 2),
        ("weir_drain_closed_total", "reason=", 6),
        ("weir_upstream_endpoints", "state=\"draining\"", 2),
        ("weir_retries_total", "reason=\"connect_failed\"", 2),
        ("weir_rescues_total", "version=\"canary\",reason=\"status\"", 1),
        ("weir_rescues_total", "", 2),
    ] {
        assert_eq!(count(family, has), series, "{family} {has}\n{text}");
    }
}

/// What becomes of copies must not change what is said of requests.
#[test]
fn copies_are_counted_apart_from_requests() {
    let mirror = Mirror { to: MirrorTarget::Version(1), fraction: Fraction::ALL, body_limit: 1 };
    let shop = Split { mirrors: vec![mirror], ..split(&[("stable", 1), ("canary", 0)]) };
    let recorder = Arc::new(Recorder::default());
    let served = served(vec![route("shop", &[], shop)]);
    let ending =
        Ending { code: 503, grpc_status: None, classification: Classification::Failure, reason: Reason::Status };
    let target = served.snapshot.rules[0].body.mirrors[0].target.id;
    Shard::new(Arc::clone(&recorder)).cell(target).ended(ending, Some(Duration::from_millis(3)), None);
    let text = written(Format::Prometheus, exporter(&served, &recorder));
    let lines = |family: &str| text.lines().filter(|line| line.starts_with(family)).collect::<Vec<_>>();
    let copied = lines("weir_mirrored_requests_total{");
    assert_eq!(copied.iter().filter(|line| line.contains("version=\"canary\"")).count(), copied.len(), "{copied:?}");
    assert!(copied.iter().any(|line| line.contains("code=\"503\"") && line.ends_with("} 1")), "{copied:?}");
    assert!(copied.iter().any(|line| line.contains("code=\"200\"") && line.ends_with("} 0")), "{copied:?}");
    assert!(lines("weir_requests_total{").iter().all(|line| line.ends_with("} 0")), "{text}");
    assert!(lines("weir_mirrored_request_duration_seconds_count{").iter().any(|line| line.ends_with("} 1")), "{text}");
}
