//! What is counted, and how it is told.
//!
//! | file | what it holds |
//! |---|---|
//! | `ledger` | [`Ledger`]: where every frame is |

mod ledger;

pub use ledger::Ledger;
