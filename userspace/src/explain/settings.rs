//! `[offload]` from a file and the command line.

use std::path::Path;

use sluice_common::offload::{GroConfig, RxChecksum};
use toml::{Table, Value};

use crate::config::{Config, ConfigError, Offload};

/// Keys of the flow hash. They are no secret, and always the same: what is explained twice is explained
/// alike. Nothing that is told depends on them but which flows' spacing is forgotten for another's.
const HASH_KEYS: [u64; 4] = [1, 2, 3, 4];

/// What the coalescer is to work by: the keys of `[offload]`, in the words of the configuration file.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    offload: Table,
    checked: Offload,
}

impl Settings {
    /// The defaults.
    ///
    /// # Errors
    /// None; they are sound.
    pub fn new() -> Result<Self, ConfigError> {
        Self::of(Table::new())
    }

    /// Those of the configuration in `file`, which has to be sound as a whole.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = Config::read(file)?;
        Config::parse(&text, file)?;
        let mut document: Table = text.parse().unwrap_or_default();
        let offload = document.remove("offload").and_then(|value| value.try_into().ok());
        Self::of(offload.unwrap_or_default())
    }

    /// These, but for `key`, which is `value`: a TOML value, or a word.
    ///
    /// # Errors
    /// There is no such key, or it cannot be that.
    pub fn with(&self, key: &str, value: &str) -> Result<Self, ConfigError> {
        let mut offload = self.offload.clone();
        offload.insert(key.to_owned(), read(value));
        Self::of(offload)
    }

    fn of(offload: Table) -> Result<Self, ConfigError> {
        let document = Table::from_iter([("offload".to_owned(), Value::Table(offload.clone()))]);
        let checked = Offload::parse(&document.to_string(), Path::new("command line"))?;
        Ok(Self { offload, checked })
    }

    /// The same for packets of which not all bytes are there: their checksums cannot be verified.
    #[must_use]
    pub fn trusting(mut self) -> Self {
        self.checked.rx_checksum = RxChecksum::Trust;
        self
    }

    /// How a coalescer is to work by them.
    #[must_use]
    pub fn coalescing(&self) -> GroConfig {
        self.checked.coalescing(HASH_KEYS)
    }

    /// Their text, as it would stand in a configuration file.
    #[must_use]
    pub fn text(&self) -> String {
        let pairs = self.offload.iter().map(|(key, value)| format!("{key} = {value}"));
        pairs.collect::<Vec<_>>().join(", ")
    }
}

/// A number, a truth value, a list or a string in quotes; a word without them is a string, too.
fn read(value: &str) -> Value {
    let document = format!("value = {value}").parse::<Table>();
    let value_of = |mut document: Table| document.remove("value");
    document.ok().and_then(value_of).unwrap_or_else(|| Value::String(value.to_owned()))
}

#[cfg(test)]
mod tests {
    use sluice_common::offload::{Hold, Profile};

    use super::*;

    #[test]
    fn keys_are_those_of_the_configuration_with_its_words_and_messages() {
        let settings = Settings::new().unwrap();
        let settings = settings.with("profile", "linux-6.12").unwrap();
        let settings = settings.with("flush_timeout_us", "30").unwrap();
        let gro = settings.coalescing();
        assert_eq!((gro.profile, gro.hold), (Profile::Linux612, Hold::AtMost(30_000)));
        assert_eq!(settings.text(), "flush_timeout_us = 30, profile = \"linux-6.12\"");
        let wrong = settings.with("profile", "linus").unwrap_err().to_string();
        assert!(wrong.contains("command line") && wrong.contains("did you mean"), "{wrong}");
        let wrong = settings.with("max_size", "70000").unwrap_err().to_string();
        assert!(wrong.contains("offload.max_size = 70000") && wrong.contains("65535"), "{wrong}");
        assert!(settings.with("colour", "red").unwrap_err().to_string().contains("unknown key"));
    }
}
