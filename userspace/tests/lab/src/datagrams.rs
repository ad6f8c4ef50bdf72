//! Numbered datagrams at a steady pace, and which of them arrived.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use nix::sys::socket::{setsockopt, sockopt};

use crate::arrivals::Arrivals;
use crate::{Namespace, wait_until};

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Flows, each with a source port of its own, that take turns.
    pub flows: u16,
    /// Datagrams of all flows together in a second.
    pub per_second: u32,
    /// Bytes of each datagram's payload, at least [`Pace::SMALLEST`].
    pub size: usize,
}

impl Pace {
    /// Room for a flow and a number.
    pub const SMALLEST: usize = 10;
}

/// What became of one flow's datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fared {
    /// Datagrams sent.
    pub sent: u64,
    /// Of them, those that arrived at all.
    pub received: u64,
    /// Those that did not.
    pub lost: u64,
    /// Arrivals of a datagram that had arrived before.
    pub duplicated: u64,
    /// Arrivals of a datagram after one that was sent later.
    pub reordered: u64,
}

/// A load of UDP datagrams from one host to another that goes on until it is finished. Every byte that arrives is
/// compared.
#[derive(Debug)]
pub struct Datagrams {
    stop: Arc<AtomicBool>,
    sent_all: Arc<AtomicBool>,
    arrivals: Arc<Arrivals>,
    sender: Option<JoinHandle<Result<Vec<u64>>>>,
    receiver: Option<JoinHandle<Result<Vec<Flow>>>>,
}

/// Sent in turns of a millisecond: a shorter sleep costs more than it evens out.
const TURN: Duration = Duration::from_millis(1);

/// Room for datagrams not read yet: none is to be lost because the receiver waits for a CPU.
const ROOM: usize = 64 << 20;

/// How long after the last one no more is waited for.
const QUIET: Duration = Duration::from_millis(500);

impl Datagrams {
    /// Starts sending from `from` to `address` on `to`.
    ///
    /// # Errors
    /// Where the sockets cannot be opened.
    ///
    /// # Panics
    /// Where the datagrams have no room for a number.
    pub fn start(
        from: &Namespace,
        to: &Namespace,
        address: SocketAddr,
        pace: Pace,
    ) -> Result<Self> {
        assert!(pace.size >= Pace::SMALLEST, "a datagram of {} bytes holds no number", pace.size);
        let target = to.run(|| UdpSocket::bind(address))?;
        setsockopt(&target, sockopt::RcvBufForce, &ROOM)?;
        target.set_read_timeout(Some(QUIET))?;
        let any: SocketAddr =
            if address.is_ipv4() { ([0_u8; 4], 0).into() } else { ([0_u16; 8], 0).into() };
        let open = |_| UdpSocket::bind(any).and_then(|one| one.connect(address).map(|()| one));
        let sources = from.run(|| (0..pace.flows).map(open).collect::<Result<Vec<_>, _>>())?;
        let [stop, sent_all] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let arrivals = Arc::new(Arrivals::new());
        let receiver = {
            let (sent_all, arrivals) = (sent_all.clone(), arrivals.clone());
            spawn(move || receive(&target, pace, &sent_all, &arrivals))
        };
        let sender = {
            let stop = stop.clone();
            spawn(move || send(&sources, pace, &stop))
        };
        let (sender, receiver) = (Some(sender), Some(receiver));
        Ok(Self { stop, sent_all, arrivals, sender, receiver })
    }

    /// Datagrams that have arrived, each time they did.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.arrivals.amount()
    }

    /// The longest time in which nothing arrived, the one that lasts until now included.
    #[must_use]
    pub fn longest_gap(&self) -> Duration {
        self.arrivals.longest_gap()
    }

    /// Waits until `more` datagrams have arrived from now on.
    ///
    /// # Errors
    /// Where they have not within `limit`.
    pub fn await_arrivals(&self, more: u64, limit: Duration) -> Result<()> {
        let target = self.arrived() + more;
        wait_until("more datagrams have arrived", limit, || {
            (self.arrived() >= target).then_some(())
        })
    }

    /// Stops sending, waits until nothing more arrives, and returns what became of each flow.
    ///
    /// # Errors
    /// Where a byte was wrong.
    pub fn finish(mut self) -> Result<Vec<Fared>> {
        self.stop.store(true, Ordering::Release);
        let sent = join(self.sender.take()).context("sending")?;
        self.sent_all.store(true, Ordering::Release);
        let flows = join(self.receiver.take()).context("receiving")?;
        Ok(flows.iter().zip(sent).map(|(flow, sent)| flow.fared(sent)).collect())
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.sent_all.store(true, Ordering::Release);
    }
}

fn join<T>(thread: Option<JoinHandle<Result<T>>>) -> Result<T> {
    let thread = thread.context("it has been waited for already")?;
    thread.join().map_err(|_| anyhow!("the thread panicked"))?
}

/// Returns how many of each flow were sent.
fn send(sources: &[UdpSocket], pace: Pace, stop: &AtomicBool) -> Result<Vec<u64>> {
    let mut sent = vec![0; sources.len()];
    let mut total = 0;
    let start = Instant::now();
    for turn in 1.. {
        if stop.load(Ordering::Acquire) {
            break;
        }
        let deadline = TURN * turn;
        let due = deadline.as_micros() as u64 * u64::from(pace.per_second) / 1_000_000;
        while total < due {
            let flow = (total % sources.len() as u64) as usize;
            transmit(&sources[flow], &datagram(flow, sent[flow], pace.size))?;
            sent[flow] += 1;
            total += 1;
        }
        sleep((start + deadline).saturating_duration_since(Instant::now()));
    }
    Ok(sent)
}

/// That it was not taken is a loss like any other: no path just now, or news of a datagram before it.
fn transmit(source: &UdpSocket, datagram: &[u8]) -> Result<()> {
    match source.send(datagram) {
        Ok(sent) => ensure!(sent == datagram.len(), "{sent} bytes of a datagram were sent"),
        Err(error) => {
            let transient = [
                nix::libc::ECONNREFUSED,
                nix::libc::EHOSTUNREACH,
                nix::libc::EMSGSIZE,
                nix::libc::ENETDOWN,
                nix::libc::ENETUNREACH,
                nix::libc::ENOBUFS,
            ];
            ensure!(error.raw_os_error().is_some_and(|code| transient.contains(&code)), error);
        }
    }
    Ok(())
}

fn datagram(flow: usize, number: u64, size: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size);
    bytes.extend((flow as u16).to_be_bytes());
    bytes.extend(number.to_be_bytes());
    bytes.extend((Pace::SMALLEST..size).map(|at| (at as u64).wrapping_add(number) as u8));
    bytes
}

fn receive(
    target: &UdpSocket,
    pace: Pace,
    sent_all: &AtomicBool,
    arrivals: &Arrivals,
) -> Result<Vec<Flow>> {
    let mut flows = vec![Flow::default(); usize::from(pace.flows)];
    let mut buffer = vec![0; 1 << 16];
    loop {
        // Looked at first: a pause in the middle is not the end.
        let last = sent_all.load(Ordering::Acquire);
        match target.recv(&mut buffer) {
            Ok(len) => note(&mut flows, &buffer[..len], pace, arrivals)?,
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error.into()),
            Err(_) if last => return Ok(flows),
            Err(_) => {}
        }
    }
}

fn note(flows: &mut [Flow], bytes: &[u8], pace: Pace, arrivals: &Arrivals) -> Result<()> {
    ensure!(bytes.len() == pace.size, "a datagram of {} bytes arrived", bytes.len());
    let flow = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    let number = u64::from_be_bytes(bytes[2..Pace::SMALLEST].try_into().expect("eight bytes"));
    ensure!(bytes == datagram(flow, number, pace.size), "datagram {number} arrived changed");
    let flow = flows.get_mut(flow).with_context(|| format!("there is no flow {flow}"))?;
    flow.note(number);
    arrivals.note(1);
    Ok(())
}

/// Which numbers of a flow have arrived.
#[derive(Clone, Debug, Default)]
struct Flow {
    seen: Vec<bool>,
    received: u64,
    duplicated: u64,
    reordered: u64,
}

impl Flow {
    fn note(&mut self, number: u64) {
        let number = number as usize;
        let late = number < self.seen.len();
        if !late {
            self.seen.resize(number + 1, false);
        }
        if std::mem::replace(&mut self.seen[number], true) {
            self.duplicated += 1;
        } else {
            self.received += 1;
            self.reordered += u64::from(late);
        }
    }

    fn fared(&self, sent: u64) -> Fared {
        let Self { received, duplicated, reordered, .. } = *self;
        Fared { sent, received, lost: sent - received, duplicated, reordered }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fate_is_told_from_the_others() {
        let mut flow = Flow::default();
        for number in [0, 1, 4, 3, 3, 7, 4] {
            flow.note(number);
        }
        let expected = Fared { sent: 9, received: 5, lost: 4, duplicated: 2, reordered: 1 };
        assert_eq!(flow.fared(9), expected);
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let pace = Pace { flows: 2, per_second: 1, size: 100 };
        let noted = |bytes: &[u8]| {
            let mut flows = vec![Flow::default(); 2];
            note(&mut flows, bytes, pace, &Arrivals::new()).map(|()| flows[1].received)
        };
        let mut bytes = datagram(1, 300, 100);
        assert_eq!(noted(&bytes).unwrap(), 1);
        bytes[70] ^= 1;
        assert!(noted(&bytes).is_err());
        assert!(noted(&bytes[..99]).is_err());
    }
}
