//! Who asks over the control socket, and what.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

use super::super::request::{Request, SetReply};
use super::serve::Supervisor;

/// How long who asks may take to say what, and to read the answer.
const SPEAKING: Duration = Duration::from_secs(1);

/// Most bytes of a question: every feature there is, several times over.
const LONGEST: u64 = 16 << 10;

/// Questions that may wait for the supervisor, which looks at each within milliseconds.
const WAITING: usize = 16;

/// A question, and whom to answer.
#[derive(Debug)]
pub(super) struct Asked {
    request: Request,
    asker: UnixStream,
}

/// Where questions come in once they are heard to the end.
#[derive(Debug)]
pub(super) struct Questions {
    heard: Receiver<Asked>,
    hears: Sender<Asked>,
}

impl Default for Questions {
    fn default() -> Self {
        let (hears, heard) = channel(WAITING);
        Self { heard, hears }
    }
}

impl Questions {
    /// Hears `asker` out, meanwhile the supervisor does other things.
    pub(super) fn hear(&self, asker: UnixStream) {
        let hears = self.hears.clone();
        tokio::spawn(async move {
            match timeout(SPEAKING, request(asker)).await {
                Ok(Ok((Ok(request), asker))) => drop(hears.send(Asked { request, asker }).await),
                Ok(Ok((Err(error), asker))) => {
                    let message = format!("not understood: {error}; are both of the same version?");
                    answer(asker, &SetReply::Refused { message });
                }
                // One that says nothing or goes away has itself to blame.
                Ok(Err(_)) | Err(_) => {}
            }
        });
    }

    pub(super) async fn next(&mut self) -> Option<Asked> {
        self.heard.recv().await
    }
}

/// One line.
async fn request(asker: UnixStream) -> io::Result<(serde_json::Result<Request>, UnixStream)> {
    let mut reader = BufReader::new(asker.take(LONGEST));
    let mut line = String::new();
    reader.read_line(&mut line).await?;
    Ok((serde_json::from_str(&line), reader.into_inner().into_inner()))
}

/// Answers at the asker's own pace.
pub(super) fn answer(mut asker: UnixStream, answer: &impl serde::Serialize) {
    match serde_json::to_vec(answer) {
        Ok(answer) => {
            tokio::spawn(async move { timeout(SPEAKING, asker.write_all(&answer)).await });
        }
        Err(error) => tracing::error!("an answer cannot be written: {error}"),
    }
}

impl Supervisor {
    pub(super) async fn asked(&mut self, Asked { request, asker }: Asked) {
        match request {
            Request::Stats => self.asked_for_stats(asker).await,
            Request::Reload => self.reload(Some(asker)).await,
            Request::Set { iface, features } => {
                self.asked_to_switch(asker, &iface, &features).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn heard(said: &[u8]) -> (Questions, UnixStream) {
        let (mut there, here) = UnixStream::pair().unwrap();
        let questions = Questions::default();
        questions.hear(here);
        there.write_all(said).await.unwrap();
        there.shutdown().await.unwrap();
        (questions, there)
    }

    #[tokio::test]
    async fn a_question_is_heard_to_its_end() {
        let (mut questions, _there) = heard(b"\"stats\"\n").await;
        assert_eq!(questions.next().await.unwrap().request, Request::Stats);
    }

    #[tokio::test]
    async fn nonsense_is_answered_with_a_reason() {
        for said in [&b"\"dance\"\n"[..], b"", &[b'x'; LONGEST as usize]] {
            let (_questions, mut there) = heard(said).await;
            let mut answer = String::new();
            there.read_to_string(&mut answer).await.unwrap();
            assert!(answer.contains("not understood"), "{answer:?}");
        }
    }
}
