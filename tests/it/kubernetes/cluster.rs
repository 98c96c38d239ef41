//! A cluster with a proxy in it.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use weir::echo::{Echo, EchoOptions};

use crate::support::{ApiServer, Binary, get, wait_until, wait_until_for};

/// An API server, and the program that follows it.
pub struct Cluster {
    pub server: ApiServer,
    pub weir: Binary,
}

impl Cluster {
    /// A cluster of these objects, by resource, and a program that is ready in it.
    pub async fn of(objects: &[(&str, Value)]) -> Self {
        let server = ApiServer::start().await;
        objects.iter().for_each(|(resource, object)| server.set(resource, object));
        let cluster = Self::around(server, &[]);
        cluster.ready().await;
        cluster
    }

    /// The program in the cluster of a server, not ready yet.
    pub fn around(server: ApiServer, arguments: &[&str]) -> Self {
        let weir = Binary::spawn_in_cluster("workers: 1\n", &server.kubeconfig(), arguments);
        Self { server, weir }
    }

    /// Waits until it says that it is ready.
    pub async fn ready(&self) {
        let admin = self.weir.address("admin");
        wait_until_for("ready", Duration::from_secs(20), async || {
            tokio::net::TcpStream::connect(admin).await.is_ok() && self.readiness().await == 200
        })
        .await;
    }

    /// What it says when it is asked whether it is ready.
    pub async fn readiness(&self) -> u16 {
        get(self.weir.address("admin"), "/readyz").await.status.as_u16()
    }

    /// Where a request goes: the version, or the status that it was refused with.
    pub async fn ask(&self, path: &str) -> String {
        let answer = get(self.weir.http(), path).await;
        match answer.status.as_u16() {
            200 => answer.json()["version"].as_str().unwrap().to_owned(),
            status => status.to_string(),
        }
    }

    /// How many of 20 requests go to a version.
    pub async fn count(&self, version: &str) -> usize {
        let mut count = 0;
        for _ in 0..20 {
            count += usize::from(self.ask("/").await == version);
        }
        count
    }

    /// Waits until requests go there.
    pub async fn reaches(&self, path: &str, expected: &str) {
        let what = format!("{path} to reach {expected}");
        wait_until(&what, async || self.ask(path).await == expected).await;
    }

    /// Waits until so many of 20 requests go to a version.
    pub async fn shares(&self, version: &str, expected: usize) {
        let what = format!("{expected} of 20 for {version}");
        wait_until(&what, async || self.count(version).await == expected).await;
    }
}

/// A backend at an address of its own, as pods have it.
pub async fn pod(version: &str, last: u8) -> Echo {
    let address = SocketAddr::from(([127, 0, 0, last], 0));
    Echo::start(EchoOptions { address, version: version.to_owned(), ..EchoOptions::default() }).await.unwrap()
}

/// A Service with the port 80, called `http`.
pub fn service(name: &str) -> (&'static str, Value) {
    let spec = json!({"clusterIP": "10.96.0.1", "ports": [{"name": "http", "port": 80}]});
    ("services", json!({"metadata": {"name": name, "namespace": "shop"}, "spec": spec}))
}

/// A slice of a Service with one pod, named after both.
pub fn slice(service: &str, pod: &Echo) -> (&'static str, Value) {
    let address = pod.address();
    let labels = json!({"kubernetes.io/service-name": service});
    let slice = json!({
        "metadata": {"name": format!("{service}-{}", address.port()), "namespace": "shop", "labels": labels},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": address.port()}],
        "endpoints": [{"addresses": [address.ip().to_string()], "conditions": {"ready": true}}],
    });
    ("endpointslices", slice)
}

/// A Split, by name, of versions with weights; each version's Service is called as it is.
pub fn split(name: &str, versions: &[(&str, u32)]) -> (&'static str, Value) {
    let versions: Vec<Value> = versions
        .iter()
        .map(|(version, weight)| json!({"name": version, "service": version, "weight": weight}))
        .collect();
    let spec = json!({"versions": versions});
    ("splits", json!({"metadata": {"name": name, "namespace": "shop"}, "spec": spec}))
}
