//! A file that crosses a connection, and whether it arrives unchanged.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use sha2::{Digest, Sha256};

use crate::{HANG, Namespace, connect};

/// What is written and read at once.
const CHUNK: usize = 64 << 10;

/// Connects `from` to `address` on `to`, sends `bytes` bytes that do not repeat, and compares the SHA-256 of what
/// was sent with that of what arrived.
///
/// # Errors
/// Where they differ, or the connection breaks.
pub fn transfer(from: &Namespace, to: &Namespace, address: SocketAddr, bytes: u64) -> Result<()> {
    let (source, target) = connect(from, to, address)?;
    // The longest time without progress.
    source.set_write_timeout(Some(HANG))?;
    target.set_read_timeout(Some(HANG))?;
    let (sent, arrived) = thread::scope(|scope| {
        let sender = scope.spawn(|| send(source, bytes));
        let arrived = receive(target).context("receiving");
        (sender.join().expect("sending does not panic").context("sending"), arrived)
    });
    let (sent, arrived) = (sent?, arrived?);
    ensure!(sent == arrived, "{arrived} arrived of {sent}");
    Ok(())
}

/// A file, as far as it matters.
#[derive(Debug, PartialEq, Eq)]
struct File {
    len: u64,
    sha256: [u8; 32],
}

/// Closes the connection at the end, for the receiver to know.
fn send(mut to: TcpStream, bytes: u64) -> std::io::Result<File> {
    let (mut random, mut digest) = (Rng::with_seed(bytes), Sha256::new());
    let mut chunk = vec![0; CHUNK];
    let mut left = bytes;
    while left > 0 {
        let len = left.min(CHUNK as u64) as usize;
        random.fill(&mut chunk[..len]);
        digest.update(&chunk[..len]);
        to.write_all(&chunk[..len])?;
        left -= len as u64;
    }
    Ok(File { len: bytes, sha256: digest.finalize().into() })
}

fn receive(mut from: TcpStream) -> std::io::Result<File> {
    let mut digest = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    let mut len = 0;
    loop {
        match from.read(&mut chunk)? {
            0 => return Ok(File { len, sha256: digest.finalize().into() }),
            read => {
                digest.update(&chunk[..read]);
                len += read as u64;
            }
        }
    }
}

impl std::fmt::Display for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes with SHA-256 ", self.len)?;
        self.sha256.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_changed_byte_makes_another_file() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let through = |change: u8| {
            let mut source = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (target, _) = listener.accept().unwrap();
            source.write_all(&[1, 2, 3 ^ change]).unwrap();
            drop(source);
            receive(target).unwrap()
        };
        assert_eq!(through(0), through(0));
        assert_ne!(through(0), through(4));
        // The digest of 01 02 03, by sha256sum.
        let known =
            "3 bytes with SHA-256 039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81";
        assert_eq!(through(0).to_string(), known);
    }
}
