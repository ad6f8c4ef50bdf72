//! What supervisor and data plane say to each other: JSON lines over a socket pair.
//!
//! ```text
//! supervisor                          data plane
//!     │── XSKMAP, HEARTBEAT of each port ─────►│ (as descriptors)
//!     │── Order::Open ────────────────────────►│ opens everything, drops its privileges
//!     │◄───────────────────── Answer::Opened ──│
//!     │   attaches, brings the TUN up          │
//!     │── Order::Go ──────────────────────────►│ starts its workers
//!     │── Order::Report ──────────────────────►│
//!     │◄───────────────────── Answer::Report ──│
//!     │── Order::Switch ──────────────────────►│ the TUN device, then the workers
//!     │◄─────────────────── Answer::Switched ──│
//!     │── Order::Settle ──────────────────────►│ the same, for another configuration
//!     │◄──────────────────── Answer::Settled ──│
//!     │── Order::Stop ────────────────────────►│ stops its workers
//!     │◄──────────────────── Answer::Stopped ──│ exits
//! ```
//!
//! `Answer::Failed` may come instead of any answer; the data plane exits after it. The socket pair is
//! the data plane's standard input, so that it needs no descriptor number; when it closes, the other
//! side is gone.

use std::io;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sluice_common::offload::features::FeatureSet;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use crate::observe::report::WorkerReport;

/// What the supervisor wants.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// Open everything; the first order.
    Open(Setup),
    /// Start the workers.
    Go,
    /// Say what the workers have counted.
    Report,
    /// Work with these features on and all others off.
    Switch(#[serde(with = "names")] FeatureSet),
    /// Go by another configuration from now on, in which nothing has changed but what may change while the workers
    /// work: switches, stage, and how senders are answered.
    Settle {
        /// What it says.
        config: String,
        /// The features that are on.
        #[serde(with = "names")]
        features: FeatureSet,
    },
    /// Stop the workers, say what they counted, exit.
    Stop,
}

/// What there is to open.
#[derive(Debug, Serialize, Deserialize)]
pub struct Setup {
    /// How messages call the configuration file.
    pub file: PathBuf,
    /// What it says. Sent instead of read again: the file may have changed since the start.
    pub config: String,
    /// The features that are on, whatever it says: they may have been switched since the start.
    #[serde(with = "names")]
    pub features: FeatureSet,
    /// The ports, in the order of the configuration.
    pub ports: Vec<PortSetup>,
    /// The supervisor's process, without which the data plane is not to live.
    pub supervisor: i32,
}

/// What there is to open of a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSetup {
    /// The receive queues to serve, by number, in the order of the workers.
    pub queues: Vec<u32>,
    /// Whether packets may span several frames: the XDP program was loaded for it.
    pub multi_buffer: bool,
}

/// What the data plane says.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// Everything is open, and the privileges are gone.
    Opened(Opened),
    /// What the workers have counted.
    Report(Vec<WorkerReport>),
    /// What came of [`Order::Switch`].
    Switched(Switched),
    /// What came of [`Order::Settle`].
    Settled(Switched),
    /// The workers have stopped; what they counted to the end.
    Stopped(Vec<WorkerReport>),
    /// It cannot go on, and exits.
    Failed {
        /// Why, and what to do.
        message: String,
    },
}

/// What came of a switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Switched {
    /// All of it is in force.
    Done,
    /// The workers of these queues have not come to it yet, and will.
    Late(Vec<u32>),
    /// Nothing was changed, and this is why.
    Refused(String),
}

impl Switched {
    /// In force but for the workers of these queues.
    #[must_use]
    pub fn all_but(late: Vec<u32>) -> Self {
        if late.is_empty() { Self::Done } else { Self::Late(late) }
    }

    /// What came of this and of another step after it.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Late(mut late), Self::Late(others)) => {
                late.extend(others);
                late.sort_unstable();
                late.dedup();
                Self::Late(late)
            }
            (Self::Done, other) => other,
            (first, Self::Done) | (first @ Self::Refused(_), _) => first,
            (_, refused) => refused,
        }
    }
}

/// What was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Whether UDP super-packets can be handed over, and taken.
    pub udp_super_packets: bool,
    /// The queues of each port, in the order of the workers.
    pub ports: Vec<Vec<OpenedQueue>>,
}

/// How a queue was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedQueue {
    /// Its number.
    pub queue: u32,
    /// Whether the NIC reads and writes the frames itself.
    pub zero_copy: bool,
    /// Why not, when it does not.
    pub reason: Option<String>,
    /// Whether packets leave by a packet socket instead of the transmit ring.
    pub by_socket: bool,
    /// Whether the frames are in huge pages.
    pub huge_pages: bool,
}

/// Features by their names, so that the sides need not number them alike.
mod names {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use sluice_common::offload::features::{Feature, FeatureSet};

    pub(super) fn serialize<S: Serializer>(set: &FeatureSet, to: S) -> Result<S::Ok, S::Error> {
        set.iter().map(Feature::label).collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<FeatureSet, D::Error> {
        let names = Vec::<String>::deserialize(from)?;
        Ok(names.iter().filter_map(|name| Feature::from_label(name)).collect())
    }
}

/// One end of the conversation.
pub struct Line {
    lines: Lines<BufReader<OwnedReadHalf>>,
    writer: OwnedWriteHalf,
}

impl Line {
    /// The conversation over `stream`.
    #[must_use]
    pub fn new(stream: UnixStream) -> Self {
        let (reader, writer) = stream.into_split();
        Self { lines: BufReader::new(reader).lines(), writer }
    }

    /// Says `message`.
    ///
    /// # Errors
    /// The other side is gone.
    pub async fn say(&mut self, message: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.writer.write_all(&line).await
    }

    /// Waits for the next message; `None`: the other side has closed. May be dropped and called again
    /// without losing a message.
    ///
    /// # Errors
    /// The connection broke, or the other side says something else than a `T`.
    pub async fn hear<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        match self.lines.next_line().await {
            Ok(Some(line)) => Ok(Some(serde_json::from_str(&line)?)),
            Ok(None) => Ok(None),
            // It closed with something unread in its end.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_said_is_heard_in_order_and_the_end_too() {
        let (here, there) = UnixStream::pair().unwrap();
        let (mut supervisor, mut data_plane) = (Line::new(here), Line::new(there));
        supervisor.say(&Order::Go).await.unwrap();
        supervisor.say(&Order::Stop).await.unwrap();
        drop(supervisor);
        assert!(matches!(data_plane.hear().await.unwrap(), Some(Order::Go)));
        assert!(matches!(data_plane.hear().await.unwrap(), Some(Order::Stop)));
        assert!(data_plane.hear::<Order>().await.unwrap().is_none());
    }

    #[test]
    fn what_is_late_in_one_step_is_late_in_both() {
        let late = |queues: &[u32]| Switched::all_but(queues.to_vec());
        assert_eq!(late(&[]).and(late(&[])), Switched::Done);
        assert_eq!(late(&[2]).and(late(&[])), late(&[2]));
        assert_eq!(late(&[2, 1]).and(late(&[2])), late(&[1, 2]));
        let refused = || Switched::Refused("no".to_owned());
        assert_eq!(late(&[2]).and(refused()), refused());
        assert_eq!(refused().and(late(&[2])), refused());
    }

    #[tokio::test]
    async fn features_arrive_as_they_were_sent() {
        let (here, there) = UnixStream::pair().unwrap();
        let (mut supervisor, mut data_plane) = (Line::new(here), Line::new(there));
        supervisor.say(&Order::Switch(FeatureSet::ALL)).await.unwrap();
        let heard = data_plane.hear().await.unwrap();
        assert!(matches!(heard, Some(Order::Switch(FeatureSet::ALL))), "{heard:?}");
    }

    #[tokio::test]
    async fn who_goes_without_listening_is_gone_all_the_same() {
        let (here, there) = UnixStream::pair().unwrap();
        let mut supervisor = Line::new(here);
        supervisor.say(&Order::Report).await.unwrap();
        drop(there);
        assert!(supervisor.hear::<Answer>().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_wait_given_up_loses_nothing() {
        let (here, there) = UnixStream::pair().unwrap();
        let (mut supervisor, mut data_plane) = (Line::new(here), Line::new(there));
        supervisor.writer.write_all(b"\"G").await.unwrap();
        tokio::select! {
            biased;
            _ = data_plane.hear::<Order>() => panic!("half a message was heard"),
            () = tokio::task::yield_now() => {}
        }
        supervisor.writer.write_all(b"o\"\n").await.unwrap();
        assert!(matches!(data_plane.hear().await.unwrap(), Some(Order::Go)));
    }
}
