//! The thread that writes the lines.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use prometheus::IntCounter;
use thiserror::Error;

use super::list::List;
use super::{Pen, format, of};
use crate::model::{AccessLog as Settings, AccessLogFormat};

/// How long entries gather before they are written.
const GATHER: Duration = Duration::from_millis(20);
/// Bytes of lines that are written at once.
const AT_ONCE: usize = 64 * 1024;
/// How often it is told that lines cannot be written.
const COMPLAIN: Duration = Duration::from_secs(10);
/// How long the last lines may take at the end.
const LAST: Duration = Duration::from_secs(1);

/// A file that cannot be written to.
#[derive(Debug, Error)]
#[error("accessLog.path: {} cannot be opened: {error}; its folder must exist and let this user write", path.display())]
pub struct OpenError {
    /// The file.
    pub path: PathBuf,
    /// What the system says.
    #[source]
    pub error: io::Error,
}

/// The access log of a process; dropped, it writes what it has.
pub struct AccessLog {
    shared: Arc<Shared>,
    writer: Thread,
    of: u64,
    /// Ends with the thread.
    running: mpsc::Receiver<()>,
}

/// What the log and its thread share.
struct Shared {
    lists: Mutex<Vec<Arc<List>>>,
    ending: AtomicBool,
    reopening: AtomicBool,
    dropped: IntCounter,
}

impl AccessLog {
    /// Opens the log. `dropped` counts what could not be written.
    ///
    /// # Errors
    ///
    /// The file cannot be opened.
    pub fn open(settings: &Settings, dropped: IntCounter) -> Result<Self, OpenError> {
        let failed = |error| OpenError { path: settings.path.clone().unwrap_or_default(), error };
        let sink = Sink::open(settings.path.as_deref()).map_err(failed)?;
        let shared = Arc::new(Shared {
            lists: Mutex::default(),
            ending: AtomicBool::new(false),
            reopening: AtomicBool::new(false),
            dropped,
        });
        let (running, ended) = mpsc::channel();
        let mut writer = Writer { shared: Arc::clone(&shared), sink, format: settings.format, told: None };
        let thread = thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            writer.run();
            drop(running);
        });
        let writer = thread.map_err(failed)?.thread().clone();
        Ok(Self { shared, writer, of: of(settings), running: ended })
    }

    /// A way to the log for one worker.
    pub fn pen(&self) -> Pen {
        let list = Arc::new(List::new(self.writer.clone(), self.shared.dropped.clone()));
        self.shared.lists.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&list));
        Pen { list, of: self.of }
    }

    /// Opens the file anew: the old one was moved away.
    pub fn reopen(&self) {
        self.shared.reopening.store(true, Ordering::Release);
        self.writer.unpark();
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::Release);
        self.writer.unpark();
        // A reader that takes nothing must not keep the process.
        let _ = self.running.recv_timeout(LAST);
    }
}

/// Where lines go.
enum Sink {
    Stdout(io::Stdout),
    File(PathBuf, File),
}

impl Sink {
    fn open(path: Option<&Path>) -> io::Result<Self> {
        match path {
            None => Ok(Self::Stdout(io::stdout())),
            Some(path) => Ok(Self::File(path.to_owned(), append(path)?)),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => {
                let mut stdout = stdout.lock();
                stdout.write_all(bytes)?;
                stdout.flush()
            }
            Self::File(_, file) => file.write_all(bytes),
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        if let Self::File(path, file) = self {
            *file = append(path)?;
        }
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

struct Writer {
    shared: Arc<Shared>,
    sink: Sink,
    format: AccessLogFormat,
    /// When it was last told that lines cannot be written.
    told: Option<Instant>,
}

impl Writer {
    fn run(&mut self) {
        let (mut entries, mut lines) = (Vec::new(), Vec::with_capacity(2 * AT_ONCE));
        loop {
            // Before the lists are taken, so that nothing that was there at the end stays.
            let ending = self.shared.ending.load(Ordering::Acquire);
            if self.shared.reopening.swap(false, Ordering::AcqRel)
                && let Err(error) = self.sink.reopen()
            {
                tracing::warn!(%error, "the access log cannot be opened anew: it goes on where it was");
            }
            let mut wrote = false;
            let lists = self.shared.lists.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for list in lists {
                list.take(&mut entries);
                wrote |= !entries.is_empty();
                let mut count = 0;
                for entry in entries.drain(..) {
                    format::line(self.format, &entry, &mut lines);
                    count += 1;
                    if lines.len() >= AT_ONCE {
                        self.write(&mut lines, std::mem::take(&mut count));
                    }
                }
                self.write(&mut lines, count);
            }
            if ending {
                return;
            }
            if !wrote {
                thread::park();
            }
            // Whatever comes meanwhile calls nobody.
            thread::sleep(GATHER);
        }
    }

    fn write(&mut self, lines: &mut Vec<u8>, count: u64) {
        if count == 0 {
            return;
        }
        let written = self.sink.write(lines);
        let failed = written.is_err();
        if let Err(error) = written {
            self.shared.dropped.inc_by(count);
            if self.told.is_none_or(|told| told.elapsed() >= COMPLAIN) {
                self.told = Some(Instant::now());
                tracing::warn!(%error, "lines of the access log are lost");
            }
        }
        lines.clear();
        if failed {
            // Perhaps within a line.
            lines.push(b'\n');
        }
    }
}
