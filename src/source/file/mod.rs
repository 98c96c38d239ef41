//! The configuration file: YAML or JSON text to a validated [`Model`].
//!
//! The way of a text: `tree` keeps the place of every value, `schema` checks forms, serde fills the structs of
//! `wire`, `build` checks meanings and makes the model. Each step collects every error it can find; a later
//! step runs only on what the one before accepted.

pub(in crate::source) mod build;
mod diagnostic;
mod names;
pub(in crate::source) mod problem;
pub(in crate::source) mod schema;
mod tree;
pub(in crate::source) mod units;
mod watch;
pub(in crate::source) mod wire;

use std::path::{Path, PathBuf};

use crate::model::{Model, Settings};

pub use build::unverified_tls;
pub use diagnostic::{Diagnostic, Diagnostics};
pub use names::{NameWatcher, Names, News, Question};
use problem::{Pointer, Problem, Problems};
use tree::{Place, Tree};
pub use watch::Watcher;

/// What a configuration file says.
#[derive(Debug)]
pub struct Loaded {
    /// Traffic.
    pub model: Model,
    /// The process.
    pub settings: Settings,
    /// The file itself and every file that it names and whose content counts: a change of one is a change of the
    /// configuration.
    pub watched: Vec<PathBuf>,
    /// What works, but probably not as meant.
    pub warnings: Vec<Diagnostic>,
    /// Host names of endpoints, with their addresses.
    pub names: Names,
}

/// Why a configuration file is refused, and what may change that.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub diagnostics: Diagnostics,
    /// Files whose content counts, those that are missing among them.
    pub watched: Vec<PathBuf>,
    /// Host names of endpoints that have no address.
    pub nameless: Vec<Question>,
}

impl From<Diagnostics> for Refused {
    fn from(diagnostics: Diagnostics) -> Self {
        Self { diagnostics, watched: Vec::new(), nameless: Vec::new() }
    }
}

/// Reads and validates a file. Files that it names are relative to its folder.
///
/// Blocks: it reads files and resolves host names.
pub fn load(path: &Path) -> Result<Loaded, Diagnostics> {
    load_knowing(path, &Names::default()).map_err(|refused| refused.diagnostics)
}

/// The same where names have been asked for before: a name without an answer keeps the last one.
pub fn load_knowing(path: &Path, known: &Names) -> Result<Loaded, Refused> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let message = format!("cannot read the file: {error}");
        Diagnostics(vec![Positions { name: &name, tree: None }.at(Place::START, message)])
    });
    let result = text.map_err(Refused::from).and_then(|text| {
        let folder = path.parent().unwrap_or(Path::new(""));
        parse_knowing(&text, &name, folder, known)
    });
    match result {
        Ok(mut loaded) => {
            loaded.watched.insert(0, path.to_owned());
            Ok(loaded)
        }
        Err(mut refused) => {
            refused.watched.insert(0, path.to_owned());
            Err(refused)
        }
    }
}

/// Validates a text. `name` stands for it in messages; files that it names are relative to `folder`.
pub fn parse(text: &str, name: &str, folder: &Path) -> Result<Loaded, Diagnostics> {
    parse_knowing(text, name, folder, &Names::default()).map_err(|refused| refused.diagnostics)
}

fn parse_knowing(text: &str, name: &str, folder: &Path, known: &Names) -> Result<Loaded, Refused> {
    let tree = Tree::parse(text).map_err(|errors| {
        let positions = Positions { name, tree: None };
        Diagnostics(errors.into_iter().map(|error| positions.at(error.place, error.message)).collect())
    })?;
    let positions = Positions { name, tree: Some(&tree) };
    let mut problems = Problems::default();
    schema::check(&tree, &mut problems);
    if !problems.errors.is_empty() {
        return Err(Diagnostics(positions.diagnostics(problems.errors)).into());
    }
    let file = serde_json::from_value::<wire::File>(tree.value.clone())
        .map_err(|error| Diagnostics(vec![positions.at(Place::START, error.to_string())]))?;
    let mut context = build::Context::knowing(folder, known.clone());
    let built = build::file(&file, &mut context);
    let build::Context { problems, watched, names, nameless, .. } = context;
    match built {
        Some((model, settings)) if problems.errors.is_empty() => {
            Ok(Loaded { model, settings, watched, names, warnings: positions.diagnostics(problems.warnings) })
        }
        _ => Err(Refused {
            diagnostics: Diagnostics(positions.diagnostics(problems.errors)),
            watched,
            nameless: nameless.into_iter().collect(),
        }),
    }
}

/// Reads every YAML or JSON document of a file that is no configuration, like a manifest.
pub fn documents(path: &Path) -> Result<Vec<serde_json::Value>, Diagnostics> {
    let name = path.display().to_string();
    let positions = Positions { name: &name, tree: None };
    let text = std::fs::read_to_string(path)
        .map_err(|error| Diagnostics(vec![positions.at(Place::START, format!("cannot read the file: {error}"))]))?;
    Tree::documents(&text)
        .map_err(|errors| Diagnostics(errors.into_iter().map(|e| positions.at(e.place, e.message)).collect()))
}

/// A duration with its unit, as the configuration writes it.
pub fn parse_duration(text: &str) -> Option<std::time::Duration> {
    units::Time::try_from(text).ok().map(|time| time.0)
}

/// The JSON Schema of the configuration file.
pub fn schema() -> serde_json::Value {
    schema::schema().clone()
}

/// Turns pointers into lines and columns.
struct Positions<'a> {
    name: &'a str,
    tree: Option<&'a Tree>,
}

impl Positions<'_> {
    fn at(&self, Place { line, column }: Place, message: String) -> Diagnostic {
        Diagnostic { file: self.name.to_owned(), line, column, message }
    }

    fn place(&self, at: &Pointer, on_key: bool) -> Place {
        self.tree.map_or(Place::START, |tree| tree.place(at, on_key))
    }

    fn diagnostics(&self, problems: Vec<Problem>) -> Vec<Diagnostic> {
        let mut diagnostics: Vec<Diagnostic> = problems
            .into_iter()
            .map(|Problem { at, on_key, message, other }| {
                let message = match other.map(|other| self.place(&other, false)) {
                    Some(Place { line, column }) => format!("{message}; the other is at {line}:{column}"),
                    None => message,
                };
                self.at(self.place(&at, on_key), message)
            })
            .collect();
        diagnostics.sort_by_key(|d| (d.line, d.column));
        // An anchored value that is wrong is found once per alias.
        diagnostics.dedup();
        diagnostics
    }
}

#[cfg(test)]
mod tests;
