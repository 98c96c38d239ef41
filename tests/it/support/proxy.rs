//! A proxy in this process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use weir::lifecycle::Process;
use weir::model::Model;
use weir::source::file;

use super::{get, metric};

/// A running proxy; it ends at once when dropped.
pub struct Proxy {
    process: Option<Process>,
    folder: PathBuf,
    _temporary: Option<TempDir>,
}

impl Proxy {
    /// Serves `yaml`. Sections that it lacks are added: one listener `http` on a port of the kernel's choice, admin
    /// likewise, one worker, no delay at the end.
    pub async fn start(yaml: &str) -> Self {
        let temporary = TempDir::new().unwrap();
        let mut proxy = Self::start_in(temporary.path(), yaml).await;
        proxy._temporary = Some(temporary);
        proxy
    }

    /// The same with files that `yaml` names in `folder`.
    pub async fn start_in(folder: &Path, yaml: &str) -> Self {
        Self::start_with(folder, yaml, |_| {}).await
    }

    /// The same with what no file can say.
    pub async fn start_with(folder: &Path, yaml: &str, change: impl FnOnce(&mut Model)) -> Self {
        let text = completed(yaml);
        let mut loaded = match file::parse(&text, "test.yaml", folder) {
            Ok(loaded) => loaded,
            Err(diagnostics) => panic!("{diagnostics}\n{text}"),
        };
        change(&mut loaded.model);
        let process = Process::start(loaded.model, &loaded.settings).await.unwrap();
        process.ready();
        Self { process: Some(process), folder: folder.to_owned(), _temporary: None }
    }

    /// A proxy with one split `shop` on all hosts and one version `stable` at the given endpoints.
    pub async fn before(endpoints: impl IntoIterator<Item = impl ToString>) -> Self {
        Self::start(&shop(endpoints)).await
    }

    /// The process, to be ended or asked.
    pub fn process(&self) -> &Process {
        self.process.as_ref().unwrap()
    }

    /// Where the listener `http` listens.
    pub fn http(&self) -> SocketAddr {
        self.address("http")
    }

    /// Where a listener listens.
    pub fn address(&self, listener: &str) -> SocketAddr {
        self.process().control().address(listener).unwrap()
    }

    /// Where the admin listener listens.
    pub fn admin(&self) -> SocketAddr {
        self.process().admin_address().unwrap()
    }

    /// Brings another configuration into force, as a change of the file would.
    pub fn apply(&self, yaml: &str) {
        let loaded = file::parse(&completed(yaml), "test.yaml", &self.folder).unwrap();
        self.process().control().apply(loaded.model).unwrap();
    }

    /// `/metrics` as text.
    pub async fn metrics(&self) -> String {
        get(self.admin(), "/metrics").await.text()
    }

    /// The sum of the series of `name` that have all these labels.
    pub async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        metric(&self.metrics().await, name, labels)
    }

    /// Ends in peace; returns how many requests were cut.
    pub async fn end(mut self) -> usize {
        self.process.take().unwrap().end().await
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop();
        }
    }
}

/// The YAML of one split `shop` with one version `stable` at the given endpoints.
fn shop(endpoints: impl IntoIterator<Item = impl ToString>) -> String {
    let endpoints: Vec<String> =
        endpoints.into_iter().map(|endpoint| format!("\"{}\"", endpoint.to_string())).collect();
    format!("splits:\n  - name: shop\n    versions: [{{name: stable, endpoints: [{}]}}]\n", endpoints.join(", "))
}

fn completed(yaml: &str) -> String {
    let defaults = [
        ("admin:", "admin: {address: \"127.0.0.1:0\"}\n"),
        ("workers:", "workers: 1\n"),
        ("shutdown:", "shutdown: {delay: 0s, timeout: 5s}\n"),
        ("listeners:", "listeners: [{name: http, address: \"127.0.0.1:0\"}]\n"),
    ];
    let missing = defaults.iter().filter(|(key, _)| !yaml.lines().any(|line| line.starts_with(key)));
    let mut text: String = missing.map(|(_, line)| *line).collect();
    text.push_str(yaml);
    text
}
