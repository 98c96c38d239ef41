use prometheus::{IntCounter, IntGauge};

use super::*;
use crate::record::gathered::openmetrics;

struct Gauges(usize);

impl Export for Gauges {
    fn write(&self, page: &mut Page) {
        let head = Head { name: "m_gauge", help: "Many.", kind: MetricType::GAUGE };
        page.numbers(head, (0..self.0).map(|i| (vec![("number", format!("{i:06}"))], 0.5)));
        page.numbers(Head { name: "n_gauge", ..head }, []);
    }
}

fn registry() -> Registry {
    let registry = Registry::new();
    registry.register(Box::new(IntCounter::new("a_total", "Counted.").unwrap())).unwrap();
    registry.register(Box::new(IntCounter::new("z_requests", "Counted\nby \\ others.").unwrap())).unwrap();
    registry.register(Box::new(IntGauge::new("h_total", "No counter.").unwrap())).unwrap();
    registry
}

#[test]
fn families_are_in_the_order_of_their_names_and_there_is_none_without_series() {
    let pieces = Format::Prometheus.write(&[Arc::new(Gauges(1))], &registry()).unwrap().concat();
    let text = String::from_utf8(pieces).unwrap();
    let types: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    let expected =
        ["# TYPE a_total counter", "# TYPE h_total gauge", "# TYPE m_gauge gauge", "# TYPE z_requests counter"];
    assert_eq!(types, expected);
    assert!(text.contains("# HELP m_gauge Many.\n# TYPE m_gauge gauge\nm_gauge{number=\"000000\"} 0.5\n"), "{text}");
}

#[test]
fn openmetrics_names_counters_as_it_asks() {
    let text = String::from_utf8(Format::OpenMetrics.write(&[], &registry()).unwrap().concat()).unwrap();
    assert_eq!(text, openmetrics(&registry().gather()));
    assert!(text.contains("# TYPE a counter\na_total 0\n"), "{text}");
    assert!(text.contains("# TYPE z_requests unknown\n"), "{text}");
    assert!(text.contains("# TYPE h_total gauge\n"), "{text}");
}

#[test]
fn no_piece_is_longer_than_it_may_be_and_none_is_lost() {
    let pieces = Format::Prometheus.write(&[Arc::new(Gauges(10_000))], &Registry::new()).unwrap();
    assert!(pieces.len() > 2 && pieces.iter().all(|piece| piece.len() <= PIECE && !piece.is_empty()));
    let text = String::from_utf8(pieces.concat()).unwrap();
    let expected: String = (0..10_000).map(|i| format!("m_gauge{{number=\"{i:06}\"}} 0.5\n")).collect();
    assert_eq!(text.split_once("gauge\n").unwrap().1, expected);
}
