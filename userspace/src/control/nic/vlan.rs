//! VLAN tags that a NIC takes out of packets: XDP does not see them, and on a wire they would be lost.

use netlink_packet_core::DefaultNla;
use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::ethtool::{FEATURES_SET, exchange, nested, text};
use super::features::{NicFeature, features};
use super::generic::GenericError;
use super::{NicError, refused};

/// `ETHTOOL_A_FEATURES_WANTED`
const WANTED: u16 = 3;
/// `ETHTOOL_A_BITSET_BITS`
const BITS: u16 = 3;
/// `ETHTOOL_A_BITSET_BITS_BIT`
const BIT: u16 = 1;
/// `ETHTOOL_A_BITSET_BIT_NAME`
const NAME: u16 = 2;
/// `ETHTOOL_A_BITSET_BIT_VALUE`: there for a feature that is to be on.
const VALUE: u16 = 3;

/// What takes tags out (`net/ethtool/common.c`, `netdev_features_strings`): of customers, and of providers.
const STRIPPING: [&str; 2] = ["rx-vlan-hw-parse", "rx-vlan-stag-hw-parse"];

/// A feature that is switched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureChange {
    /// The interface.
    pub iface: String,
    /// The kernel's name for the feature, which is finer than that of `ethtool -k`.
    pub name: String,
    /// Whether it is to be on. It was not so before.
    pub on: bool,
}

impl FeatureChange {
    /// Switches the feature.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub async fn apply(&self) -> Result<(), NicError> {
        self.set(self.on).await
    }

    /// Switches it back, unless it is gone or somebody has done so.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub async fn undo(&self) -> Result<(), NicError> {
        let features = match features(&self.iface).await {
            Err(NicError::Missing { .. }) => return Ok(()),
            features => features?,
        };
        match features.get(&self.name) {
            Some(feature) if feature.on == self.on => self.set(!self.on).await,
            _ => Ok(()),
        }
    }

    async fn set(&self, on: bool) -> Result<(), NicError> {
        let set = exchange(FEATURES_SET, &self.iface, [wanted(&self.name, on)]).await;
        match set {
            Ok(_) => Ok(()),
            Err(GenericError::Socket(source)) => {
                Err(NicError::Socket { iface: self.iface.clone(), source })
            }
            Err(error) if error.errno() == Some(Errno::ENODEV) => {
                Err(NicError::Missing { iface: self.iface.clone() })
            }
            Err(error) => Err(refused(&self.iface, &error)),
        }
    }
}

/// One feature, on or off; the others stay.
fn wanted(name: &str, on: bool) -> DefaultNla {
    let mut bit = vec![text(NAME, name)];
    bit.extend(on.then(|| DefaultNla::new(VALUE, Vec::new())));
    nested(WANTED, &[nested(BITS, &[nested(BIT, &bit)])])
}

/// What is to be switched so that `iface` leaves tags in packets.
///
/// # Errors
/// [`NicError`] when the kernel does not answer; [`NicError::StripsTags`] where the driver takes them out for good.
pub async fn keep_tags(iface: &str) -> Result<Vec<FeatureChange>, NicError> {
    let features = features(iface).await?;
    let mut changes = Vec::new();
    for name in STRIPPING {
        match features.get(name) {
            Some(NicFeature { on: true, fixed: true, .. }) => {
                return Err(NicError::StripsTags { iface: iface.to_owned(), name });
            }
            Some(NicFeature { on: true, .. }) => changes.push(FeatureChange {
                iface: iface.to_owned(),
                name: name.to_owned(),
                on: false,
            }),
            _ => {}
        }
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use netlink_packet_core::Emitable;

    #[test]
    fn a_feature_that_is_to_be_on_has_a_value_and_one_that_is_not_has_none() {
        let bytes = |attribute: DefaultNla| {
            let mut bytes = vec![0; attribute.buffer_len()];
            attribute.emit(&mut bytes);
            bytes
        };
        let on = bytes(wanted("x", true));
        assert_eq!(
            on, b"\x18\0\x03\x80\x14\0\x03\x80\x10\0\x01\x80\x06\0\x02\0x\0\0\0\x04\0\x03\0",
            "wanted, bits, bit, name, value"
        );
        assert_eq!(bytes(wanted("x", false)).len(), on.len() - 4);
    }
}
