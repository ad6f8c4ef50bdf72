//! The coalescer (GRO).
//!
//! | file | what it holds |
//! |---|---|
//! | `coalescer` | a packet joins, starts or passes; trains go |
//! | `express` | the next packet of a bulk transfer, recognised by its bytes |
//! | `reorder` | packets that come early |
//! | `table` | the trains held, by flow and by age |
//! | `spacing` | how far apart each flow's packets have come lately |
//! | `wheel` | when which train is due |
//! | `list` | linked lists of slots |

mod coalescer;
mod express;
mod list;
mod reorder;
mod spacing;
mod table;
mod wheel;

pub use coalescer::{Coalescer, Sink};
