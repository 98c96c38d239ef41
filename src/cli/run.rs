//! `weir run`: serve.

use std::path::PathBuf;
use std::process::ExitCode;

use super::Failure;
use crate::lifecycle;

#[derive(clap::Args)]
pub struct Args {
    /// Serve from this file; with --kubernetes, take the settings of the process from it. A change of it applies without a
    /// restart
    #[arg(long, required_unless_present = "kubernetes")]
    config: Option<PathBuf>,
    #[cfg(feature = "kubernetes")]
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[cfg(feature = "kubernetes")]
#[derive(clap::Args)]
struct ClusterArgs {
    /// Serve from the cluster: the one of this pod, or of KUBECONFIG
    #[arg(long)]
    kubernetes: bool,
    /// Look at these namespaces only
    #[arg(long, value_delimiter = ',', requires = "kubernetes")]
    namespaces: Vec<String>,
    /// Serve Ingresses of this class even without an IngressClass whose controller is weir.dev/ingress-controller
    #[arg(long = "class", value_delimiter = ',', requires = "kubernetes")]
    classes: Vec<String>,
    /// Prefix of the annotations that Ingresses are written with
    #[arg(long, default_value = crate::source::kubernetes::ingress::PREFIX, requires = "kubernetes")]
    annotation_prefix: String,
    /// Serve Ingresses with certificates here, unless the file has a TLS listener
    #[arg(long, default_value = "[::]:8443", requires = "kubernetes")]
    https_address: std::net::SocketAddr,
    /// Namespace of the proxy itself, where Services of Gateways are made
    #[arg(long, env = "POD_NAMESPACE", default_value = "weir-system", requires = "kubernetes")]
    own_namespace: String,
    /// Name of this replica
    #[arg(long, env = "POD_NAME", default_value = "weir", requires = "kubernetes")]
    own_name: String,
}

#[cfg(feature = "kubernetes")]
impl ClusterArgs {
    fn with(self, config: Option<PathBuf>) -> lifecycle::ClusterArgs {
        lifecycle::ClusterArgs {
            config,
            namespaces: self.namespaces,
            namespace: self.own_namespace,
            identity: self.own_name,
            classes: self.classes,
            annotation_prefix: self.annotation_prefix,
            https: self.https_address,
        }
    }
}

pub fn run(args: Args) -> Result<ExitCode, Failure> {
    // The client tells of every answer that is no success; what matters of them is told by the watches.
    super::log("info,kube_client=error")?;
    let runtime = super::runtime()?;
    let served = runtime.block_on(serve(args));
    // A server of names that does not answer holds up a thread, which must not hold up the end.
    runtime.shutdown_background();
    served?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(args: Args) -> Result<(), lifecycle::RunError> {
    #[cfg(feature = "kubernetes")]
    if args.cluster.kubernetes {
        return lifecycle::run_kubernetes(args.cluster.with(args.config)).await;
    }
    match args.config {
        Some(config) => lifecycle::run_file(config).await,
        // One of the two is asked for.
        None => Ok(()),
    }
}
