//! One thing that is changed on the machine.

use rtnetlink::Handle;
use serde::{Deserialize, Serialize};

use super::super::routes::{PolicyRule, RoutesError, TunRoute};
use super::super::sysctl::{Setting, SysctlError};

/// Something that is changed on the machine, with all that is needed to change it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A policy rule is written.
    Rule(PolicyRule),
    /// A route to the TUN device is written.
    Route(TunRoute),
    /// A value under `/proc/sys/net` is set.
    Sysctl(Setting),
}

/// Why a change was not made or not undone.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum ChangeError {
    /// A policy rule or route.
    Routes(#[from] RoutesError),
    /// A value under `/proc/sys/net`.
    Sysctl(#[from] SysctlError),
}

impl Change {
    /// Makes the change. Making it twice is making it once.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub async fn apply(&self, handle: &Handle) -> Result<(), ChangeError> {
        match self {
            Self::Rule(rule) => rule.add(handle).await?,
            Self::Route(route) => route.add(handle).await?,
            Self::Sysctl(setting) => setting.apply()?,
        }
        Ok(())
    }

    /// Undoes the change. What was never made, or is undone already, is left as it is.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub async fn undo(&self, handle: &Handle) -> Result<(), ChangeError> {
        match self {
            Self::Rule(rule) => rule.delete(handle).await?,
            Self::Route(route) => route.delete(handle).await?,
            Self::Sysctl(setting) => setting.undo()?,
        }
        Ok(())
    }
}

impl From<Setting> for Change {
    fn from(setting: Setting) -> Self {
        Self::Sysctl(setting)
    }
}
