//! A process whose configuration is a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::signals::{Signal, Signals};
use super::{RunError, in_place, leave, make_room, pages, summary};
use crate::control::{Control, EventKind};
use crate::model::Settings;
use crate::source::file::{self, Diagnostics, NameWatcher, Names, News, Watcher};

/// Serves from a file until a signal ends the process; a change of the file, or SIGHUP, brings it into force.
///
/// # Errors
///
/// The file is invalid, or cannot be served, at the start. Later errors are told and change nothing.
pub async fn run_file(path: PathBuf) -> Result<(), RunError> {
    let loaded = load(path.clone(), Names::default()).await?;
    loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let mut watcher = Watcher::new(&loaded.watched);
    let mut names = NameWatcher::new(loaded.names);
    let mut signals = Signals::new().map_err(RunError::Signals)?;
    if loaded.settings.peers.is_some() {
        tracing::warn!("peers is of use with --kubernetes only: nothing says here who the other replicas are");
    }
    let (process, mut place) = in_place(loaded.model, &loaded.settings).await?;
    process.ready();
    let mut settings = loaded.settings;
    loop {
        tokio::select! {
            signal = signals.next() => match signal {
                Signal::End => break,
                Signal::Reload => process.reopen(),
            },
            pid = place.taken() => {
                make_room(process, pid, &mut signals).await;
                return Ok(());
            }
            () = watcher.changed() => {}
            news = names.changed() => if !tell_names(&news, process.control()) {
                continue;
            },
        }
        reload(&path, process.control(), &mut settings, (&mut watcher, &mut names)).await;
    }
    leave(process, &mut signals).await;
    Ok(())
}

/// Loading reads files and resolves names, which must not hold up the control side.
pub async fn load(path: PathBuf, known: Names) -> Result<file::Loaded, Diagnostics> {
    match tokio::task::spawn_blocking(move || file::load_knowing(&path, &known)).await {
        Ok(loaded) => loaded,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Tells what is new about host names; says whether endpoints have other addresses now.
fn tell_names(news: &[News], control: &Control) -> bool {
    for news in news {
        let (kind, message) = match news {
            News::Moved(name) => (EventKind::NameChanged, format!("{name} has other addresses now")),
            News::Lost(name) => {
                (EventKind::NameLost, format!("{name} has no address any more: the last ones are kept"))
            }
            News::Found(name) => (EventKind::NameChanged, format!("{name} has addresses again, the same as before")),
        };
        control.events().tell(kind, "", "", message);
    }
    news.iter().any(|news| matches!(news, News::Moved(_)))
}

async fn reload(
    path: &Path,
    control: &Arc<Control>,
    settings: &mut Settings,
    (watcher, names): (&mut Watcher, &mut NameWatcher),
) {
    let reject = |message: String| {
        control.metrics().rejected("file");
        control.events().tell(
            EventKind::ConfigRejected,
            "",
            "",
            format!("the last good configuration stays: {message}"),
        );
    };
    let loaded = match load(path.to_owned(), names.names().clone()).await {
        Ok(loaded) => loaded,
        Err(diagnostics) => return reject(diagnostics.to_string()),
    };
    loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    watcher.watch(&loaded.watched);
    names.watch(loaded.names);
    if *settings != loaded.settings {
        tracing::warn!(
            "admin, ops, peers, workers, shutdown, upgrade, accessLog, state, hold and metrics are read at the start only: restart to change them"
        );
        *settings = loaded.settings;
    }
    let message = summary(&loaded.model);
    match control.apply(loaded.model) {
        Ok(generation) => {
            control.events().tell(EventKind::ConfigApplied, "", "", format!("generation {generation}: {message}"));
        }
        Err(error) => reject(error.to_string()),
    }
    pages::let_go();
}
