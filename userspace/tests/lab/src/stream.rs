//! A connection that never rests, and how well it fared.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::{Lab, wait_until};

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The peer: the device under test receives.
    Peer,
    /// The device under test.
    Dut,
}

/// A TCP connection from the peer to a port of the device under test, over which one of them sends a known
/// pattern at a steady pace until the stream is finished. The receiver compares every byte and notes the
/// longest time in which none came.
#[derive(Debug)]
pub struct Stream {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    arrivals: Arc<Arrivals>,
    sender: Option<JoinHandle<Result<()>>>,
    receiver: Option<JoinHandle<Result<()>>>,
}

/// What came, and when.
#[derive(Debug)]
struct Arrivals {
    bytes: AtomicU64,
    times: Mutex<Times>,
}

#[derive(Debug)]
struct Times {
    last: Instant,
    longest_gap: Duration,
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
        let listener = lab.dut.run(|| TcpListener::bind(address))?;
        let limit = Duration::from_secs(5);
        let peer = lab.peer.run(|| TcpStream::connect_timeout(&address, limit))?;
        let (dut, _) = listener.accept()?;
        let (source, target) = if from == Sender::Peer { (peer, dut) } else { (dut, peer) };
        Self::over(source, target)
    }

    fn over(source: TcpStream, target: TcpStream) -> Result<Self> {
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
        self.arrivals.bytes.load(Ordering::Acquire)
    }

    /// The longest time in which nothing arrived, the one that lasts until now included.
    #[must_use]
    pub fn longest_gap(&self) -> Duration {
        let times = self.arrivals.times.lock().expect("no holder panics");
        times.longest_gap.max(times.last.elapsed())
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
    /// Where the connection broke, a byte was wrong, or the rest does not arrive within half a minute.
    pub fn finish(mut self) -> Result<u64> {
        self.stop.store(true, Ordering::Release);
        join(self.sender.take()).context("sending")?;
        let done = || self.receiver.as_ref().is_none_or(JoinHandle::is_finished).then_some(());
        wait_until("the end of the stream arrives", Duration::from_secs(30), done)?;
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

impl Arrivals {
    fn new() -> Self {
        let times = Times { last: Instant::now(), longest_gap: Duration::ZERO };
        Self { bytes: AtomicU64::new(0), times: Mutex::new(times) }
    }

    fn note(&self, bytes: usize) {
        let mut times = self.times.lock().expect("no holder panics");
        let now = Instant::now();
        times.longest_gap = times.longest_gap.max(now - times.last);
        times.last = now;
        self.bytes.fetch_add(bytes as u64, Ordering::AcqRel);
    }
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
