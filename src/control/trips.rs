//! Guard trips, and how often each test was begun: kept over restarts where a state file is configured.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::snapshot::VersionKey;

/// What is known about the guard of one version at one revision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Why it tripped, and when; none: it has not.
    pub trip: Option<Trip>,
    /// How often its test was begun before; each beginning may spend less of the false alarms allowed per revision.
    pub restarts: u32,
}

/// A trip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trip {
    /// RFC 3339.
    pub time: String,
    /// In words.
    pub reason: String,
}

/// All records, and the file that they are kept in.
#[derive(Default)]
pub struct Trips {
    path: Option<PathBuf>,
    records: BTreeMap<String, Record>,
}

impl Trips {
    /// Reads the file if there is one. Every test that it knows begins once more.
    ///
    /// # Errors
    ///
    /// The file is there and cannot be read, or is no such file.
    pub fn open(path: Option<PathBuf>) -> io::Result<Self> {
        let Some(file) = &path else { return Ok(Self::default()) };
        let mut records: BTreeMap<String, Record> = match std::fs::read(file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        records.values_mut().for_each(|record| record.restarts += 1);
        Ok(Self { path, records })
    }

    /// What is known about a version.
    pub fn get(&self, key: &VersionKey) -> Record {
        self.records.get(&name(key)).cloned().unwrap_or_default()
    }

    /// A test begins; what is kept knows of it before it can spend anything.
    pub fn begin(&mut self, key: &VersionKey) -> Record {
        let known = self.records.len();
        let record = self.records.entry(name(key)).or_default().clone();
        if self.records.len() > known {
            self.save();
        }
        record
    }

    /// A version was found bad.
    pub fn trip(&mut self, key: &VersionKey, reason: String) {
        let record = self.records.entry(name(key)).or_default();
        record.trip = Some(Trip { time: jiff::Timestamp::now().to_string(), reason });
        self.save();
    }

    /// An operator re-arms the guard: the trip goes, and the test begins once more.
    pub fn reset(&mut self, key: &VersionKey) {
        if let Some(record) = self.records.get_mut(&name(key)) {
            record.trip = None;
            record.restarts += 1;
            self.save();
        }
    }

    fn save(&self) {
        let Some(path) = &self.path else { return };
        if let Err(error) = write(path, &self.records) {
            tracing::error!(path = %path.display(), %error, "guard trips cannot be kept: a restart will forget them");
        }
    }
}

fn name(key: &VersionKey) -> String {
    let VersionKey { route, version, revision } = key;
    format!("{}/{}/{}/{version}@{revision}", route.namespace, route.kind.as_str(), route.name)
}

/// Writes beside the file first, so that a crash leaves the old one or the new one.
fn write(path: &Path, records: &BTreeMap<String, Record>) -> io::Result<()> {
    let beside = path.with_extension("tmp");
    std::fs::write(&beside, serde_json::to_vec_pretty(records)?)?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Kind, RouteKey};

    fn key(revision: &str) -> VersionKey {
        let route = RouteKey { namespace: "".into(), kind: Kind::Split, name: "shop".into() };
        VersionKey { route, version: "canary".into(), revision: Arc::from(revision) }
    }

    #[test]
    fn a_trip_outlives_the_process_and_belongs_to_its_revision() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let mut trips = Trips::open(Some(path.clone())).unwrap();
        assert_eq!(trips.begin(&key("r1")).restarts, 0);
        trips.trip(&key("r1"), "bad".to_owned());
        let trips = Trips::open(Some(path)).unwrap();
        assert_eq!(trips.get(&key("r1")).trip.unwrap().reason, "bad");
        assert_eq!(trips.get(&key("r1")).restarts, 1);
        assert_eq!(trips.get(&key("r2")), Record::default());
    }

    #[test]
    fn a_reset_forgets_the_trip_and_counts_the_restart() {
        let mut trips = Trips::default();
        trips.begin(&key("r1"));
        trips.trip(&key("r1"), "bad".to_owned());
        trips.reset(&key("r1"));
        assert_eq!(trips.get(&key("r1")), Record { trip: None, restarts: 1 });
    }

    #[test]
    fn a_broken_state_file_is_an_error_and_not_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        std::fs::write(&path, "{").unwrap();
        assert!(Trips::open(Some(path)).is_err());
    }
}
