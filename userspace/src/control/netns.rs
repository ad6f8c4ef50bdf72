//! Which network namespace this is.

use std::os::unix::fs::MetadataExt;
use std::{fs, io};

/// The inode number of the calling thread's network namespace: its identity while it lives
/// (namespaces(7)). A number may come back once its namespace is gone.
///
/// # Errors
/// Where `/proc` is not mounted.
pub fn inode() -> io::Result<u64> {
    Ok(fs::metadata("/proc/thread-self/ns/net")?.ino())
}
