//! How the account is told.
//!
//! | file | what it holds |
//! |---|---|
//! | `table` | a line a packet, for people |
//! | `json` | a JSON document a line, for programs |
//! | `words` | reasons, kinds and numbers in words |

mod json;
mod table;
mod words;

use std::io;

pub use json::JsonLines;
pub use table::Table;
pub(super) use words::{gso_type_text, numbers_text, reason_text};

use super::summary::Summary;
use super::trace::Line;

/// Who tells the account.
pub trait Reporter {
    /// The next line.
    ///
    /// # Errors
    /// It cannot be written.
    fn line(&mut self, line: &Line) -> io::Result<()>;

    /// The account as a whole, after the last line.
    ///
    /// # Errors
    /// It cannot be written.
    fn summary(&mut self, summary: &Summary) -> io::Result<()>;
}
