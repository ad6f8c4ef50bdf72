//! The number of queues.

use std::time::Duration;

use netlink_packet_core::{DefaultNla, NLA_TYPE_MASK, Nla};
use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::super::ethtool::{CHANNELS_GET, CHANNELS_SET, ask, exchange};
use super::super::generic::{GenericError, number};
use super::super::{Nic, NicError};
use super::{RssError, refused};

/// `ETHTOOL_A_CHANNELS_RX_MAX`
const RX_MAX: u16 = 2;
/// `ETHTOOL_A_CHANNELS_TX_MAX`
const TX_MAX: u16 = 3;
/// `ETHTOOL_A_CHANNELS_COMBINED_MAX`
const COMBINED_MAX: u16 = 5;
/// `ETHTOOL_A_CHANNELS_RX_COUNT`
const RX_COUNT: u16 = 6;
/// `ETHTOOL_A_CHANNELS_TX_COUNT`
const TX_COUNT: u16 = 7;
/// `ETHTOOL_A_CHANNELS_COMBINED_COUNT`
const COMBINED_COUNT: u16 = 9;

/// How often the kernel is asked again to give up queues while it still takes down the AF_XDP sockets of a
/// process that has ended, and after how long. A tenth of it is too little for a driver that waits for its
/// hardware; more only delays the message where something else is wrong.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// So many queues of each kind, as `ethtool -l` counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channels {
    /// That receive and send.
    pub combined: u32,
    /// That only receive.
    pub rx: u32,
    /// That only send.
    pub tx: u32,
}

impl Channels {
    /// Those that receive.
    #[must_use]
    pub const fn receiving(self) -> u32 {
        self.combined + self.rx
    }
}

/// The queues of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queues {
    /// Those it serves now.
    pub now: Channels,
    /// How many of each kind it can serve. Not all of them at once on every driver.
    pub most: Channels,
    /// Whether the driver lets the number be changed at all.
    pub settable: bool,
}

impl Queues {
    /// How many receive queues there can be.
    #[must_use]
    pub const fn most_receiving(&self) -> u32 {
        if self.most.combined > 0 { self.most.combined } else { self.most.rx }
    }

    /// What `wanted` receive queues take, each with one that sends beside it, as a worker needs; `None` where
    /// there are no so many. Queues that send are not taken away: nothing comes in by them.
    pub(super) fn with(&self, wanted: u32) -> Option<Channels> {
        if self.now.receiving() == wanted {
            return Some(self.now);
        }
        if !self.settable || wanted > self.most_receiving() {
            return None;
        }
        let combined = Channels { combined: wanted, ..Channels::default() };
        let apart =
            Channels { combined: 0, rx: wanted, tx: self.now.tx.max(wanted).min(self.most.tx) };
        Some(if self.most.combined > 0 { combined } else { apart })
    }

    fn of(attributes: &[DefaultNla]) -> Self {
        let mut queues = Self { settable: true, ..Self::default() };
        for attribute in attributes {
            let number = number(attribute).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
            match attribute.kind() & NLA_TYPE_MASK {
                RX_MAX => queues.most.rx = number,
                TX_MAX => queues.most.tx = number,
                COMBINED_MAX => queues.most.combined = number,
                RX_COUNT => queues.now.rx = number,
                TX_COUNT => queues.now.tx = number,
                COMBINED_COUNT => queues.now.combined = number,
                _ => {}
            }
        }
        queues
    }
}

/// The queues of `iface`. Of a driver that has no notion of channels, those the kernel made for it, for good.
///
/// # Errors
/// [`RssError`] when there is no such interface or the kernel does not answer.
pub async fn queues(iface: &str) -> Result<Queues, RssError> {
    if let Some(queues) = channels(iface).await? {
        return Ok(queues);
    }
    let made = Channels { combined: Nic::find(iface).await?.queues, ..Channels::default() };
    Ok(Queues { now: made, most: made, settable: false })
}

/// The same by the driver's own word; `None` where it has no notion of channels.
pub(in super::super) async fn channels(iface: &str) -> Result<Option<Queues>, RssError> {
    let answer = ask(CHANNELS_GET, iface).await;
    let answer = answer.map_err(|error| refused("ask for the queues", iface, error))?;
    Ok(answer.as_deref().map(Queues::of).filter(|queues| queues.now.receiving() > 0))
}

/// A change of the number of queues. On many drivers it resets the device, and the carrier goes for seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelsChange {
    /// The interface.
    pub iface: String,
    /// The queues it had.
    pub old: Channels,
    /// The queues it gets.
    pub new: Channels,
}

impl ChannelsChange {
    /// Gives the interface its new queues.
    ///
    /// # Errors
    /// Where the driver refuses, in its own words.
    pub async fn apply(&self) -> Result<(), RssError> {
        self.set(self.old, self.new).await
    }

    /// Gives it its old ones, unless it is gone or somebody has changed their number since.
    ///
    /// # Errors
    /// Where the driver refuses: for one, while an AF_XDP socket is bound to a queue that would go.
    pub async fn undo(&self) -> Result<(), RssError> {
        match channels(&self.iface).await {
            Ok(Some(queues)) if queues.now == self.new => self.set(self.new, self.old).await,
            Ok(_) | Err(RssError::Nic(NicError::Missing { .. })) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn set(&self, from: Channels, to: Channels) -> Result<(), RssError> {
        let mut tries = 1;
        loop {
            let result = exchange(CHANNELS_SET, &self.iface, request(from, to)).await;
            match result {
                Err(error) if is_passing(&error) && tries < TRIES => tries += 1,
                _ => {
                    let refused = |error| refused("set the number of queues", &self.iface, error);
                    return result.map(drop).map_err(refused);
                }
            }
            sleep(PAUSE).await;
        }
    }
}

/// `EINVAL` is what the kernel answers while a socket has a queue that would go.
fn is_passing(error: &GenericError) -> bool {
    matches!(error.errno(), Some(Errno::EBUSY | Errno::EINVAL))
}

/// Only what changes: a driver refuses kinds it has not, whatever their number.
fn request(from: Channels, to: Channels) -> impl Iterator<Item = DefaultNla> {
    let counts = [
        (COMBINED_COUNT, from.combined, to.combined),
        (RX_COUNT, from.rx, to.rx),
        (TX_COUNT, from.tx, to.tx),
    ];
    let changed = counts.into_iter().filter(|(_, from, to)| from != to);
    changed.map(|(kind, _, to)| DefaultNla::new(kind, to.to_ne_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::super::super::ethtool::recorded;
    use super::*;

    const fn combined(combined: u32) -> Channels {
        Channels { combined, rx: 0, tx: 0 }
    }

    const fn apart(rx: u32, tx: u32) -> Channels {
        Channels { combined: 0, rx, tx }
    }

    #[test]
    fn the_queues_that_igb_tells_of_are_read() {
        let queues = Queues::of(&recorded::attributes(recorded::CHANNELS));
        assert_eq!(queues, Queues { now: combined(4), most: combined(8), settable: true });
        assert_eq!((queues.now.receiving(), queues.most_receiving()), (4, 8));
    }

    #[test]
    fn every_queue_that_receives_has_one_that_sends() {
        let queues = |now, most| Queues { now, most, settable: true };
        let igb = queues(combined(4), combined(8));
        assert_eq!(igb.with(4), Some(combined(4)));
        assert_eq!(igb.with(8), Some(combined(8)));
        assert_eq!(igb.with(9), None, "no so many");
        let veth = queues(apart(1, 1), apart(4, 2));
        assert_eq!(veth.with(2), Some(apart(2, 2)));
        assert_eq!(veth.with(3), Some(apart(3, 2)), "as far as there are any");
        assert_eq!(queues(apart(4, 4), apart(4, 4)).with(2), Some(apart(2, 4)));
        let bnxt = queues(apart(4, 4), Channels { combined: 8, rx: 4, tx: 4 });
        assert_eq!(bnxt.with(6), Some(combined(6)), "combined where the driver can");
        let fixed = Queues { now: combined(2), most: combined(2), settable: false };
        assert_eq!((fixed.with(2), fixed.with(1)), (Some(combined(2)), None));
    }

    #[test]
    fn a_kind_that_does_not_change_is_not_set() {
        let kinds =
            |from, to| request(from, to).map(|attribute| attribute.kind()).collect::<Vec<_>>();
        assert_eq!(kinds(combined(4), combined(2)), [COMBINED_COUNT]);
        assert_eq!(kinds(apart(1, 1), apart(2, 2)), [RX_COUNT, TX_COUNT]);
        assert_eq!(kinds(apart(2, 4), apart(4, 4)), [RX_COUNT]);
        assert!(kinds(combined(4), combined(4)).is_empty());
    }
}
