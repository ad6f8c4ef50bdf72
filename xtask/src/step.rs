//! A command that can be shown before it is run.

use std::fmt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::unistd::Uid;

use crate::workspace;

/// One command, with what it needs to be run by hand: the text it displays as is what a person would type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    words: Vec<String>,
    variables: Vec<(String, String)>,
    root: bool,
}

impl Step {
    /// A command line, parted at blanks.
    pub(crate) fn new(line: &str) -> Self {
        let words = line.split_whitespace().map(str::to_owned).collect();
        Self { words, variables: Vec::new(), root: false }
    }

    /// With more arguments.
    pub(crate) fn args<T: Into<String>>(mut self, more: impl IntoIterator<Item = T>) -> Self {
        self.words.extend(more.into_iter().map(Into::into));
        self
    }

    /// With an environment variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// As root, through sudo where we are not.
    pub(crate) fn privileged(mut self) -> Self {
        self.root = true;
        self
    }

    /// Whether it can be run here: not where it needs root and there is no way to become root.
    pub(crate) fn possible(&self) -> bool {
        !self.root || Uid::effective().is_root() || workspace::program("sudo").is_some()
    }

    /// Says what it runs, runs it in the checkout's top folder, and fails where it fails.
    pub(crate) fn run(&self) -> Result<()> {
        eprintln!("xtask: {self}");
        let status = self.command().status().with_context(|| format!("cannot start `{self}`"))?;
        ensure!(status.success(), "`{self}` failed: {status}");
        Ok(())
    }

    fn command(&self) -> Command {
        let words = self.typed();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(workspace::top()).stdin(Stdio::inherit());
        if !self.sudo() {
            command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        }
        command
    }

    fn sudo(&self) -> bool {
        self.root && !Uid::effective().is_root()
    }

    /// The words as they are typed: sudo forgets the environment, so it goes through `env`.
    fn typed(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.sudo() {
            words.extend(["sudo", "env"].map(str::to_owned));
            words.extend(self.variables.iter().map(|(name, value)| format!("{name}={value}")));
        }
        words.extend(self.words.iter().cloned());
        words
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.sudo() {
            for (name, value) in &self.variables {
                write!(f, "{name}={} ", quoted(value))?;
            }
        }
        f.write_str(&self.typed().iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "))
    }
}

/// A word as a shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_typed() {
        let step = Step::new("cargo test").args(["a b", "it's"]).env("FLAGS", "-D warnings");
        assert_eq!(step.to_string(), r"FLAGS='-D warnings' cargo test 'a b' 'it'\''s'");
    }
}
