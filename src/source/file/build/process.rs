//! Settings of the process, and what holds for all traffic.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::{AccessLog, AccessLogFormat, Dialect, Forwarding, Peers, Settings, Shutdown, TrustedProxies};

use super::super::problem::{Pointer, Problems};
use super::super::wire;
use super::{Checked, Context, address, each, optional};

/// The word for standard output.
const STDOUT: &str = "stdout";
/// The word that switches the admin listener off.
const OFF: &str = "off";
/// Longest path of a socket file, bytes: a socket's address holds 107 (unix(7)), and the id of a process and a dot follow.
const LONGEST_SOCKET: usize = 99;
/// Where deploy/ mounts the token that replicas show each other.
const PEERS_TOKEN: &str = "/var/run/secrets/weir/peers/token";

/// Settings of the process.
pub fn settings(wire: &wire::File, context: &mut Context<'_>) -> Option<Settings> {
    let root = Pointer::root();
    let default = Settings::default();
    let (admin, admin_token) = match &wire.admin {
        None => (Some(default.admin), Some(None)),
        Some(admin) => admin_listener(admin, &root.key("admin"), default.admin, context),
    };
    let ops = optional(wire.ops.as_ref().map(|ops| {
        let at = root.key("ops").key("address");
        context.problems.check(&at, address::listen(&ops.address))
    }));
    let peers = optional(wire.peers.as_ref().map(|peers| {
        let at = root.key("peers").key("address");
        let address = context.problems.check(&at, address::listen(&peers.address))?;
        // Read when it is shown, since it is replaced now and then.
        let token = context.path(peers.token_file.as_deref().unwrap_or(PEERS_TOKEN));
        Some(Peers { address, token })
    }));
    let upgrade = optional(wire.upgrade.as_ref().map(|upgrade| {
        let at = root.key("upgrade").key("socket");
        let path = context.path(&upgrade.socket);
        context.problems.check(&at, socket_file(path))
    }));
    let access_log = optional(wire.access_log.as_ref().map(|log| access_log(log, &root.key("accessLog"), context)));
    let shutdown = shutdown(wire.shutdown.as_ref(), &root.key("shutdown"), &mut context.problems);
    Some(Settings {
        admin: admin?,
        admin_token: admin_token?,
        ops: ops?,
        peers: peers?,
        workers: wire.workers.map_or(default.workers, usize::from),
        shutdown: shutdown?,
        upgrade: upgrade?,
        access_log: access_log?,
        state: wire.state.as_ref().map(|state| context.path(state)),
        dialects: wire.metrics.as_ref().map(dialects).unwrap_or_default(),
        most_held: wire.hold.as_ref().and_then(|hold| hold.most).map_or(default.most_held, |most| most as usize),
    })
}

fn access_log(wire: &wire::AccessLog, at: &Pointer, context: &mut Context<'_>) -> Option<AccessLog> {
    let format = match wire.format {
        Some(wire::AccessLogFormat::Text) => AccessLogFormat::Text,
        Some(wire::AccessLogFormat::Json) | None => AccessLogFormat::Json,
    };
    let sample = wire.sample.map_or(1.0, |sample| sample.0);
    if sample <= 0.0 || sample > 1.0 {
        let message = "write more than 0% and at most 100%; without accessLog nothing is logged";
        context.problems.error(&at.key("sample"), message);
        return None;
    }
    let path = wire.path.as_deref().filter(|path| *path != STDOUT).map(|path| context.path(path));
    Some(AccessLog { format, sample, path })
}

/// A path that fits a socket's address, also with a process id behind it.
fn socket_file(path: PathBuf) -> Result<PathBuf, String> {
    let length = path.as_os_str().len();
    match length {
        _ if path.file_name().is_none() => Err("is no file: write a path, like /run/weir/upgrade.sock".to_owned()),
        0..=LONGEST_SOCKET => Ok(path),
        _ => Err(format!("the path has {length} bytes, a socket's may have {LONGEST_SOCKET}: give a shorter one")),
    }
}

/// Naming one twice asks for nothing more.
fn dialects(wire: &wire::Metrics) -> Vec<Dialect> {
    let dialect = |wire: &wire::Dialect| match wire {
        wire::Dialect::Nginx => Dialect::Nginx,
        wire::Dialect::Http => Dialect::Http,
        wire::Dialect::Istio => Dialect::Istio,
    };
    let mut dialects: Vec<Dialect> = wire.dialects.iter().map(dialect).collect();
    dialects.sort_unstable();
    dialects.dedup();
    dialects
}

fn admin_listener(
    wire: &wire::Admin,
    at: &Pointer,
    default: Option<SocketAddr>,
    context: &mut Context<'_>,
) -> (Checked<SocketAddr>, Checked<String>) {
    let address = match wire.address.as_deref() {
        None => Some(default),
        Some(OFF) => Some(None),
        Some(text) => context.problems.check(&at.key("address"), address::listen(text)).map(Some),
    };
    let token = optional(wire.token_file.as_ref().map(|name| token(name, &at.key("tokenFile"), context)));
    (address, token)
}

fn token(name: &str, at: &Pointer, context: &mut Context<'_>) -> Option<String> {
    let content = context.read(at, name)?;
    let token = String::from_utf8(content).ok().map(|text| text.trim().to_owned());
    let usable = token.filter(|token| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()));
    context.problems.check(at, usable.ok_or("the file must hold one token, of printable characters without spaces"))
}

fn shutdown(wire: Option<&wire::Shutdown>, at: &Pointer, problems: &mut Problems) -> Option<Shutdown> {
    let default = Shutdown::default();
    let Some(wire) = wire else { return Some(default) };
    let delay = wire.delay.map_or(default.delay, |time| time.0);
    let timeout = wire.timeout.map_or(default.timeout, |time| time.0);
    if timeout == Duration::ZERO {
        problems
            .error(&at.key("timeout"), "cuts every request in flight: write how long they may take to end, like 60s");
        return None;
    }
    Some(Shutdown { delay, timeout })
}

/// Networks whose forwarding headers are believed.
pub fn trusted_proxies(wire: &[String], problems: &mut Problems) -> Option<TrustedProxies> {
    let at = Pointer::root().key("trustedProxies");
    each(wire, &at, |text, at| problems.check(&at, address::network(text))).map(TrustedProxies)
}

/// What the proxy says about itself.
pub fn forwarding(wire: Option<&wire::Forwarding>) -> Forwarding {
    let default = Forwarding::default();
    let Some(wire) = wire else { return default };
    Forwarding {
        via: wire.via.unwrap_or(default.via),
        reason_header: wire.reason_header.unwrap_or(default.reason_header),
        decision_headers: wire.decision_headers.unwrap_or(default.decision_headers),
        normal_paths: wire.paths.map_or(default.normal_paths, |paths| matches!(paths, wire::Paths::Normalize)),
    }
}
