//! The threads that carry traffic.

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::runtime::LocalOptions;
use tokio::sync::watch;

use super::memory;
use crate::model::Settings;
use crate::proxy::{Observer, Phase, Worker, WorkerHandle, WorkerParts};
use crate::record::Recorder;
use crate::record::access::AccessLog;
use crate::snapshot::Snapshot;

/// Starts them; as many as there are cores, where the settings name no number.
///
/// # Errors
///
/// The system has no thread left.
pub fn start(
    settings: &Settings,
    (served, recorder): (&Arc<ArcSwap<Snapshot>>, &Arc<Recorder>),
    phases: &watch::Receiver<Phase>,
    access: Option<&AccessLog>,
) -> io::Result<(Vec<WorkerHandle>, Vec<std::thread::JoinHandle<()>>)> {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let count = if settings.workers == 0 { cores() } else { settings.workers };
    let mut handles = Vec::with_capacity(count);
    let mut threads = Vec::with_capacity(count);
    for index in 0..count {
        let observer = Observer::new(access.map(AccessLog::pen));
        let (handle, parts) = Worker::prepare(
            Arc::clone(served),
            Arc::clone(recorder),
            phases.clone(),
            observer,
            (fastrand::u64(..), settings.most_held),
        );
        let thread = std::thread::Builder::new().name(format!("worker-{index}"));
        threads.push(thread.spawn(move || run(parts))?);
        handles.push(handle);
    }
    Ok((handles, threads))
}

fn run(parts: WorkerParts) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    match runtime {
        Ok(runtime) => runtime.block_on(async {
            tokio::select! {
                () = Worker::run(parts) => {}
                never = memory::tidy() => match never {},
            }
        }),
        Err(error) => tracing::error!(%error, "a worker has no runtime: it serves nothing"),
    }
}
