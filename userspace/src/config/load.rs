//! From the file to a [`Config`].

use std::path::Path;

use toml::de::DeTable;

use super::source::Source;
use super::table::Table;
use super::{Config, ConfigError, Mode, Offload, Port, port, rule, sections, stage, wire};

impl Config {
    /// Reads and checks the configuration in `file`.
    ///
    /// # Errors
    /// [`ConfigError::Read`] when there is no reading it, [`ConfigError::Invalid`] with everything that
    /// is wrong with what it says.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        Self::parse(&Self::read(file)?, file)
    }

    /// Reads `file` without looking at what it says.
    ///
    /// # Errors
    /// [`ConfigError::Read`] when there is no reading it.
    pub fn read(file: &Path) -> Result<String, ConfigError> {
        std::fs::read_to_string(file)
            .map_err(|source| ConfigError::Read { file: file.to_owned(), source })
    }

    /// Checks the configuration `text`; `file` is how messages call it.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with everything that is wrong.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        parse_with(text, file, read_root)
    }
}

impl Offload {
    /// Checks a `text` that has no table but `[offload]`; `file` is how messages call it.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with everything that is wrong.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        parse_with(text, file, |root| {
            let offload = sections::offload(root.table("offload"), Mode::Host);
            root.finish();
            offload
        })
    }
}

/// What `read_root` makes of the text, if nothing is wrong with it.
fn parse_with<T>(
    text: &str,
    file: &Path,
    read_root: impl FnOnce(Table<'_>) -> T,
) -> Result<T, ConfigError> {
    let source = Source::new(text);
    let parsed = read(text, &source, read_root);
    let problems = source.into_problems();
    match parsed {
        Some(parsed) if problems.is_empty() => Ok(parsed),
        _ => Err(ConfigError::Invalid { file: file.to_owned(), problems }),
    }
}

/// The whole text; `None` where it is no TOML at all.
fn read<T>(text: &str, source: &Source<'_>, read_root: impl FnOnce(Table<'_>) -> T) -> Option<T> {
    match DeTable::parse(text) {
        Ok(document) => {
            let root = Table::new(source, String::new(), 0..0, Some(document.get_ref()));
            Some(read_root(root))
        }
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            source.note(span, String::new(), false, format!("not TOML: {}", error.message()));
            None
        }
    }
}

fn read_root(root: Table<'_>) -> Config {
    let modes = [Mode::Host, Mode::Wire, Mode::Reflect, Mode::Sink].map(|mode| (mode.word(), mode));
    let mode = root.choice("mode", Mode::Host, &modes);
    let ports = port::read_all(&root, mode);
    check_port_count(&root, mode, &ports);
    let config = Config {
        mode,
        worker: sections::worker(root.table("worker"), mode, &ports),
        host: sections::host(root.table("host"), &ports),
        wire: wire::read(&root, mode),
        rules: rule::read_all(&root),
        offload: sections::offload(root.table("offload"), mode),
        control: sections::control(root.table("control")),
        stage: stage::read(&root, mode, &ports),
        ports,
    };
    root.finish();
    config
}

/// One port in every mode but wire, which has two.
fn check_port_count(root: &Table<'_>, mode: Mode, ports: &[Port]) {
    let wanted = if mode == Mode::Wire { 2 } else { 1 };
    if ports.len() != wanted {
        let word = mode.word();
        let message = format!(
            "{} of them; mode {word:?} serves exactly {wanted}, each a [[port]] with its iface",
            ports.len()
        );
        root.problem_without_value("port", message);
    }
}
