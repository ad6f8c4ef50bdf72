//! What is asked over the control socket, and answered: one JSON line each way, then the socket closes.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::observe::report::FeatureReport;

/// How long the running process may take to answer; it gathers from its workers within milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is asked of the running process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// The [report](crate::observe::report::Report).
    Stats,
    /// Switch features.
    Set {
        /// The interface whose flows are meant.
        iface: String,
        /// Features by name, and whether each is to be on. All of them, or none where one cannot.
        features: Vec<(String, bool)>,
    },
    /// Read the configuration file anew.
    Reload,
}

/// What comes of [`Request::Reload`], and of SIGHUP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadReport {
    /// The file that was read.
    pub file: String,
    /// Keys that have other values now, and these are in force.
    pub changed: Vec<String>,
    /// Keys that have other values in the file and cannot change while it runs: because of them nothing was changed.
    pub refused: Vec<String>,
    /// What is wrong with the file: because of it nothing was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong: Option<String>,
    /// What could not be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// Where something is not in force yet: why, and when it will be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later: Option<String>,
}

impl ReloadReport {
    /// Whether all of the file is in force, or will be.
    #[must_use]
    pub const fn succeeded(&self) -> bool {
        self.refused.is_empty() && self.wrong.is_none() && self.failed.is_none()
    }
}

impl fmt::Display for ReloadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, changed, refused, wrong, failed, later } = self;
        if let Some(wrong) = wrong {
            return write!(f, "{wrong}\nnothing was changed");
        }
        if !refused.is_empty() {
            let keys = refused.join(", ");
            return write!(
                f,
                "{file}: cannot change while it runs: {keys}; nothing was changed: put back what was, or \
                 start it again"
            );
        }
        match changed.as_slice() {
            [] => write!(f, "{file}: nothing has changed")?,
            keys => write!(f, "{file}: changed: {}", keys.join(", "))?,
        }
        let more = [failed, later].into_iter().flatten();
        more.into_iter().try_for_each(|more| write!(f, "\n{more}"))
    }
}

/// What comes of [`Request::Set`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetReply {
    /// It was done.
    Done(SetReport),
    /// Nothing was changed.
    Refused {
        /// Why, and what to do.
        message: String,
    },
}

/// What was switched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetReport {
    /// Each feature that was named or went along.
    pub changes: Vec<ChangeReport>,
    /// Where it is not in force yet: why, and when it will be.
    pub later: Option<String>,
    /// How all features stand now.
    pub features: BTreeMap<String, FeatureReport>,
}

/// A feature that was named, or went along with one that was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeReport {
    /// Its name.
    pub name: String,
    /// Whether it is on now.
    pub on: bool,
    /// Whether it was not so before.
    pub changed: bool,
    /// Whether it was named; else it went along.
    pub named: bool,
    /// Why it is off, where it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl fmt::Display for ChangeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, on, changed, named, reason } = self;
        let word = if *on { "on" } else { "off" };
        match (changed, reason) {
            (true, Some(reason)) => write!(f, "{name} turned off too: {reason}"),
            (true, None) if !named => write!(f, "{name} turned {word} again"),
            (true, None) => write!(f, "{name} turned {word}"),
            (false, Some(reason)) => write!(f, "{name} asked for, and off: {reason}"),
            (false, None) => write!(f, "{name} is {word} already"),
        }
    }
}

/// Asks the process that listens at `socket`, and waits for its answer.
///
/// # Errors
/// Where nobody listens, or nobody may ask, or the answer stays away for seconds.
pub fn ask(socket: &Path, request: &Request) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_says_what_has_changed_or_why_nothing_was() {
        let report = |changed: &[&str], refused: &[&str]| {
            let [changed, refused] =
                [changed, refused].map(|keys| keys.iter().map(|&k| k.into()).collect());
            ReloadReport { file: "a.toml".into(), changed, refused, ..ReloadReport::default() }
        };
        assert_eq!(report(&[], &[]).to_string(), "a.toml: nothing has changed");
        let mut done = report(&["rule", "stage"], &[]);
        assert_eq!(done.to_string(), "a.toml: changed: rule, stage");
        done.later = Some("later".into());
        assert_eq!(done.to_string(), "a.toml: changed: rule, stage\nlater");
        assert!(done.succeeded());
        let refused = report(&[], &["port[0].ring"]);
        let said = refused.to_string();
        assert!(said.contains("while it runs: port[0].ring; nothing was changed"), "{said}");
        let wrong = ReloadReport { wrong: Some("a.toml:1: no".into()), ..report(&[], &[]) };
        assert_eq!(wrong.to_string(), "a.toml:1: no\nnothing was changed");
        assert!(!refused.succeeded() && !wrong.succeeded());
    }

    #[test]
    fn f2_a_change_says_what_went_along_and_why() {
        let said = |on, changed, named, reason: Option<&str>| {
            let (name, reason) = ("rx-udp-gro-forwarding".to_owned(), reason.map(str::to_owned));
            let said = ChangeReport { name, on, changed, named, reason }.to_string();
            said.strip_prefix("rx-udp-gro-forwarding ").unwrap().to_owned()
        };
        let why = Some("it needs generic-receive-offload");
        assert_eq!(said(false, true, true, None), "turned off");
        assert_eq!(
            said(false, true, false, why),
            "turned off too: it needs generic-receive-offload"
        );
        assert_eq!(said(true, true, false, None), "turned on again");
        assert_eq!(said(true, false, true, None), "is on already");
        let asked = "asked for, and off: it needs generic-receive-offload";
        assert_eq!(said(false, false, true, why), asked);
    }
}
