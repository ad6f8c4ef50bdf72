//! What a stage says of a train.

use super::Edit;

/// Where a train goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum To {
    /// On, through the other port.
    Other,
    /// Back, through the port it came from.
    Same,
    /// To the local kernel, through its TUN device.
    Host,
    /// Nowhere: it is dropped.
    Nowhere,
}

/// What becomes of a train.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Where it goes.
    pub to: To,
    /// What is changed in each of its packets before.
    pub edit: Edit,
}

impl Verdict {
    /// To this place, as it came.
    #[must_use]
    pub fn unchanged(to: To) -> Self {
        Self { to, edit: Edit::default() }
    }
}
