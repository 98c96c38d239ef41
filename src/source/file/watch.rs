//! Tells when a configuration, or a file that it names, may have changed.
//!
//! Folders are watched, not files: editors write a new file and rename it over the old one, and a ConfigMap swaps a
//! symbolic link beside it. A write in place counts once the file is closed, so that half a file is not read. Where the
//! system's notifications do not reach (network file systems), the files are looked at every few seconds.

use std::collections::BTreeSet;
use std::hash::Hasher as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use xxhash_rust::xxh3::Xxh3;

/// How often files are looked at without any notification.
const POLL: Duration = Duration::from_secs(2);

/// Watches a configuration's files.
pub struct Watcher {
    system: Option<RecommendedWatcher>,
    notified: mpsc::UnboundedReceiver<()>,
    folders: BTreeSet<PathBuf>,
    files: Vec<PathBuf>,
    seen: u64,
    poll: tokio::time::Interval,
}

impl Watcher {
    /// Watches `files`, whose content now is taken as known.
    pub fn new(files: &[PathBuf]) -> Self {
        let (sender, notified) = mpsc::unbounded_channel();
        let system = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| matters(&event)) {
                // Gone only when the process ends.
                let _ = sender.send(());
            }
        });
        let system = system
            .inspect_err(
                |error| tracing::warn!(%error, "file changes are not notified here: they are found within {POLL:?}"),
            )
            .ok();
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut watcher = Self { system, notified, folders: BTreeSet::new(), files: Vec::new(), seen: 0, poll };
        watcher.watch(files);
        watcher
    }

    /// Watches these files from now on. What was known of them before a reload stays known: a change that came while
    /// they were being loaded is still one.
    pub fn watch(&mut self, files: &[PathBuf]) {
        if self.files != files {
            self.files = files.to_vec();
            self.seen = content(&self.files);
        }
        let folders: BTreeSet<PathBuf> = files.iter().flat_map(|file| folders_of(file)).collect();
        if let Some(system) = &mut self.system {
            for gone in self.folders.difference(&folders) {
                // A folder that has gone takes its watch with it.
                let _ = system.unwatch(gone);
            }
            for new in folders.difference(&self.folders) {
                if let Err(error) = system.watch(new, RecursiveMode::NonRecursive) {
                    tracing::warn!(folder = %new.display(), %error, "the folder cannot be watched: changes are found within {POLL:?}");
                }
            }
        }
        self.folders = folders;
    }

    /// Watches these files, too.
    pub fn watch_also(&mut self, files: Vec<PathBuf>) {
        let mut all = self.files.clone();
        all.extend(files.into_iter().filter(|file| !self.files.contains(file)));
        self.watch(&all);
    }

    /// Waits until the content of the files is another.
    pub async fn changed(&mut self) {
        loop {
            tokio::select! {
                notified = self.notified.recv() => {
                    if notified.is_none() {
                        self.poll.tick().await;
                    }
                    while self.notified.try_recv().is_ok() {}
                }
                _ = self.poll.tick() => {}
            }
            let now = content(&self.files);
            if std::mem::replace(&mut self.seen, now) != now {
                return;
            }
        }
    }
}

/// The folder of a file as named, and of what it links to.
fn folders_of(file: &Path) -> Vec<PathBuf> {
    let folder = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => PathBuf::from("/"),
    };
    let linked = file.canonicalize().ok().map(|real| folder(&real));
    std::iter::once(folder(file)).chain(linked).collect()
}

/// Whether an event can mean that a whole file is there now.
fn matters(event: &notify::Event) -> bool {
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) | EventKind::Modify(ModifyKind::Name(_)) => true,
        // A link is whole when it appears; a file is when it is closed.
        EventKind::Create(CreateKind::File | CreateKind::Any) => event.paths.iter().any(|path| path.is_symlink()),
        EventKind::Create(_) | EventKind::Remove(_) => true,
        _ => event.need_rescan(),
    }
}

fn content(files: &[PathBuf]) -> u64 {
    let mut hash = Xxh3::new();
    for file in files {
        match std::fs::read(file) {
            Ok(bytes) => {
                hash.write_u64(bytes.len() as u64);
                hash.update(&bytes);
            }
            Err(_) => hash.write_u8(0),
        }
    }
    hash.digest()
}
