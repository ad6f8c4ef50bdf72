//! Asking the running process.

use std::path::Path;

use anyhow::Context;
use serde::de::DeserializeOwned;

use crate::control::request::{self, Request};

/// Where it listens, unless its configuration says otherwise.
pub(super) const SOCKET: &str = "/run/sluice/control.sock";

/// Its answer.
pub(super) fn ask(socket: &Path, request: &Request) -> anyhow::Result<String> {
    request::ask(socket, request).with_context(|| {
        let socket = socket.display();
        format!(
            "{socket}: no answer; is `sluice run` running, and are you root? --socket names another"
        )
    })
}

/// What it means.
pub(super) fn understood<T: DeserializeOwned>(socket: &Path, answer: &str) -> anyhow::Result<T> {
    let socket = socket.display();
    serde_json::from_str(answer).with_context(|| format!("{socket}: an answer of another version"))
}
