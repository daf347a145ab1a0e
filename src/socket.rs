//! A Unix socket that has its path for as long as it listens.
//!
//! In → out: a path; a [`UnixSocket`], of which `source` takes connections with records and
//! `metrics` those that scrape.
//!
//! Invariants: **It is open to its owner only from the moment that it has its path.** **Nothing that
//! is not a socket is ever removed**, nor one that somebody listens on; one that nobody listens on is
//! replaced. The socket is removed when it is dropped, unless another has taken its place.
//!
//! Not here: who connects and what is said (`source`, `metrics`).
//!
//! Failure: [`SocketError`], which says what is there.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// A socket that listens, in non-blocking mode.
#[derive(Debug)]
pub struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
    /// By which it is told from one that took its place.
    inode: u64,
}

/// Why nobody can be listened to at a path.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The system refused it.
    #[error(transparent)]
    System(#[from] io::Error),
    /// The path is taken by something else than a socket.
    #[error("there is something else, which stays as it is")]
    NoSocket,
    /// Somebody listens there.
    #[error("another process does")]
    Taken,
}

impl UnixSocket {
    /// Listens until it is dropped.
    ///
    /// # Errors
    ///
    /// When the path is taken or refused.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        if !Self::is_free(path)? {
            fs::remove_file(path)?;
        }
        let listener = bind_private(path)?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            inode: fs::symlink_metadata(path)?.ino(),
        })
    }

    /// Looks whether a socket can be bound here: true at once, false once the one that nobody listens
    /// on any more is removed.
    ///
    /// # Errors
    ///
    /// When the path is taken.
    pub fn is_free(path: &Path) -> Result<bool, SocketError> {
        let Ok(there) = fs::symlink_metadata(path) else {
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            fs::metadata(folder.unwrap_or(Path::new(".")))?;
            return Ok(true);
        };
        if !there.file_type().is_socket() {
            return Err(SocketError::NoSocket);
        }
        match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
            Ok(_) => Err(SocketError::Taken),
            Err(error) => Err(error.into()),
        }
    }

    /// What takes the connections.
    pub const fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|there| there.ino() == self.inode) {
            // What cannot be removed is stale for the next run.
            let (Ok(()) | Err(_)) = fs::remove_file(&self.path);
        }
    }
}

/// Binds under another name, in a directory that is closed to others, so that the socket never has
/// its path with the rights that the umask gives. A hard link does not replace what is there.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut private = name.to_owned();
    private.push(format!(".{}", std::process::id()));
    let directory = path.with_file_name(private);
    fs::create_dir(&directory)?;
    let socket = directory.join("s");
    let bound = fs::set_permissions(&directory, Permissions::from_mode(0o700))
        .and_then(|()| UnixListener::bind(&socket))
        .and_then(|listener| {
            fs::set_permissions(&socket, Permissions::from_mode(0o600))?;
            fs::hard_link(&socket, path)?;
            Ok(listener)
        });
    // It is empty, or has the socket that has its path now.
    let (Ok(()) | Err(_)) = fs::remove_file(&socket);
    let (Ok(()) | Err(_)) = fs::remove_dir(&directory);
    bound
}
