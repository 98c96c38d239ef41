//! A process whose configuration is a file.

use std::path::PathBuf;

use super::signals::{Signal, Signals};
use super::{Process, RunError, in_place, leave, make_room, pages, summary};
use crate::control::{Control, EventKind};
use crate::model::{Model, Settings};
use crate::source::file::{self, NameWatcher, Names, News, Refused, Watcher};

/// Serves from a file until a signal ends the process; a change of the file, or SIGHUP, brings it into force.
///
/// # Errors
///
/// The file is invalid, or cannot be served, at the start. Later errors are told and change nothing.
pub async fn run_file(path: PathBuf) -> Result<(), RunError> {
    let loaded = load(path.clone(), Names::default()).await.map_err(|refused| refused.diagnostics)?;
    loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let (watcher, names) = (Watcher::new(&loaded.watched), NameWatcher::new(loaded.names));
    let mut signals = Signals::new().map_err(RunError::Signals)?;
    if loaded.settings.peers.is_some() {
        tracing::warn!("peers is of use with --kubernetes only: nothing says here who the other replicas are");
    }
    let (process, mut place) = in_place(loaded.model, &loaded.settings).await?;
    process.ready();
    let mut source = Source { path, watcher, names, settings: loaded.settings };
    loop {
        let moved = tokio::select! {
            signal = signals.next() => match signal {
                Signal::End => break,
                Signal::Reload => {
                    process.reopen();
                    false
                }
            },
            pid = place.taken() => {
                make_room(process, pid, &mut signals).await;
                return Ok(());
            }
            () = source.watcher.changed() => false,
            news = source.names.changed() => match tell_names(&news, process.control()) {
                true => true,
                false => continue,
            },
        };
        if !source.reload_unless_ended(&process, &mut signals, moved).await {
            break;
        }
    }
    leave(process, &mut signals).await;
    Ok(())
}

/// Loading reads files and resolves names, which must not hold up the control side.
pub async fn load(path: PathBuf, known: Names) -> Result<file::Loaded, Refused> {
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

/// The file that a process serves from, and what tells of changes.
struct Source {
    path: PathBuf,
    watcher: Watcher,
    names: NameWatcher,
    /// As the process was started, or warned that it was not.
    settings: Settings,
}

impl Source {
    /// Brings the file into force, also once more where that is asked for meanwhile; false where the process is told to end,
    /// which waits for no server of names.
    async fn reload_unless_ended(&mut self, process: &Process, signals: &mut Signals, moved: bool) -> bool {
        loop {
            let mut again = false;
            let mut reload = std::pin::pin!(self.reload(process.control(), moved));
            loop {
                tokio::select! {
                    () = &mut reload => break,
                    signal = signals.next() => match signal {
                        Signal::End => return false,
                        Signal::Reload => again = true,
                    },
                }
            }
            if !again {
                return true;
            }
            process.reopen();
        }
    }

    /// Brings the file into force. `moved`: host names have other addresses, which what is served gets even if the file is bad
    /// by now.
    async fn reload(&mut self, control: &Control, moved: bool) {
        let loaded = match load(self.path.clone(), self.names.names().clone()).await {
            Ok(loaded) => loaded,
            Err(Refused { diagnostics, watched, nameless }) => {
                reject(control, &diagnostics.to_string());
                // What was missing may appear.
                self.watcher.watch_also(watched);
                self.names.wait_for(nameless);
                if moved {
                    let mut served = control.model();
                    self.names.names().put_into(&mut served);
                    apply(control, served, "the last good configuration with these addresses");
                }
                return;
            }
        };
        loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        self.watcher.watch(&loaded.watched);
        self.names.watch(loaded.names);
        if self.settings != loaded.settings {
            tracing::warn!(
                "admin, ops, peers, workers, shutdown, upgrade, accessLog, state, hold and metrics are read at the start only: restart to change them"
            );
            self.settings = loaded.settings;
        }
        let message = summary(&loaded.model);
        apply(control, loaded.model, &message);
        pages::let_go();
    }
}

fn reject(control: &Control, message: &str) {
    control.metrics().rejected("file");
    let message = format!("the last good configuration stays: {message}");
    control.events().tell(EventKind::ConfigRejected, "", "", message);
}

/// Serves a model, and tells what it is.
fn apply(control: &Control, model: Model, what: &str) {
    match control.apply(model) {
        Ok(generation) => {
            control.events().tell(EventKind::ConfigApplied, "", "", format!("generation {generation}: {what}"));
        }
        Err(error) => reject(control, &error.to_string()),
    }
}
