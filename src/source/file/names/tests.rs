use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;

use super::*;
use crate::source::file;

/// A server of names.
#[derive(Clone, Default)]
struct Zone(Arc<Mutex<HashMap<String, Vec<SocketAddr>>>>);

impl Zone {
    fn set(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|address| format!("{address}:80").parse().unwrap()).collect();
        self.0.lock().unwrap().insert(name.to_owned(), addresses);
    }

    fn remove(&self, name: &str) {
        self.0.lock().unwrap().remove(name);
    }

    fn names(&self) -> Names {
        let zone = self.clone();
        Names::asking(move |name| zone.0.lock().unwrap().get(name).cloned())
    }
}

const YAML: &str = "listeners: [{name: http, address: \":8080\"}]\nsplits:\n  - name: shop\n    versions: [{name: stable, \
                    endpoints: [\"a.test:80\", \"b.test:80\"]}]\n";

fn addresses(loaded: &file::Loaded) -> Vec<String> {
    let split = &loaded.model.routes[0].rules[0].split;
    split.versions[0].endpoints.iter().map(|endpoint| endpoint.address.ip().to_string()).collect()
}

fn load(known: &Names) -> Result<file::Loaded, file::Diagnostics> {
    file::parse_knowing(YAML, "f.yaml", Path::new(""), known).map_err(|refused| refused.diagnostics)
}

#[tokio::test(start_paused = true)]
async fn a_name_that_moves_is_news_and_a_name_that_is_lost_keeps_its_last_addresses() {
    let zone = Zone::default();
    zone.set("a.test", &["10.0.0.1"]);
    zone.set("b.test", &["10.0.0.2", "10.0.0.3"]);
    let loaded = load(&zone.names()).unwrap();
    assert_eq!(addresses(&loaded), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    let mut watcher = NameWatcher::new(loaded.names);
    let begun = tokio::time::Instant::now();
    zone.set("a.test", &["10.0.0.9"]);
    assert_eq!(watcher.changed().await, [News::Moved("a.test".to_owned())]);
    assert_eq!(begun.elapsed(), INTERVAL);
    assert_eq!(addresses(&load(watcher.names()).unwrap()), ["10.0.0.9", "10.0.0.2", "10.0.0.3"]);

    zone.remove("b.test");
    assert_eq!(watcher.changed().await, [News::Lost("b.test".to_owned())]);
    let loaded = load(watcher.names()).unwrap();
    assert_eq!(addresses(&loaded), ["10.0.0.9", "10.0.0.2", "10.0.0.3"], "the last good ones");
    assert!(loaded.warnings[0].message.contains("\"b.test\" has no address now: the last ones are kept"));

    // It is told once, and when it is over.
    let silence = tokio::time::timeout(10 * INTERVAL, watcher.changed()).await;
    assert!(silence.is_err());
    zone.set("b.test", &["10.0.0.2", "10.0.0.3"]);
    assert_eq!(watcher.changed().await, [News::Found("b.test".to_owned())]);
}

#[test]
fn a_name_that_was_never_good_is_an_error() {
    let zone = Zone::default();
    zone.set("a.test", &["10.0.0.1"]);
    let error = load(&zone.names()).unwrap_err().to_string();
    assert!(error.contains("host \"b.test\" has no address"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_a_refused_file_asks_for_is_news_once_it_has_an_address() {
    let zone = Zone::default();
    zone.set("a.test", &["10.0.0.1"]);
    let mut watcher = NameWatcher::new(zone.names());
    let refused = file::parse_knowing(YAML, "f.yaml", Path::new(""), watcher.names()).unwrap_err();
    assert_eq!(refused.nameless, [("b.test".to_owned(), 80)]);
    watcher.wait_for(refused.nameless);
    assert!(tokio::time::timeout(3 * INTERVAL, watcher.changed()).await.is_err(), "that it has none is known");
    assert!(load(watcher.names()).is_err(), "no address is no last good one");
    zone.set("b.test", &["10.0.0.2"]);
    assert_eq!(watcher.changed().await, [News::Moved("b.test".to_owned())]);
    assert_eq!(addresses(&load(watcher.names()).unwrap()), ["10.0.0.1", "10.0.0.2"]);
}

#[tokio::test(start_paused = true)]
async fn endpoints_that_are_served_get_the_addresses_that_their_names_have_now() {
    let zone = Zone::default();
    zone.set("a.test", &["10.0.0.1", "10.0.0.3"]);
    zone.set("b.test", &["10.0.0.2"]);
    let mut loaded = load(&zone.names()).unwrap();
    let mut watcher = NameWatcher::new(loaded.names.clone());
    zone.set("a.test", &["10.0.0.9"]);
    zone.remove("b.test");
    watcher.changed().await;
    watcher.names().put_into(&mut loaded.model);
    assert_eq!(addresses(&loaded), ["10.0.0.9", "10.0.0.2"]);
}

#[test]
fn names_that_lead_to_the_same_address_are_one_endpoint() {
    let zone = Zone::default();
    zone.set("a.test", &["10.0.0.1"]);
    zone.set("b.test", &["10.0.0.1", "10.0.0.2"]);
    let loaded = load(&zone.names()).unwrap();
    assert_eq!(addresses(&loaded), ["10.0.0.1", "10.0.0.2"]);
    let warning = &loaded.warnings[0].message;
    assert!(warning.contains("\"b.test:80\" leads to 10.0.0.1:80, which is here already"), "{warning}");
    let twice = YAML.replace("b.test", "a.test");
    let refused = file::parse_knowing(&twice, "f.yaml", Path::new(""), &zone.names()).unwrap_err();
    assert!(refused.diagnostics.to_string().contains("is here twice"), "{}", refused.diagnostics);
}
