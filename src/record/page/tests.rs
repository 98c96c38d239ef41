use prometheus::{IntCounter, IntGauge};

use super::text::PIECE;
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

fn joined(written: Written) -> String {
    let len = written.bytes();
    let text = String::from_utf8(written.collect::<Vec<_>>().concat()).unwrap();
    assert_eq!(text.len() as u64, len);
    text
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
    let text = joined(Format::Prometheus.write(&[Arc::new(Gauges(1))], &registry()).unwrap());
    let types: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    let expected =
        ["# TYPE a_total counter", "# TYPE h_total gauge", "# TYPE m_gauge gauge", "# TYPE z_requests counter"];
    assert_eq!(types, expected);
    assert!(text.contains("# HELP m_gauge Many.\n# TYPE m_gauge gauge\nm_gauge{number=\"000000\"} 0.5\n"), "{text}");
}

#[test]
fn openmetrics_names_counters_as_it_asks() {
    let text = joined(Format::OpenMetrics.write(&[], &registry()).unwrap());
    assert_eq!(text, openmetrics(&registry().gather()));
    assert!(text.contains("# TYPE a counter\na_total 0\n"), "{text}");
    assert!(text.contains("# TYPE z_requests unknown\n"), "{text}");
    assert!(text.contains("# TYPE h_total gauge\n"), "{text}");
}

#[test]
fn no_piece_is_longer_than_it_may_be_and_none_is_lost() {
    let written = || Format::Prometheus.write(&[Arc::new(Gauges(10_000))], &Registry::new()).unwrap();
    let pieces: Vec<Bytes> = written().collect();
    assert!(pieces.len() > 2 && pieces.iter().all(|piece| piece.len() <= PIECE && !piece.is_empty()));
    let expected: String = (0..10_000).map(|i| format!("m_gauge{{number=\"{i:06}\"}} 0.5\n")).collect();
    assert_eq!(joined(written()).split_once("gauge\n").unwrap().1, expected);
}

#[test]
fn lines_come_back_whatever_they_have_in_common() {
    let long = "x".repeat(100_000);
    let lines =
        ["", "a", "a", "ab", "a", "", "\u{e9}1", "\u{e8}1", &long, &format!("{long}y"), &format!("{long}z"), "x", "xx"];
    let mut text = Text::default();
    lines.iter().for_each(|line| text.line(format_args!("{line}")));
    let pieces = text.finish();
    assert!(pieces.iter().all(|piece| piece.text().len() == piece.len));
    let expected: String = lines.iter().map(|line| format!("{line}\n")).collect();
    assert_eq!(pieces.iter().map(Piece::text).collect::<Vec<_>>().concat(), expected.as_bytes());
}

/// What a line has in common with the one before is not kept again.
#[test]
fn lines_that_begin_alike_take_the_room_of_their_ends() {
    let mut text = Text::default();
    let begin = "x".repeat(100);
    (0..1_000).for_each(|i| text.line(format_args!("{begin}{i:03}")));
    let kept: usize = text.finish().iter().map(Piece::kept).sum();
    assert!(kept < 1_000 * 7, "{kept}");
}
