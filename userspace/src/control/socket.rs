//! The control socket: who may ask the running process, and where.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream as Probe;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// Why the control socket could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Somebody answers there already.
    #[error(
        "{}: another process answers on this control socket; stop it, or set [control] socket to \
         another path", path.display()
    )]
    Taken {
        /// Where.
        path: PathBuf,
    },
    /// Something is there that is no socket.
    #[error("{}: not a socket; remove it, or set [control] socket to another path", path.display())]
    NoSocket {
        /// Where.
        path: PathBuf,
    },
    /// The kernel refused.
    #[error("{}: cannot {what} the control socket: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What it said.
        source: io::Error,
    },
}

/// A listening socket that only its owner may talk to; the file goes with the value.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Listens at `path`, in the place of what a killed process left there.
    ///
    /// # Errors
    /// [`SocketError`], when a living process listens there above all.
    pub fn open(path: &Path) -> Result<Self, SocketError> {
        let error = |what| move |source| SocketError::Io { path: path.to_owned(), what, source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(error("make the folder of"))?;
        }
        remove_stale(path)?;
        let listener = UnixListener::bind(path).map_err(error("bind"))?;
        let socket = Self { listener, path: path.to_owned() };
        // Between the two calls the file has the umask's mode: others may connect but are not answered,
        // because nobody is until `accept` is first called.
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(error("protect"))?;
        Ok(socket)
    }

    /// The next one who asks.
    ///
    /// # Errors
    /// The kernel is out of descriptors or memory.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = fs::remove_file(&self.path);
    }
}

fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    let path_owned = path.to_owned();
    if !found.file_type().is_socket() {
        return Err(SocketError::NoSocket { path: path_owned });
    }
    if Probe::connect(path).is_ok() {
        return Err(SocketError::Taken { path: path_owned });
    }
    let error = |source| SocketError::Io { path: path.to_owned(), what: "remove", source };
    fs::remove_file(path).map_err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[tokio::test]
    async fn only_the_owner_may_ask_and_nothing_stays() {
        let folder = folder();
        let path = folder.path().join("run/control.sock");
        let socket = ControlSocket::open(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_a_killed_process_left_is_replaced() {
        let folder = folder();
        let path = folder.path().join("control.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "std leaves the file behind, as a killed process does");
        ControlSocket::open(&path).unwrap();
    }

    #[tokio::test]
    async fn a_living_one_is_not() {
        let folder = folder();
        let path = folder.path().join("control.sock");
        let _first = ControlSocket::open(&path).unwrap();
        let second = ControlSocket::open(&path).unwrap_err();
        assert!(matches!(second, SocketError::Taken { .. }), "{second}");
        assert!(path.exists());
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_alone() {
        let folder = folder();
        let path = folder.path().join("control.sock");
        fs::write(&path, "precious").unwrap();
        let refused = ControlSocket::open(&path).unwrap_err();
        assert!(matches!(refused, SocketError::NoSocket { .. }), "{refused}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }
}
