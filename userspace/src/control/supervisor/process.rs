//! The data plane as the supervisor sees it: a process and a line to it.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as Pair;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

use super::super::descriptors;
use super::super::protocol::{Answer, Line, Order, Setup};

/// How long a data plane may take to hear an order: it only has to read it. A stopped one does not, and
/// must not hold the supervisor up.
const HEARING: Duration = Duration::from_millis(100);

/// A running data plane; killed when the value goes.
pub(super) struct DataPlane {
    child: Child,
    line: Line,
    failure: Option<String>,
    started: Instant,
}

/// What comes from a data plane.
#[derive(Debug)]
pub(super) enum Event {
    /// It says something.
    Answer(Answer),
    /// It has ended, and this is why.
    Ended(String),
}

impl DataPlane {
    /// Starts one: this program once more, in a process group of its own, so that Ctrl-C reaches the
    /// supervisor alone.
    pub(super) async fn start(setup: Setup, maps: &[BorrowedFd<'_>]) -> io::Result<Self> {
        let (here, there) = Pair::pair()?;
        descriptors::send(&here, maps)?;
        // The path of a running program may lead to a newer one by now; this link does not.
        let mut command = Command::new("/proc/self/exe");
        command.arg0("sluice").arg("data-plane").process_group(0).kill_on_drop(true);
        command.stdin(Stdio::from(OwnedFd::from(there))).stdout(Stdio::null());
        let child = command.spawn()?;
        here.set_nonblocking(true)?;
        let line = Line::new(UnixStream::from_std(here)?);
        let mut started = Self { child, line, failure: None, started: Instant::now() };
        started.order(&Order::Open(setup)).await?;
        Ok(started)
    }

    /// Its process number, until it has ended.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// How long it has lived.
    pub(super) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Gives an order.
    pub(super) async fn order(&mut self, order: &Order) -> io::Result<()> {
        timeout(HEARING, self.line.say(order))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// What comes next. May be dropped and called again without losing anything.
    pub(super) async fn event(&mut self) -> Event {
        match self.line.hear().await {
            Ok(Some(Answer::Failed { message })) => {
                self.failure = Some(message);
                self.end().await
            }
            Ok(Some(answer)) => Event::Answer(answer),
            // Its end of the line is its alone: closed means ended, or ending.
            Ok(None) => self.end().await,
            Err(error) => {
                self.kill(&format!("it talks nonsense: {error}"));
                self.end().await
            }
        }
    }

    async fn end(&mut self) -> Event {
        // It closes its line last; one that lingers after that is stuck.
        if timeout(Duration::from_secs(1), self.child.wait()).await.is_err() {
            self.kill("it does not come to its end");
        }
        let how = self.child.wait().await.map_or_else(|error| error.to_string(), how_ended);
        Event::Ended(self.failure.take().unwrap_or(how))
    }

    /// Kills it, stopped or not; `why` is what its end is put down to, if nothing better is known.
    pub(super) fn kill(&mut self, why: &str) {
        self.failure.get_or_insert_with(|| why.to_owned());
        // Ended already is as good.
        let _ = self.child.start_kill();
    }

    /// Tells it to stop, and kills it when it has not within `patience`. Returns what it said last.
    pub(super) async fn stop(mut self, patience: Duration) -> Option<Answer> {
        let mut last = None;
        let stopped = async {
            self.order(&Order::Stop).await.ok()?;
            while let Event::Answer(answer) = self.event().await {
                last = Some(answer);
            }
            Some(())
        };
        if !matches!(timeout(patience, stopped).await, Ok(Some(()))) {
            tracing::warn!("the data plane does not stop within {patience:?}: killing it");
            self.kill("it did not stop");
            let _ = self.child.wait().await;
        }
        last
    }
}

fn how_ended(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => {
            let name = nix::sys::signal::Signal::try_from(signal).map_or("unknown", |s| s.as_str());
            format!("killed by signal {signal} ({name})")
        }
        (None, Some(code)) => format!("exited with code {code}"),
        (None, None) => "ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_by_signal_or_code() {
        assert_eq!(how_ended(ExitStatus::from_raw(9)), "killed by signal 9 (SIGKILL)");
        assert_eq!(how_ended(ExitStatus::from_raw(3 << 8)), "exited with code 3");
    }
}
