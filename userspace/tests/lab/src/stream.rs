//! A connection that never rests, and how well it fared.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::arrivals::Arrivals;
use crate::{HANG, Lab, connect, wait_until};

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The peer: the device under test receives.
    Peer,
    /// The device under test.
    Dut,
}

/// A TCP connection over which one end sends a known pattern at a steady pace until the stream is finished. The
/// other compares every byte and notes the longest time in which none came.
#[derive(Debug)]
pub struct Stream {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    arrivals: Arc<Arrivals>,
    sender: Option<JoinHandle<Result<()>>>,
    receiver: Option<JoinHandle<Result<()>>>,
}

/// About 200 Mbit/s: enough that every state change meets packets in flight, and far below what the slowest
/// machine that builds this can carry, so that a gap is a gap of the path and not of a busy core.
const CHUNK: usize = 128 << 10;
const PACE: Duration = Duration::from_millis(5);

/// The pattern's period; a prime, so that no packet or chunk boundary falls into step with it.
const PERIOD: usize = 251;

impl Stream {
    /// Connects the peer to `address` on the device under test, and starts sending.
    ///
    /// # Errors
    /// Where they cannot connect.
    pub fn start(lab: &Lab, address: SocketAddr, from: Sender) -> Result<Self> {
        let (peer, dut) = connect(&lab.peer, &lab.dut, address)?;
        let (source, target) = if from == Sender::Peer { (peer, dut) } else { (dut, peer) };
        Self::over(source, target)
    }

    /// Starts sending over a connection, from one end to the other.
    ///
    /// # Errors
    /// Where it has ended.
    pub fn over(source: TcpStream, target: TcpStream) -> Result<Self> {
        // So that both threads look at `stop` now and then.
        source.set_write_timeout(Some(Duration::from_millis(100)))?;
        target.set_read_timeout(Some(Duration::from_millis(100)))?;
        let stop = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(AtomicU64::new(0));
        let arrivals = Arc::new(Arrivals::new());
        let sender = {
            let (stop, sent) = (stop.clone(), sent.clone());
            spawn(move || send(source, &stop, &sent))
        };
        let receiver = {
            let arrivals = arrivals.clone();
            spawn(move || receive(target, &arrivals))
        };
        Ok(Self { stop, sent, arrivals, sender: Some(sender), receiver: Some(receiver) })
    }

    /// Bytes that have arrived, each as it was sent.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.arrivals.amount()
    }

    /// The longest time in which nothing arrived, the one that lasts until now included.
    #[must_use]
    pub fn longest_gap(&self) -> Duration {
        self.arrivals.longest_gap()
    }

    /// Waits until `more` bytes have arrived from now on.
    ///
    /// # Errors
    /// Where they have not within `limit`, or the connection broke.
    pub fn await_bytes(&self, more: u64, limit: Duration) -> Result<()> {
        let target = self.arrived() + more;
        wait_until("the stream has carried more data", limit, || {
            let broken = self.receiver.as_ref().is_none_or(JoinHandle::is_finished);
            (self.arrived() >= target || broken).then_some(())
        })?;
        ensure!(self.arrived() >= target, "the connection broke after {} bytes", self.arrived());
        Ok(())
    }

    /// Stops sending, waits until all that was sent has arrived, and returns how many bytes it was.
    ///
    /// # Errors
    /// Where the connection broke, a byte was wrong, or the rest does not arrive.
    pub fn finish(mut self) -> Result<u64> {
        self.stop.store(true, Ordering::Release);
        join(self.sender.take()).context("sending")?;
        let done = || self.receiver.as_ref().is_none_or(JoinHandle::is_finished).then_some(());
        wait_until("the end of the stream arrives", HANG, done)?;
        join(self.receiver.take()).context("receiving")?;
        let (sent, arrived) = (self.sent.load(Ordering::Acquire), self.arrived());
        ensure!(sent == arrived, "{sent} bytes were sent and {arrived} arrived");
        Ok(arrived)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

fn join(thread: Option<JoinHandle<Result<()>>>) -> Result<()> {
    thread.map_or(Ok(()), |thread| thread.join().map_err(|_| anyhow!("the thread panicked"))?)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..PERIOD as u8).cycle().take(len + PERIOD).collect()
}

/// Sends until told to stop, then closes its half.
fn send(mut to: TcpStream, stop: &AtomicBool, sent: &AtomicU64) -> Result<()> {
    let pattern = pattern(CHUNK);
    let mut total = 0;
    while !stop.load(Ordering::Acquire) {
        let chunk = &pattern[total % PERIOD..][..CHUNK];
        match to.write(chunk) {
            Ok(written) => total += written,
            Err(error) if waits(error.kind()) => {}
            Err(error) => return Err(error).context(format!("after {total} bytes")),
        }
        sent.store(total as u64, Ordering::Release);
        sleep(PACE);
    }
    to.shutdown(Shutdown::Write)?;
    Ok(())
}

/// Receives to the end and compares.
fn receive(mut from: TcpStream, arrivals: &Arrivals) -> Result<()> {
    let pattern = pattern(CHUNK);
    let mut buffer = vec![0; CHUNK];
    let mut total = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) if buffer[..read] != pattern[total % PERIOD..][..read] => {
                bail!("wrong data in the {read} bytes after byte {total}")
            }
            Ok(read) => {
                total += read;
                arrivals.note(read);
            }
            Err(error) if waits(error.kind()) => {}
            Err(error) => return Err(error).context(format!("after {total} bytes")),
        }
    }
}

fn waits(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
