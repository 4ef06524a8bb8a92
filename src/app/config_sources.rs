//! Where configuration comes from: defaults, a TOML file, the environment, the command line.
//!
//! Every layer is fitted to the defaults before it is merged: an unknown key or a wrong type is
//! refused there, with its source, and lists may come as one text with commas. No message from
//! here holds a value, since a value may be a secret (rule W11).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use figment::Figment;
use figment::Metadata;
use figment::Profile;
use figment::Provider;
use figment::providers::Format;
use figment::providers::Toml;
use figment::value::Dict;
use figment::value::Map;
use figment::value::Value;

use crate::app::config::Config;
use crate::app::config_fit::Schema;
use crate::app::config_paths;
use crate::app::config_show;
use crate::app::config_show::Row;
use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::setting;
use crate::service::settings::Changes;

/// Variables of ours that are no keys of the configuration.
const OTHER_VARIABLES: [&str; 1] = ["COVE_LOG"];

/// The source of what is changed while the program runs.
pub(crate) const CHANGED: &str = "changed while running";
/// How the source of a variable begins.
pub(crate) const VARIABLE: &str = "environment variable ";

/// The largest configuration file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What the command line says about the configuration.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// `--config FILE`; `None` means `cove.toml` of the state directory, if it is there.
    pub config_file: Option<PathBuf>,
    /// Single values, the last of a key wins.
    pub overrides: Vec<Override>,
}

/// One value given on the command line.
#[derive(Clone)]
pub struct Override {
    /// The flag it came by, such as `--set`.
    pub flag: &'static str,
    /// The full key, such as `api.bind`.
    pub key: String,
    /// The value as text; lists with commas.
    pub text: String,
}

/// The process environment as far as configuration reads it; tests make their own.
#[derive(Clone, Default)]
pub struct Environment {
    /// Variables by name.
    pub variables: BTreeMap<String, OsString>,
    /// What relative paths start from; absolute.
    pub working_dir: PathBuf,
}

/// All layers, with the source of each value.
#[derive(Debug)]
pub(crate) struct Layers {
    schema: Schema,
    /// Below what is changed while the program runs: defaults and the file.
    base: Vec<Layer>,
    /// Above it: the environment and the command line.
    texts: Vec<Layer>,
    file: Option<PathBuf>,
}

/// All layers merged.
pub(crate) struct Merged(Figment);

/// Values of one source.
struct Layer {
    source: String,
    values: Dict,
}

/// Without the values, some of which are secrets (rule W11).
impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layer").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Override {
    /// From the argument of `--set`: `section.key=value`.
    ///
    /// # Errors
    /// Invalid, when there is no `=`.
    pub fn parse(argument: &str) -> Result<Self> {
        let (key, text) = argument.split_once('=').ok_or_else(|| {
            Error::invalid(format!("`--set {argument}` has no `=`: write section.key=value"))
        })?;
        Ok(Self { flag: "--set", key: key.trim().into(), text: text.into() })
    }
}

/// Leaves the value out: it may be a secret (rule W11).
impl std::fmt::Debug for Override {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}=..", self.flag, self.key)
    }
}

impl Environment {
    /// The environment of this process.
    ///
    /// # Errors
    /// Internal, when the working directory is gone.
    pub fn of_process() -> Result<Self> {
        let working_dir = std::env::current_dir()
            .map_err(|error| Error::internal(format!("no working directory: {error}")))?;
        let named = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value));
        Ok(Self { variables: std::env::vars_os().filter_map(named).collect(), working_dir })
    }

    /// An absolute path from a variable; relative ones are ignored, as the XDG rules say.
    pub(crate) fn absolute_path(&self, name: &str) -> Option<PathBuf> {
        let path = PathBuf::from(self.variables.get(name)?);
        path.is_absolute().then_some(path)
    }
}

impl Layers {
    /// The layers merged, with `changes` made while the program ran.
    ///
    /// # Errors
    /// Invalid, for a change of an unknown key or of a wrong type.
    pub(crate) fn merge(&self, changes: &Changes) -> Result<Merged> {
        let layer = |(key, value): (&String, &setting::Value)| {
            let values = self.schema.fit_value(key, value, CHANGED)?;
            Ok(Layer { source: CHANGED.into(), values })
        };
        let changed = changes.iter().map(layer).collect::<Result<Vec<_>>>()?;
        Ok(Merged(merge(self.base.iter().chain(&changed).chain(&self.texts))))
    }

    /// The configuration file that was read.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

impl Merged {
    /// The merged values as the typed configuration.
    pub(crate) fn extract(&self) -> Result<Config> {
        self.0.extract().map_err(|error| refusal(&error))
    }

    /// Every key of `config` with its value and where it came from.
    pub(crate) fn rows(&self, config: &Config) -> Result<Vec<Row>> {
        let values = serialize(config)?;
        let source = |key: &str| {
            let metadata = self.0.find_metadata(key);
            metadata.map_or_else(|| "default".into(), |found| found.name.to_string())
        };
        Ok(config_show::rows(values, &source))
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.source.clone())
    }

    fn data(&self) -> std::result::Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// Reads every layer and merges them in order.
///
/// # Errors
/// Invalid, as [`Loaded::load`](crate::app::config::Loaded::load) says.
pub(crate) fn read(wishes: &Wishes, environment: &Environment) -> Result<Layers> {
    let (state_dir, variable) = config_paths::default_state_dir(environment);
    let download_dir = config_paths::default_download_dir(environment, state_dir.as_deref());
    let defaults = Config::defaults(state_dir.unwrap_or_default(), download_dir);
    let schema = Schema::new(serialize(&defaults)?);

    let mut base = vec![Layer { source: "default".into(), values: schema.defaults().clone() }];
    if let Some(name) = variable {
        let state_dir = Value::from(defaults.state_dir.to_string_lossy().into_owned());
        let values = Dict::from([("state_dir".into(), state_dir)]);
        base.push(Layer { source: variable_source(name), values });
    }
    let mut texts = environment_layers(environment, &schema)?;
    texts.extend(override_layers(wishes, environment, &schema)?);

    let chosen = match &wishes.config_file {
        Some(path) => Some(environment.working_dir.join(path)),
        None => beside_the_state(&merge(base.iter().chain(&texts)))?,
    };
    if let Some(path) = &chosen {
        base.push(file_layer(path, &schema, wishes.config_file.is_some())?);
    }
    state_dir_of(&merge(base.iter().chain(&texts)))?;
    Ok(Layers { schema, base, texts, file: chosen })
}

fn merge<'a>(layers: impl Iterator<Item = &'a Layer>) -> Figment {
    layers.fold(Figment::new(), |figment, layer| figment.merge(layer))
}

fn serialize(config: &Config) -> Result<Dict> {
    let value = Value::serialize(config)
        .map_err(|error| Error::invalid(format!("a path is not UTF-8: {error}")))?;
    value.into_dict().ok_or_else(|| Error::internal("the configuration is no table"))
}

fn state_dir_of(figment: &Figment) -> Result<PathBuf> {
    let path: String = figment.extract_inner("state_dir").map_err(|error| refusal(&error))?;
    if path.is_empty() {
        return Err(Error::invalid(
            "no state directory: neither STATE_DIRECTORY nor a home is set, so give --state-dir",
        ));
    }
    Ok(path.into())
}

/// `cove.toml` of the state directory, if it is there.
fn beside_the_state(figment: &Figment) -> Result<Option<PathBuf>> {
    let path = state_dir_of(figment)?.join("cove.toml");
    // A file that may not be looked at is still chosen, so that reading it reports why.
    let is_there = path.try_exists().unwrap_or(true);
    Ok(is_there.then_some(path))
}

fn file_layer(path: &Path, schema: &Schema, is_named: bool) -> Result<Layer> {
    let source = path.display().to_string();
    let unreadable = |why: &dyn std::fmt::Display| {
        Error::invalid(format!("cannot read the configuration file `{source}`: {why}"))
    };
    let metadata = fs::metadata(path).map_err(|error| unreadable(&error))?;
    if !metadata.is_file() || metadata.len() > MAX_FILE_BYTES {
        return Err(unreadable(&"not a file of at most 1 MiB"));
    }
    let text = fs::read_to_string(path).map_err(|error| unreadable(&error))?;
    // The parser's own report quotes the line, which may hold the token: only say where.
    let values: Dict = Toml::from_str(&text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        unreadable(&format!("line {line} is no valid TOML"))
    })?;
    if !is_named && values.contains_key("state_dir") {
        return Err(Error::invalid(format!(
            "`state_dir` cannot be set in `{source}`, which is looked for in the state directory"
        )));
    }
    let base = path.parent().unwrap_or(Path::new("/"));
    let values = schema.fit_table(values, &source, base)?;
    Ok(Layer { source, values })
}

fn environment_layers(environment: &Environment, schema: &Schema) -> Result<Vec<Layer>> {
    let mut layers = Vec::new();
    for (name, value) in &environment.variables {
        let Some(key) = name.strip_prefix("COVE_") else {
            continue;
        };
        if OTHER_VARIABLES.contains(&name.as_str()) {
            continue;
        }
        let source = variable_source(name);
        let key = key.to_ascii_lowercase().replace("__", ".");
        let text = value.to_str().ok_or_else(|| {
            Error::invalid(format!("`{key}` from {source}: expected text in UTF-8"))
        })?;
        let values = schema.fit_text(&key, text, &source, &environment.working_dir)?;
        layers.push(Layer { source, values });
    }
    Ok(layers)
}

fn override_layers(
    wishes: &Wishes,
    environment: &Environment,
    schema: &Schema,
) -> Result<Vec<Layer>> {
    let layer = |wish: &Override| {
        let (key, base) = (&wish.key, &environment.working_dir);
        let values = schema.fit_text(key, &wish.text, wish.flag, base)?;
        Ok(Layer { source: wish.flag.into(), values })
    };
    wishes.overrides.iter().map(layer).collect()
}

fn variable_source(name: &str) -> String {
    format!("{VARIABLE}{name}")
}

/// What figment refused, with the key and its source.
fn refusal(error: &figment::Error) -> Error {
    let key = error.path.join(".");
    let source = error.metadata.as_ref().map_or("default", |metadata| &metadata.name);
    match config_show::is_secret(&key) {
        true => Error::invalid(format!("`{key}` from {source}: not a valid value")),
        false => Error::invalid(format!("`{key}` from {source}: {}", error.kind)),
    }
}
