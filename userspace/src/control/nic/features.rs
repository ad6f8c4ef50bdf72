//! Features, by ethtool's netlink family.

use std::collections::BTreeMap;

use ethtool::{EthtoolAttr, EthtoolFeatureAttr, EthtoolFeatureBit, EthtoolHandle};
use futures::{Stream, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use super::{NicError, refused};

/// How one feature stands, in the words of `ethtool -k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NicFeature {
    /// The device can do it at all: it may be switched on, or is on for good.
    pub hardware: bool,
    /// In effect.
    pub on: bool,
    /// Asked for; with `on` false, something it depends on is missing.
    pub requested: bool,
    /// Not to be changed.
    pub fixed: bool,
}

/// The features of an interface by the kernel's names.
pub(super) type NicFeatures = BTreeMap<String, NicFeature>;

/// The attributes of the first answer; none where the driver refuses.
async fn first<E>(replies: impl Stream<Item = Result<Vec<EthtoolAttr>, E>>) -> Vec<EthtoolAttr> {
    let mut replies = std::pin::pin!(replies);
    replies.next().await.and_then(Result::ok).unwrap_or_default()
}

/// The features of `iface` by the kernel's names, which are finer than those of `ethtool -k`.
///
/// # Errors
/// [`NicError`] when the kernel does not answer.
pub async fn features(iface: &str) -> Result<NicFeatures, NicError> {
    let (connection, handle, _) = ethtool::new_connection()
        .map_err(|source| NicError::Socket { iface: iface.to_owned(), source })?;
    let connection = tokio::spawn(connection);
    let features = ask_features(handle, iface).await;
    connection.abort();
    features
}

async fn ask_features(mut handle: EthtoolHandle, iface: &str) -> Result<NicFeatures, NicError> {
    let replies = handle.feature().get(Some(iface)).execute().await;
    let replies = replies.map_err(|error| refused(iface, &error))?;
    let attributes = first(replies.map_ok(|reply| reply.payload.nlas)).await;
    let mut features = BTreeMap::new();
    for attribute in &attributes {
        let EthtoolAttr::Feature(attribute) = attribute else { continue };
        match attribute {
            EthtoolFeatureAttr::Hw(bits) => mark(&mut features, bits, |f, able| {
                (f.hardware, f.fixed) = (able, !able);
            }),
            EthtoolFeatureAttr::Wanted(bits) => mark(&mut features, bits, |f, on| f.requested = on),
            EthtoolFeatureAttr::Active(bits) => mark(&mut features, bits, |f, on| f.on = on),
            EthtoolFeatureAttr::NoChange(bits) => mark(&mut features, bits, |f, _| f.fixed = true),
            _ => {}
        }
    }
    features.values_mut().for_each(|feature| feature.hardware |= feature.on);
    Ok(features)
}

/// Applies one set of bits; a feature in none of the sets that say otherwise is off and fixed.
fn mark(
    features: &mut NicFeatures,
    bits: &[EthtoolFeatureBit],
    set: impl Fn(&mut NicFeature, bool),
) {
    const ABSENT: NicFeature =
        NicFeature { hardware: false, on: false, requested: false, fixed: true };
    for bit in bits {
        set(features.entry(bit.name.clone()).or_insert(ABSENT), bit.value);
    }
}
