//! One thing that is changed on the machine.

use rtnetlink::Handle;
use serde::{Deserialize, Serialize};

use super::super::link::{Link, LinkError};
use super::super::nic::rss::{ChannelsChange, IndirectionChange, RssError};
use super::super::nic::{FeatureChange, NicError};
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
    /// The number of an interface's queues is changed.
    Channels(ChannelsChange),
    /// Its indirection table is changed.
    Indirection(IndirectionChange),
    /// A feature of an interface is switched.
    Feature(FeatureChange),
    /// An interface is set down, because the other side of the wire has lost its link.
    LinkDown {
        /// The interface.
        iface: String,
    },
    /// An interface is told to receive what is addressed to others too.
    Promiscuous {
        /// The interface.
        iface: String,
    },
}

/// Why a change was not made or not undone.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum ChangeError {
    /// A policy rule or route.
    Routes(#[from] RoutesError),
    /// A value under `/proc/sys/net`.
    Sysctl(#[from] SysctlError),
    /// The queues of an interface, or its indirection table.
    Rss(#[from] RssError),
    /// A feature of an interface.
    Nic(#[from] NicError),
    /// The interface itself.
    Link(#[from] LinkError),
}

impl Change {
    /// Has `link` receive what is addressed to others too; `None` where it does already, and so is not
    /// Sluice's to undo.
    ///
    /// # Errors
    /// Where the kernel does not say.
    pub async fn promiscuous(handle: &Handle, link: &Link) -> Result<Option<Self>, LinkError> {
        let already = link.state(handle).await?.is_some_and(|state| state.promiscuous);
        Ok((!already).then(|| Self::Promiscuous { iface: link.name.clone() }))
    }

    /// Makes the change. Making it twice is making it once.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub async fn apply(&self, handle: &Handle) -> Result<(), ChangeError> {
        match self {
            Self::Rule(rule) => rule.add(handle).await?,
            Self::Route(route) => route.add(handle).await?,
            Self::Sysctl(setting) => setting.apply()?,
            Self::Channels(change) => change.apply().await?,
            Self::Indirection(change) => change.apply().await?,
            Self::Feature(change) => change.apply().await?,
            Self::LinkDown { iface } => Link::find(handle, iface).await?.set_down(handle).await?,
            Self::Promiscuous { iface } => {
                Link::find(handle, iface).await?.set_promiscuous(handle, true).await?;
            }
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
            Self::Channels(change) => change.undo().await?,
            Self::Indirection(change) => change.undo().await?,
            Self::Feature(change) => change.undo().await?,
            Self::LinkDown { iface } => unless_gone(set_up(handle, iface).await)?,
            Self::Promiscuous { iface } => unless_gone(set_addressed(handle, iface).await)?,
        }
        Ok(())
    }
}

async fn set_up(handle: &Handle, iface: &str) -> Result<(), LinkError> {
    Link::find(handle, iface).await?.set_up(handle).await
}

/// Has it receive again only what is addressed to it.
async fn set_addressed(handle: &Handle, iface: &str) -> Result<(), LinkError> {
    Link::find(handle, iface).await?.set_promiscuous(handle, false).await
}

/// What is gone has taken its settings along.
fn unless_gone(result: Result<(), LinkError>) -> Result<(), LinkError> {
    match result {
        Err(LinkError::Missing { .. }) => Ok(()),
        result => result,
    }
}

impl From<Setting> for Change {
    fn from(setting: Setting) -> Self {
        Self::Sysctl(setting)
    }
}
