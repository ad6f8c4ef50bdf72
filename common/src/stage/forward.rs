//! The stage that does nothing.

use super::{Seen, Stage, To, Verdict};

/// Everything goes on as it came: a plain wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forward;

impl Stage for Forward {
    #[inline]
    fn judge(&mut self, _: &Seen<'_>) -> Verdict {
        Verdict::unchanged(To::Other)
    }
}
