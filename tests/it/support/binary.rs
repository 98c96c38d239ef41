//! The `weir` program as a process of its own.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::{get, metric, wait_until_for};

/// Ports that may turn out to be taken by the time that the process binds them.
const ATTEMPTS: usize = 5;

/// A running `weir run --config FILE` in a folder of its own; it is killed when dropped.
///
/// `{http}`, `{admin}` and `{ops}` in its configuration stand for addresses on free ports; sections `admin` and
/// `listeners` are added where they lack.
pub struct Binary {
    child: Child,
    folder: Arc<TempDir>,
    log: PathBuf,
    addresses: Vec<(&'static str, SocketAddr)>,
}

impl Binary {
    /// Spawns it and waits until it is ready.
    pub async fn start(yaml: &str) -> Self {
        Self::start_with(yaml, &[]).await
    }

    /// The same with variables of its environment.
    pub async fn start_with(yaml: &str, variables: &[(&str, &str)]) -> Self {
        for _ in 0..ATTEMPTS {
            let mut binary = Self::spawn_with(yaml, |command| {
                command.envs(variables.iter().copied());
            });
            let admin = binary.address("admin");
            let mut exited = false;
            wait_until_for("ready", Duration::from_secs(20), async || {
                exited = binary.child.try_wait().unwrap().is_some();
                exited || tokio::net::TcpStream::connect(admin).await.is_ok()
            })
            .await;
            // Somebody else may have the port, and answer on it.
            if !exited && binary.is_ready().await {
                return binary;
            }
            let log = binary.stderr();
            assert!(log.contains("another process has it") || log.contains("in use"), "it ended: {log}");
        }
        panic!("no free ports in {ATTEMPTS} attempts");
    }

    /// Waits until it is ready, or has ended.
    async fn is_ready(&mut self) -> bool {
        let admin = self.address("admin");
        let mut exited = false;
        wait_until_for("ready", Duration::from_secs(20), async || {
            exited = self.has_exited();
            exited || get(admin, "/readyz").await.status == 200
        })
        .await;
        !exited && !self.has_exited()
    }

    /// Spawns it without waiting.
    pub fn spawn(yaml: &str) -> Self {
        Self::spawn_with(yaml, |_| ())
    }

    /// Spawns `weir run --kubernetes` without waiting, with the settings of `yaml`.
    pub fn spawn_in_cluster(yaml: &str, kubeconfig: &Path, arguments: &[&str]) -> Self {
        Self::spawn_with(yaml, |command| {
            command.arg("--kubernetes").args(arguments).env("KUBECONFIG", kubeconfig);
        })
    }

    fn spawn_with(yaml: &str, more: impl FnOnce(&mut Command)) -> Self {
        let addresses: Vec<_> = ["http", "admin", "ops"].into_iter().zip(free_addresses()).collect();
        Self::spawn_in(Arc::new(TempDir::new().unwrap()), addresses, yaml, more)
    }

    /// Spawns another one with the same folder and addresses, without waiting.
    pub fn spawn_beside(&self, yaml: &str) -> Self {
        Self::spawn_in(Arc::clone(&self.folder), self.addresses.clone(), yaml, |_| ())
    }

    fn spawn_in(
        folder: Arc<TempDir>,
        addresses: Vec<(&'static str, SocketAddr)>,
        yaml: &str,
        more: impl FnOnce(&mut Command),
    ) -> Self {
        let config = folder.path().join("weir.yaml");
        let new = folder.path().join("weir.yaml.new");
        fs::write(&new, completed(yaml, &addresses)).unwrap();
        fs::rename(new, &config).unwrap();
        let free = |name: String| Some(folder.path().join(name)).filter(|path| !path.exists());
        let log = free("stderr".to_owned()).or_else(|| (2..).find_map(|n| free(format!("stderr.{n}")))).unwrap();
        let stderr = File::create(&log).unwrap();
        let stdout = File::options().create(true).append(true).open(folder.path().join("stdout")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.args(["run", "--config"]).arg(&config).current_dir(folder.path());
        more(&mut command);
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        Self { child: command.spawn().unwrap(), folder, log, addresses }
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where `http`, `admin` or `ops` listens.
    pub fn address(&self, name: &str) -> SocketAddr {
        self.addresses.iter().find(|(known, _)| *known == name).unwrap().1
    }

    /// Where the listener `http` listens.
    pub fn http(&self) -> SocketAddr {
        self.address("http")
    }

    /// The folder with `weir.yaml`, `stdout` and `stderr`; it is also the current one of the process.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder().join("weir.yaml")
    }

    /// Replaces the configuration file, by renaming, as editors and config maps do.
    pub fn rewrite(&self, yaml: &str) {
        let new = self.folder().join("weir.yaml.new");
        fs::write(&new, completed(yaml, &self.addresses)).unwrap();
        fs::rename(new, self.config()).unwrap();
    }

    /// What it has logged.
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// `/metrics` as text.
    pub async fn metrics(&self) -> String {
        get(self.address("admin"), "/metrics").await.text()
    }

    /// The sum of the series of `name` that have all these labels.
    pub async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        metric(&self.metrics().await, name, labels)
    }

    /// Resident memory now, in bytes.
    pub fn memory(&self) -> u64 {
        self.status_of("VmRSS:")
    }

    /// Resident memory that no file backs, in bytes: its code comes and goes with what is called.
    pub fn own_memory(&self) -> u64 {
        self.status_of("RssAnon:")
    }

    /// The most resident memory it ever had, in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.status_of("VmHWM:")
    }

    fn status_of(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Sends a signal, like "TERM" or "HUP".
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Whether it has ended.
    pub fn has_exited(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    pub async fn exited(&mut self, patience: Duration) -> ExitStatus {
        let mut status = None;
        wait_until_for("exit", patience, async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- stderr of weir\n{}---", self.stderr());
        }
    }
}

/// Free now; held all at once, so that they differ.
fn free_addresses() -> Vec<SocketAddr> {
    let held: Vec<_> = (0..3).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
    held.iter().map(|listener| listener.local_addr().unwrap()).collect()
}

fn completed(yaml: &str, addresses: &[(&'static str, SocketAddr)]) -> String {
    let defaults = [
        ("admin:", "admin: {address: \"{admin}\"}\n"),
        ("listeners:", "listeners: [{name: http, address: \"{http}\"}]\n"),
    ];
    let missing = defaults.iter().filter(|(key, _)| !yaml.lines().any(|line| line.starts_with(key)));
    let mut text: String = missing.map(|(_, line)| *line).collect();
    text.push_str(yaml);
    for (name, address) in addresses {
        text = text.replace(&format!("{{{name}}}"), &address.to_string());
    }
    text
}
