use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime};

use http::{Method, Version};
use prometheus::IntCounter;
use tempfile::TempDir;

use super::list::MOST;
use super::*;
use crate::model::{AccessLogFormat, Kind, RouteKey};
use crate::record::{Classification, Ending, Reason};
use crate::split::Why;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn entry(host: &[u8], path: &[u8]) -> Entry {
    let mut entry = Entry::new(CLIENT, Some(Method::GET), Version::HTTP_11);
    entry.time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
    entry.target = [host, path].concat();
    entry.host_end = host.len();
    entry
}

fn whole() -> Entry {
    Entry {
        route: Some(RouteKey { namespace: "".into(), kind: Kind::Split, name: "shop".into() }),
        served_by: Some(("canary".into(), "r2".into())),
        why: Some(Why::Sibling),
        endpoint: Some(([127, 0, 0, 1], 9001).into()),
        tries: 2,
        connect: Some(Duration::from_micros(150)),
        first_byte: Some(Duration::from_micros(1500)),
        total: Duration::from_millis(2),
        bytes: Some(512),
        ending: Some(Ending {
            code: 200,
            grpc_status: Some(14),
            classification: Classification::Failure,
            reason: Reason::GrpcStatus,
        }),
        trace: Some(*b"4bf92f3577b34da6a3ce929d0e0e4736"),
        ..entry(b"shop.example", b"/cart?id=1")
    }
}

fn line(format: AccessLogFormat, entry: &Entry) -> String {
    let mut line = Vec::new();
    format::line(format, entry, &mut line);
    String::from_utf8(line).unwrap()
}

fn log(folder: &TempDir, sample: f64) -> (AccessLog, IntCounter) {
    let settings = Settings { format: AccessLogFormat::Json, sample, path: Some(folder.path().join("access.log")) };
    let dropped = IntCounter::new("dropped", "dropped").unwrap();
    (AccessLog::open(&settings, dropped.clone()).unwrap(), dropped)
}

fn lines(folder: &TempDir, name: &str) -> usize {
    std::fs::read_to_string(folder.path().join(name)).unwrap().lines().count()
}

#[test]
fn a_line_of_json_says_all_that_is_known() {
    assert_eq!(
        line(AccessLogFormat::Json, &whole()),
        "{\"time\":\"2023-11-14T22:13:20.123Z\",\"client\":\"192.0.2.1\",\"method\":\"GET\",\"host\":\"shop.example\",\
         \"path\":\"/cart?id=1\",\"protocol\":\"HTTP/1.1\",\"status\":200,\"grpcStatus\":14,\"bytes\":512,\
         \"route\":\"shop\",\"version\":\"canary\",\"revision\":\"r2\",\"why\":\"sibling\",\
         \"endpoint\":\"127.0.0.1:9001\",\"tries\":2,\"connect\":0.000150,\"firstByte\":0.001500,\"total\":0.002000,\
         \"classification\":\"failure\",\"reason\":\"grpc_status\",\"trace\":\"4bf92f3577b34da6a3ce929d0e0e4736\"}\n"
    );
}

#[test]
fn a_line_of_text_begins_as_in_the_common_log_format() {
    assert_eq!(
        line(AccessLogFormat::Text, &whole()),
        "192.0.2.1 - - [14/Nov/2023:22:13:20 +0000] \"GET /cart?id=1 HTTP/1.1\" 200 512 host=\"shop.example\" route=shop \
         version=canary revision=r2 why=sibling endpoint=127.0.0.1:9001 tries=2 connect=0.000150 first=0.001500 \
         total=0.002000 grpc=14 failure reason=grpc_status trace=4bf92f3577b34da6a3ce929d0e0e4736\n"
    );
}

#[test]
fn a_revision_of_several_words_is_one_field_of_text() {
    let entry = Entry { served_by: Some(("canary".into(), "build \"7\"\nwhy=".into())), ..whole() };
    let text = line(AccessLogFormat::Text, &entry);
    assert!(text.contains(r#" version=canary revision="build \"7\"\x0awhy=" why=sibling "#), "{text}");
}

#[test]
fn what_is_not_known_is_left_out() {
    let unread = Entry { method: None, ..entry(b"", b"") };
    let json: serde_json::Value = serde_json::from_str(&line(AccessLogFormat::Json, &unread)).unwrap();
    let names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["time", "client", "protocol", "tries", "total"]);
    let text = line(AccessLogFormat::Text, &unread);
    assert!(text.contains("\"-\" 0 - host=\"\" tries=0"), "{text}");
}

#[test]
fn any_bytes_make_one_line_of_valid_json() {
    let all: Vec<u8> = (0..=255).collect();
    let json = line(AccessLogFormat::Json, &entry(&all, &all));
    assert_eq!(json.matches('\n').count(), 1);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let expected = String::from_utf8_lossy(&all);
    assert_eq!(value["host"], *expected);
    assert_eq!(value["path"], *expected);
    let text = line(AccessLogFormat::Text, &entry(&all, &all));
    assert!(text.trim_end_matches('\n').bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text}");
    assert!(
        text.contains(r#"\x00\x01"#) && text.contains(r##" !\"#"##) && text.contains(r"[\\]") && text.contains(r"\xff")
    );
}

proptest::proptest! {
    #[test]
    fn any_target_comes_back_from_json(host in ".{0,20}", path in ".{0,40}") {
        let json = line(AccessLogFormat::Json, &entry(host.as_bytes(), path.as_bytes()));
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        proptest::prop_assert_eq!(value["host"].as_str().unwrap(), host);
        proptest::prop_assert_eq!(value["path"].as_str().unwrap(), path);
    }
}

#[test]
fn whatever_was_written_is_in_the_file_at_the_end() {
    let folder = TempDir::new().unwrap();
    let (log, dropped) = log(&folder, 1.0);
    let pens = [log.pen(), log.pen()];
    for _ in 0..1000 {
        pens.iter().for_each(|pen| pen.write(whole()));
    }
    drop(log);
    assert_eq!((lines(&folder, "access.log"), dropped.get()), (2000, 0));
}

#[test]
fn a_full_list_drops_and_counts() {
    let dropped = IntCounter::new("dropped", "dropped").unwrap();
    // This thread never takes them.
    let list = List::new(std::thread::current(), dropped.clone());
    for _ in 0..MOST + 3 {
        list.push(whole());
    }
    assert_eq!(dropped.get(), 3);
    let mut taken = Vec::new();
    list.take(&mut taken);
    assert_eq!(taken.len(), MOST);
    list.push(whole());
    assert_eq!(dropped.get(), 3, "there is room again");
}

#[test]
fn a_file_that_was_moved_away_is_made_anew() {
    let folder = TempDir::new().unwrap();
    let (log, _) = log(&folder, 1.0);
    let pen = log.pen();
    pen.write(whole());
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while lines(&folder, "access.log") == 0 {
        assert!(std::time::Instant::now() < deadline, "nothing was written");
        std::thread::yield_now();
    }
    std::fs::rename(folder.path().join("access.log"), folder.path().join("access.log.1")).unwrap();
    log.reopen();
    pen.write(whole());
    drop(log);
    let (old, new) = (lines(&folder, "access.log.1"), lines(&folder, "access.log"));
    assert_eq!((old, new), (1, 1));
}

#[test]
fn a_disk_that_is_full_costs_lines_which_are_counted() {
    let settings = Settings { format: AccessLogFormat::Json, sample: 1.0, path: Some("/dev/full".into()) };
    let dropped = IntCounter::new("dropped", "dropped").unwrap();
    let log = AccessLog::open(&settings, dropped.clone()).unwrap();
    let pen = log.pen();
    (0..10).for_each(|_| pen.write(whole()));
    drop(log);
    assert_eq!(dropped.get(), 10);
}

#[test]
fn a_folder_that_is_missing_is_told() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("none/access.log");
    let settings = Settings { format: AccessLogFormat::Json, sample: 1.0, path: Some(path) };
    let error = AccessLog::open(&settings, IntCounter::new("dropped", "dropped").unwrap()).err().unwrap().to_string();
    assert!(error.contains("none/access.log") && error.contains("its folder must exist"), "{error}");
}

#[test]
fn a_sample_is_as_large_as_asked_for() {
    let folder = TempDir::new().unwrap();
    let taken = |sample| {
        let pen = log(&folder, sample).0.pen();
        (0..100_000).filter(|_| pen.takes()).count()
    };
    assert_eq!(taken(1.0), 100_000);
    assert!((9_000..11_000).contains(&taken(0.1)), "six standard deviations are 600");
}
