//! Requests and their answers: how long a datagram takes there and back.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;

use crate::clock;
use crate::report::{Latency, PingReport, times};
use crate::until::{self, Bounds, Until};

/// Bytes of the number that a request begins with.
pub const LEAST: usize = 8;
/// Bytes of payload of the largest datagram.
pub const MOST: usize = 65_507;

/// How often a waiting socket looks whether a signal came.
const LOOK: Duration = Duration::from_millis(100);

/// What is asked, how often, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    /// Who answers.
    pub to: SocketAddr,
    /// Bytes of payload, [`LEAST`] to [`MOST`].
    pub size: usize,
    /// Time from one request to the next. Where an answer takes longer, the next one follows it at once.
    pub interval: Duration,
    /// An answer that takes longer is lost.
    pub patience: Duration,
    /// Requests, and seconds.
    pub bounds: Bounds,
}

/// Asks, one request at a time, and measures.
///
/// # Errors
/// Where the kernel refuses, or nobody is there (ICMP says so).
pub fn ask(asking: &Asking) -> Result<PingReport> {
    let fits = (LEAST..=MOST).contains(&asking.size);
    ensure!(fits, "a request has {LEAST} to {MOST} bytes, not {}", asking.size);
    let any: IpAddr = match asking.to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).context("cannot make a socket")?;
    socket.connect(asking.to).with_context(|| format!("no way to {}", asking.to))?;
    let mut asker = Asker { socket, buffer: vec![0; asking.size], times: times(), lost: 0 };
    let begin = clock::now();
    let until = Until::new(asking.bounds, begin);
    let (mut sent, mut due) = (0, begin);
    while !until.is_over(sent, clock::now()) {
        pause_until(due);
        asker.ask_once(sent, asking.patience)?;
        sent += 1;
        due = (due + asking.interval.as_nanos() as u64).max(clock::now());
    }
    Ok(asker.report(sent, asking.size))
}

struct Asker {
    socket: UdpSocket,
    buffer: Vec<u8>,
    times: Histogram<u64>,
    lost: u64,
}

impl Asker {
    /// What arrives is the answer to this request, or to one that was given up: nobody waits for that any more.
    fn ask_once(&mut self, number: u64, patience: Duration) -> Result<()> {
        self.buffer[..LEAST].copy_from_slice(&number.to_be_bytes());
        let begin = clock::now();
        self.socket.send(&self.buffer).context("cannot send")?;
        loop {
            let waited = Duration::from_nanos(clock::now() - begin);
            let Some(left) = patience.checked_sub(waited).filter(|left| !left.is_zero()) else {
                self.lost += 1;
                return Ok(());
            };
            self.socket.set_read_timeout(Some(left))?;
            match self.socket.recv(&mut self.buffer) {
                Ok(_) if self.buffer[..LEAST] == number.to_be_bytes() => break,
                Err(error) if !is_pause(&error) => return Err(error).context("nobody answers"),
                _ => {}
            }
        }
        self.times.saturating_record(clock::now() - begin);
        Ok(())
    }

    fn report(&self, sent: u64, size: usize) -> PingReport {
        PingReport {
            sent,
            lost: self.lost,
            size,
            latency: Latency::of(&self.times),
            distribution: distribution(&self.times),
        }
    }
}

/// Times that are told of a distribution: so many in a thousand are below.
const PERMILLES: [u16; 11] = [10, 50, 100, 250, 500, 750, 900, 950, 990, 995, 999];

/// Each with its time in nanoseconds.
fn distribution(times: &Histogram<u64>) -> Vec<(f64, u64)> {
    let at = |permille: u16| {
        let quantile = f64::from(permille) / 1000.0;
        (quantile, times.value_at_quantile(quantile))
    };
    PERMILLES.into_iter().filter(|_| !times.is_empty()).map(at).collect()
}

/// Sends back what comes until a signal does. `ready` is told the address once it can.
///
/// # Errors
/// Where the address is taken, or the kernel refuses.
pub fn answer(at: SocketAddr, ready: impl FnOnce(SocketAddr)) -> Result<()> {
    let socket = UdpSocket::bind(at).with_context(|| format!("cannot listen at {at}"))?;
    socket.set_read_timeout(Some(LOOK))?;
    ready(socket.local_addr()?);
    let mut buffer = vec![0; MOST];
    while !until::told() {
        match socket.recv_from(&mut buffer) {
            // What cannot be sent back is lost, and whoever asked will see that.
            Ok((length, from)) => drop(socket.send_to(&buffer[..length], from)),
            // Whoever asked may have gone, and ICMP says so.
            Err(error) if is_pause(&error) || error.kind() == ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(error).context("cannot receive"),
        }
    }
    Ok(())
}

/// Nothing came in time, or a signal did.
fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn pause_until(due: u64) {
    std::thread::sleep(Duration::from_nanos(due.saturating_sub(clock::now())));
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn asking(to: SocketAddr, count: u64) -> Asking {
        Asking {
            to,
            size: 64,
            interval: Duration::ZERO,
            patience: Duration::from_secs(10),
            bounds: Bounds { count: Some(count), seconds: None },
        }
    }

    #[test]
    fn an_answer_to_another_request_is_none() {
        let other = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let to = other.local_addr().unwrap();
        let answers = thread::spawn(move || {
            let mut buffer = [0; 64];
            for _ in 0..3 {
                let (length, from) = other.recv_from(&mut buffer).unwrap();
                let number = u64::from_be_bytes(buffer[..LEAST].try_into().unwrap());
                // Of the last but one, and then the right one, but for the second: it is never answered.
                let stale = number.wrapping_sub(1).to_be_bytes();
                other.send_to(&stale, from).unwrap();
                if number != 1 {
                    other.send_to(&buffer[..length], from).unwrap();
                }
            }
        });
        let patience = Duration::from_millis(50);
        let report = ask(&Asking { patience, ..asking(to, 3) }).unwrap();
        answers.join().unwrap();
        assert_eq!((report.sent, report.lost), (3, 1));
        assert_eq!(report.latency.unwrap().count, 2);
    }

    #[test]
    fn nobody_there_is_an_error_and_so_is_a_size_that_cannot_be() {
        let gone = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let error = format!("{:#}", ask(&asking(gone, 1)).unwrap_err());
        assert!(error.contains("nobody answers"), "{error}");
        for size in [LEAST - 1, MOST + 1] {
            assert!(ask(&Asking { size, ..asking(gone, 1) }).is_err(), "{size}");
        }
    }

    #[test]
    fn a_distribution_grows_to_its_end() {
        let mut times = times();
        assert_eq!(distribution(&times), []);
        (1..=1000).for_each(|time| times.record(time).unwrap());
        let told = distribution(&times);
        assert_eq!((told[0], told[4], told[10]), ((0.01, 10), (0.5, 500), (0.999, 999)));
    }
}
