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
    /// Namespace of the proxy itself, where Services of Gateways are made
    #[arg(long, env = "POD_NAMESPACE", default_value = "weir-system", requires = "kubernetes")]
    own_namespace: String,
    /// Name of this replica
    #[arg(long, env = "POD_NAME", default_value = "weir", requires = "kubernetes")]
    own_name: String,
}

pub fn run(args: Args) -> Result<ExitCode, Failure> {
    // The client tells of every answer that is no success; what matters of them is told by the watches.
    super::log("info,kube_client=error");
    let runtime = super::runtime()?;
    #[cfg(feature = "kubernetes")]
    if args.cluster.kubernetes {
        let ClusterArgs { namespaces, own_namespace: namespace, own_name: identity, .. } = args.cluster;
        let args = lifecycle::ClusterArgs { config: args.config, namespaces, namespace, identity };
        runtime.block_on(lifecycle::run_kubernetes(args))?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(config) = args.config {
        runtime.block_on(lifecycle::run_file(config))?;
    }
    Ok(ExitCode::SUCCESS)
}
