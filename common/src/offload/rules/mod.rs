//! The rules of coalescing, in the order they are asked: the first that is broken names the reason.
//!
//! | file | what it asks |
//! |---|---|
//! | `refusal` | what must a packet be by itself? |
//! | `join` | does it fit the train held for its flow? |
//! | `tunnel` | both questions about what stands around it in a tunnel |
//! | `lro` | the same, where less has to fit |
//! | `place` | does it stand beyond a gap in the sequence? |
//! | `closing` | can that train take another after it? |
//! | `held` | what a train is compared by |
//! | `side` | the header fields that are compared |
//!
//! They decide and touch nothing.

/// An ordered table: the reason beside the first condition that holds.
macro_rules! first_broken {
    ($($(#[doc = $rule:literal])+ $broken:expr => $reason:ident,)+) => {
        $(if $broken { return Some(FlushReason::$reason); })+
        return None
    };
}

mod closing;
mod held;
mod join;
mod lro;
mod place;
mod refusal;
mod side;
mod tunnel;

pub(super) use closing::closing;
pub(super) use held::{Held, Ids};
pub(super) use join::{Next, goes_on, join};
pub(super) use place::{Place, place};
pub(super) use refusal::refusal;
pub(super) use tunnel::outer_refusal;
