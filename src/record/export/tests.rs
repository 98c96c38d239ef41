use super::*;
use crate::model::{Fraction, Mirror, MirrorTarget, Split};
use crate::record::Shard;
use crate::snapshot::{Interner, compile};
use crate::testing::{model, route, split};

/// What becomes of copies must not change what is said of requests.
#[test]
fn copies_are_counted_apart_from_requests() {
    let mirror = Mirror { to: MirrorTarget::Version(1), fraction: Fraction::ALL, body_limit: 1 };
    let shop = Split { mirrors: vec![mirror], ..split(&[("stable", 1), ("canary", 0)]) };
    let mut interner = Interner::default();
    let snapshot = Arc::new(compile(&model([route("shop", &[], shop)]), &Snapshot::default(), &mut interner).unwrap());
    let recorder = Arc::new(Recorder::default());
    let ending =
        Ending { code: 503, grpc_status: None, classification: Classification::Failure, reason: Reason::Status };
    let target = snapshot.rules[0].body.mirrors[0].target.id;
    Shard::new(Arc::clone(&recorder)).cell(target).ended(ending, Some(Duration::from_millis(3)), None);
    let registry = Registry::new();
    let served = move || Served {
        snapshot: Arc::clone(&snapshot),
        versions: interner.known_versions(),
        mirrors: interner.known_mirrors(),
        drains: Vec::new(),
    };
    registry.register(Box::new(Exporter::new(recorder, served).unwrap())).unwrap();
    let text = Format::Prometheus.write(&registry).unwrap();
    let lines = |family: &str| text.lines().filter(|line| line.starts_with(family)).collect::<Vec<_>>();
    let copied = lines("weir_mirrored_requests_total{");
    assert_eq!(copied.iter().filter(|line| line.contains("version=\"canary\"")).count(), copied.len(), "{copied:?}");
    assert!(copied.iter().any(|line| line.contains("code=\"503\"") && line.ends_with("} 1")), "{copied:?}");
    assert!(copied.iter().any(|line| line.contains("code=\"200\"") && line.ends_with("} 0")), "{copied:?}");
    assert!(lines("weir_requests_total{").iter().all(|line| line.ends_with("} 0")), "{text}");
    assert!(lines("weir_mirrored_request_duration_seconds_count{").iter().any(|line| line.ends_with("} 1")), "{text}");
}
