//! One of the stages there are.

use super::{Forward, Nat, Rewrite, Seen, Stage, Verdict};

/// One of the stages that a configuration can name. A worker that has this one is the same for all of them,
/// and asks without a virtual call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnyStage {
    /// A plain wire.
    Forward(Forward),
    /// Other MAC addresses and VLANs on each side.
    Rewrite(Rewrite),
    /// Other addresses and ports on each side.
    Nat(Nat),
}

impl Default for AnyStage {
    fn default() -> Self {
        Self::Forward(Forward)
    }
}

impl Stage for AnyStage {
    #[inline]
    fn judge(&mut self, seen: &Seen<'_>) -> Verdict {
        match self {
            Self::Forward(stage) => stage.judge(seen),
            Self::Rewrite(stage) => stage.judge(seen),
            Self::Nat(stage) => stage.judge(seen),
        }
    }
}
