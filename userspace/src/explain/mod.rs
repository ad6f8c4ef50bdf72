//! `sluice explain`: what the coalescer would do with the packets of a capture, packet by packet.
//!
//! The capture's packets go through the engine the workers use, with the capture's own clock. Nothing of
//! the engine is looked into: each packet is handed over in a buffer that knows its number, and what
//! comes out is what is told. The same capture and settings give the same bytes, whoever asks.
//!
//! | file | what it holds |
//! |---|---|
//! | `capture` | [`Capture`]: pcap and pcapng, read in a stream |
//! | `interface` | an interface of a capture: link type, clock |
//! | `packet` | [`Packet`], and the buffer that knows its number |
//! | `burst` | which packets a worker would find together |
//! | `lane` | the coalescer of one interface |
//! | `trace` | [`Trace`]: what became of each packet, in order |
//! | `flow` | how a flow is called, and which are asked for |
//! | `summary` | what is counted on the way |
//! | `trial` | what other settings would have merged |
//! | `settings` | [`Settings`]: `[offload]` from a file and the command line |
//! | `run` | [`Explanation`]: from a capture to its account |
//! | `report` | lines and tables for people, JSON lines for programs |
//! | `writer` | the super-packets as a capture |
//! | `error` | what is wrong with a file |

mod burst;
mod capture;
mod error;
mod flow;
mod interface;
mod lane;
mod packet;
mod report;
mod run;
mod settings;
mod summary;
mod trace;
mod trial;
mod writer;

pub use burst::Bursts;
pub use capture::Capture;
pub use error::{CaptureError, WriteError};
pub use flow::{Flow, FlowFilter};
pub use packet::{Numbered, Packet};
pub use report::{JsonLines, Reporter, Table};
pub use run::{ExplainError, Explanation};
pub use settings::Settings;
pub use summary::{FlowCount, ReasonCount, Summary, TrialOutcome};
pub use trace::{Ended, Fate, Line, PacketLine, Trace};
pub use writer::TrainWriter;
