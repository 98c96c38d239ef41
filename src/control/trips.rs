//! Guard trips, and how often each test was begun: kept over restarts where a state file is configured.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::rollout::shared::{Record, Records, Trip};
use crate::snapshot::VersionKey;

/// Records that are remembered.
const MOST: usize = 8192;
/// Revisions of a version that are remembered; tripped ones stay the longest.
const REVISIONS: usize = 8;

/// All records, and the file that they are kept in.
#[derive(Default)]
pub struct Trips {
    path: Option<PathBuf>,
    records: Records,
    /// What other replicas, and what is kept for all of them, do not know yet.
    changed: BTreeSet<String>,
}

/// What came of others' records.
#[derive(Debug, Default, PartialEq)]
pub struct Merged {
    /// Versions that tripped, and why.
    pub tripped: Vec<(String, String)>,
    /// Versions whose trip an operator has taken back.
    pub reset: Vec<String>,
}

impl Trips {
    /// Reads the file if there is one. Every test that it knows begins once more.
    ///
    /// # Errors
    ///
    /// The file is there and cannot be read, or is no such file.
    pub fn open(path: Option<PathBuf>) -> io::Result<Self> {
        let Some(file) = &path else { return Ok(Self::default()) };
        let mut records: Records = match std::fs::read(file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        records.values_mut().for_each(|record| record.restarts += 1);
        let trips = Self { path, records, changed: BTreeSet::new() };
        if !trips.records.is_empty() {
            // Each restart spends less than the one before, also where nothing else happens until the next one.
            trips.save();
        }
        Ok(trips)
    }

    /// What is known about a version.
    pub fn get(&self, key: &VersionKey) -> Record {
        self.records.get(&name(key)).cloned().unwrap_or_default()
    }

    /// A test begins; what is kept knows of it before it can spend anything.
    pub fn begin(&mut self, key: &VersionKey) -> Record {
        let name = name(key);
        if let Some(known) = self.records.get(&name) {
            return known.clone();
        }
        let record = Record { begun: jiff::Timestamp::now().as_second(), ..Record::default() };
        self.records.insert(name.clone(), record.clone());
        self.note(name);
        record
    }

    /// A version was found bad; whether that is new.
    pub fn trip(&mut self, key: &VersionKey, reason: String) -> bool {
        let name = name(key);
        let record = self.records.entry(name.clone()).or_default();
        if record.trip.is_some() {
            return false;
        }
        record.trip = Some(Trip { time: jiff::Timestamp::now().to_string(), reason });
        self.note(name);
        true
    }

    /// An operator re-arms the guard: the trip goes, and the test begins once more.
    pub fn reset(&mut self, key: &VersionKey) {
        let name = name(key);
        if let Some(record) = self.records.get_mut(&name) {
            record.trip = None;
            record.restarts += 1;
            record.resets += 1;
            self.note(name);
        }
    }

    /// All tests that have not tripped begin once more, since what one replica spent another cannot know.
    pub fn begin_anew(&mut self) {
        let open: Vec<String> =
            self.records.iter().filter(|(_, record)| record.trip.is_none()).map(|(name, _)| name.clone()).collect();
        for name in open {
            if let Some(record) = self.records.get_mut(&name) {
                record.restarts += 1;
            }
            self.changed.insert(name);
        }
        self.save();
    }

    /// Takes in what others know.
    pub fn merge(&mut self, others: &Records) -> Merged {
        let mut merged = Merged::default();
        let mut changed = Vec::new();
        for (name, other) in others {
            let record = self.records.entry(name.clone()).or_default();
            let had = record.trip.is_some();
            if !record.merge(other) {
                continue;
            }
            match (had, &record.trip) {
                (false, Some(trip)) => merged.tripped.push((name.clone(), trip.reason.clone())),
                (true, None) => merged.reset.push(name.clone()),
                _ => {}
            }
            changed.push(name.clone());
        }
        if !changed.is_empty() {
            self.changed.extend(changed.iter().cloned());
            changed.iter().for_each(|name| self.prune(name));
            self.save();
        }
        merged
    }

    /// All that is known.
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// What has changed since the last call.
    pub fn take_changed(&mut self) -> Records {
        let names = std::mem::take(&mut self.changed);
        let known = names.into_iter().filter_map(|name| self.records.get_key_value(&name));
        known.map(|(name, record)| (name.clone(), record.clone())).collect()
    }

    fn note(&mut self, name: String) {
        self.changed.insert(name.clone());
        self.prune(&name);
        self.save();
    }

    /// Forgets the oldest of too many revisions of a version, and of too many records at all.
    fn prune(&mut self, name: &str) {
        let Some((version, _)) = name.rsplit_once('@') else { return };
        let prefix = format!("{version}@");
        let revisions = self.records.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(&prefix));
        let mut revisions: Vec<(bool, i64, String)> =
            revisions.map(|(name, record)| (record.trip.is_some(), record.begun, name.clone())).collect();
        revisions.sort_unstable();
        let many = revisions.len().saturating_sub(REVISIONS);
        for (.., name) in revisions.into_iter().take(many) {
            self.forget(&name);
        }
        while self.records.len() > MOST {
            let age = |(name, record): (&String, &Record)| (record.trip.is_some(), record.begun, name.clone());
            let Some((.., oldest)) = self.records.iter().map(age).min() else { return };
            self.forget(&oldest);
        }
    }

    fn forget(&mut self, name: &str) {
        self.records.remove(name);
        self.changed.remove(name);
    }

    fn save(&self) {
        let Some(path) = &self.path else { return };
        if let Err(error) = write(path, &self.records) {
            tracing::error!(path = %path.display(), %error, "guard trips cannot be kept: a restart will forget them");
        }
    }
}

/// The name of a version at its revision, the same on every replica.
pub fn name(key: &VersionKey) -> String {
    let VersionKey { route, version, revision } = key;
    format!("{}/{}/{}/{version}@{revision}", route.namespace, route.kind.as_str(), route.name)
}

/// Writes beside the file first, so that a crash, also of the machine, leaves the old one or the new one.
fn write(path: &Path, records: &Records) -> io::Result<()> {
    let beside = path.with_extension("tmp");
    let mut file = File::create(&beside)?;
    file.write_all(&serde_json::to_vec_pretty(records)?)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests;
