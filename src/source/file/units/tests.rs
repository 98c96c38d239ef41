use super::*;

fn time(text: &str) -> Option<Duration> {
    Time::try_from(text).ok().map(|time| time.0)
}

#[test]
fn times_have_a_unit() {
    assert_eq!(time("10s"), Some(Duration::from_secs(10)));
    assert_eq!(time("500ms"), Some(Duration::from_millis(500)));
    assert_eq!(time("5m"), Some(Duration::from_secs(300)));
    assert_eq!(time("24h"), Some(Duration::from_secs(86_400)));
    assert_eq!(time("0"), Some(Duration::ZERO));
    for text in ["", "10", "s", "1.5s", "-1s", "1d", "1 s", "99999999999999999999s", "9999999999999999999h"] {
        assert_eq!(time(text), None, "{text}");
    }
}

#[test]
fn a_bare_zero_is_a_time_also_as_a_number() {
    let parse = |json: &str| serde_json::from_str::<Time>(json).ok().map(|time| time.0);
    assert_eq!(parse("0"), Some(Duration::ZERO));
    assert_eq!(parse("5"), None);
    assert_eq!(parse("\"5s\""), Some(Duration::from_secs(5)));
}

#[test]
fn sizes_are_decimal_or_binary() {
    let size = |text: &str| Size::try_from(Cow::from(text)).ok().map(|size| size.0);
    let sizes = ["512B", "1kB", "1KiB", "2MB", "2MiB", "3GB", "3GiB"].map(size).map(Option::unwrap_or_default);
    assert_eq!(sizes, [512, 1000, 1024, 2_000_000, 2 << 20, 3_000_000_000, 3 << 30]);
    for text in ["", "1", "1KB", "1Mb", "B", "1.5MB", "99999999999999999999GiB", "18446744073709551615GiB"] {
        assert_eq!(size(text), None, "{text}");
    }
}

#[test]
fn percentages_become_fractions() {
    let percent = |text: &str| Percent::try_from(Cow::from(text)).ok().map(|percent| percent.0);
    assert_eq!(percent("2%"), Some(0.02));
    assert_eq!(percent("0.5%"), Some(0.005));
    assert_eq!(percent("2"), None);
}
