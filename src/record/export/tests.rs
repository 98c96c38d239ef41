use super::*;
use crate::model::{Fraction, Mirror, MirrorTarget, Rescue, RescueOn, Split};
use crate::record::{Reason, Shard};
use crate::snapshot::{Interner, compile};
use crate::testing::{model, route, split};

/// A registry of what is counted of one route.
fn exported(shop: Split, recorder: &Arc<Recorder>) -> (Registry, Arc<Snapshot>) {
    let mut interner = Interner::default();
    let snapshot = Arc::new(compile(&model([route("shop", &[], shop)]), &Snapshot::default(), &mut interner).unwrap());
    let registry = Registry::new();
    let shown = Arc::clone(&snapshot);
    let served = move || Served {
        snapshot: Arc::clone(&shown),
        versions: interner.known_versions(),
        mirrors: interner.known_mirrors(),
        drains: Vec::new(),
    };
    registry.register(Box::new(Exporter::new(Arc::clone(recorder), served).unwrap())).unwrap();
    (registry, snapshot)
}

#[test]
fn series_of_configured_versions_exist_from_the_start() {
    let rescue = Rescue { from: 1, on: vec![RescueOn::ServerError, RescueOn::Connect] };
    let shop = Split { rescue: Some(Box::new(rescue)), ..split(&[("stable", 1), ("canary", 1)]) };
    let (registry, _) = exported(shop, &Arc::default());
    let text = Format::Prometheus.write(&registry).unwrap();
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
    let (registry, snapshot) = exported(shop, &recorder);
    let ending =
        Ending { code: 503, grpc_status: None, classification: Classification::Failure, reason: Reason::Status };
    let target = snapshot.rules[0].body.mirrors[0].target.id;
    Shard::new(Arc::clone(&recorder)).cell(target).ended(ending, Some(Duration::from_millis(3)), None);
    let text = Format::Prometheus.write(&registry).unwrap();
    let lines = |family: &str| text.lines().filter(|line| line.starts_with(family)).collect::<Vec<_>>();
    let copied = lines("weir_mirrored_requests_total{");
    assert_eq!(copied.iter().filter(|line| line.contains("version=\"canary\"")).count(), copied.len(), "{copied:?}");
    assert!(copied.iter().any(|line| line.contains("code=\"503\"") && line.ends_with("} 1")), "{copied:?}");
    assert!(copied.iter().any(|line| line.contains("code=\"200\"") && line.ends_with("} 0")), "{copied:?}");
    assert!(lines("weir_requests_total{").iter().all(|line| line.ends_with("} 0")), "{text}");
    assert!(lines("weir_mirrored_request_duration_seconds_count{").iter().any(|line| line.ends_with("} 1")), "{text}");
}
