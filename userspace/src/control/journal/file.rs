//! The journal's file.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use rtnetlink::Handle;
use serde::{Deserialize, Serialize};

use super::super::netns;
use super::owner::Owner;
use super::{Change, ChangeError};

/// Raised with every change of the format that an older Sluice would misread.
const VERSION: u32 = 1;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another Sluice serves the interface.
    #[error(
        "another Sluice (pid {pid}) serves {iface}: stop it first (`kill {pid}`); its journal is {}",
        path.display()
    )]
    Owned {
        /// The interface.
        iface: String,
        /// The other's process id.
        pid: i32,
        /// The journal.
        path: PathBuf,
    },
    /// The file is no journal.
    #[error(
        "the journal {} cannot be read ({reason}), so what an earlier Sluice changed is not known: look \
         for left-over policy rules (`ip rule`) and delete them, then delete the file",
        path.display()
    )]
    Corrupt {
        /// The journal.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file or its folder cannot be read or written.
    #[error("cannot {what} {}: {source}; [control] state_dir must be writable", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A change could not be made or undone.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Content {
    version: u32,
    owner: Owner,
    changes: Vec<Change>,
}

/// The journal of one interface in one network namespace, owned by this process.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    content: Content,
}

impl Journal {
    /// Claims the journal of `iface` in the calling thread's network namespace, in the folder
    /// `state_dir`, which is made if need be. What a process that is gone left in it is still to be
    /// undone ([`undo`](Self::undo)); what was left before the machine was started anew is gone by itself.
    ///
    /// # Errors
    /// Where another Sluice that lives owns it, or it cannot be read or written.
    pub fn open(state_dir: &Path, iface: &str) -> Result<Self, JournalError> {
        fs::create_dir_all(state_dir).map_err(|e| io_error("make the folder", state_dir, e))?;
        let namespace =
            netns::inode().map_err(|e| io_error("read", "/proc/thread-self/ns/net".as_ref(), e))?;
        let path = state_dir.join(format!("{iface}-{namespace}.journal"));
        let owner =
            Owner::current().map_err(|e| io_error("read", "/proc/self/stat".as_ref(), e))?;
        // Two that start at once: one after the other from here to the end of the function.
        let _lock = lock(state_dir)?;
        let changes = match read(&path)? {
            Some(left) if left.owner.boot != owner.boot => Vec::new(),
            Some(left) if left.owner != owner && left.owner.is_alive() => {
                return Err(JournalError::Owned {
                    iface: iface.to_owned(),
                    pid: left.owner.pid,
                    path,
                });
            }
            Some(left) => left.changes,
            None => Vec::new(),
        };
        let journal = Self { path, content: Content { version: VERSION, owner, changes } };
        journal.write()?;
        Ok(journal)
    }

    /// What is recorded: changes that were made, or may have been.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.content.changes
    }

    /// Records changes; they are on disk when this returns. What is recorded already is not repeated.
    ///
    /// # Errors
    /// Where the file cannot be written; then the changes must not be made.
    pub fn record(
        &mut self,
        changes: impl IntoIterator<Item = Change>,
    ) -> Result<(), JournalError> {
        let before = self.content.changes.len();
        for change in changes {
            if !self.content.changes.contains(&change) {
                self.content.changes.push(change);
            }
        }
        if self.content.changes.len() == before { Ok(()) } else { self.write() }
    }

    /// Records a change and makes it.
    ///
    /// # Errors
    /// Where the file cannot be written or the kernel refuses.
    pub async fn apply(&mut self, change: Change, handle: &Handle) -> Result<(), JournalError> {
        self.record([change.clone()])?;
        Ok(change.apply(handle).await?)
    }

    /// Undoes one change and takes it out of the record. Where it cannot be undone it stays recorded.
    ///
    /// # Errors
    /// Where the kernel refuses or the file cannot be written.
    pub async fn revert(&mut self, change: &Change, handle: &Handle) -> Result<(), JournalError> {
        change.undo(handle).await?;
        self.forget(change)
    }

    /// Takes a change out of the record and leaves it as it is: it is no longer Sluice's to undo.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn forget(&mut self, change: &Change) -> Result<(), JournalError> {
        self.content.changes.retain(|recorded| recorded != change);
        self.write()
    }

    /// Records `new` in the place of `old`, which is undone already.
    ///
    /// # Errors
    /// Where the file cannot be written; then the new changes must not be made.
    pub fn exchange(&mut self, old: &[Change], new: Vec<Change>) -> Result<(), JournalError> {
        if old == new {
            return self.record(new);
        }
        self.content.changes.retain(|recorded| !old.contains(recorded) || new.contains(recorded));
        self.content.changes.extend(new.into_iter().filter(|change| !old.contains(change)));
        self.write()
    }

    /// Undoes all that is recorded, the last first. What cannot be undone stays recorded.
    ///
    /// # Errors
    /// The first failure, after all has been tried.
    pub async fn undo(&mut self, handle: &Handle) -> Result<(), JournalError> {
        let mut kept = Vec::new();
        let mut failure = None;
        for change in self.content.changes.drain(..).rev() {
            if let Err(error) = change.undo(handle).await {
                kept.push(change);
                failure.get_or_insert(error);
            }
        }
        kept.reverse();
        self.content.changes = kept;
        self.write()?;
        failure.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Removes the file: a clean stop.
    ///
    /// # Errors
    /// Where it cannot be removed.
    pub fn remove(self) -> Result<(), JournalError> {
        fs::remove_file(&self.path).map_err(|source| io_error("remove", &self.path, source))
    }

    /// Writes beside the file and renames: who is killed meanwhile leaves the old or the new one whole.
    fn write(&self) -> Result<(), JournalError> {
        let next = self.path.with_extension("next");
        let written = || -> io::Result<()> {
            let mut file = File::create(&next)?;
            serde_json::to_writer_pretty(&mut file, &self.content)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&next, &self.path)?;
            // The new name is on disk only when its folder is.
            self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        };
        written().map_err(|source| io_error("write", &self.path, source))
    }
}

fn lock(state_dir: &Path) -> Result<Flock<File>, JournalError> {
    let folder = File::open(state_dir).map_err(|source| io_error("open", state_dir, source))?;
    Flock::lock(folder, FlockArg::LockExclusive)
        .map_err(|(_, errno)| io_error("lock", state_dir, errno.into()))
}

fn read(path: &Path) -> Result<Option<Content>, JournalError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(io_error("read", path, source)),
    };
    let corrupt = |reason| JournalError::Corrupt { path: path.to_owned(), reason };
    let content: Content = serde_json::from_str(&text).map_err(|e| corrupt(e.to_string()))?;
    if content.version != VERSION {
        return Err(corrupt(format!("format {}, this Sluice knows {VERSION}", content.version)));
    }
    Ok(Some(content))
}

fn io_error(what: &'static str, path: &Path, source: io::Error) -> JournalError {
    JournalError::Io { what, path: path.to_owned(), source }
}
