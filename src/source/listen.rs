//! Listens on a socket for those who send records.
//!
//! **In → out:** an [`Address`]; out come connections, each to be read as a source of its own.
//!
//! **Invariants.** **A Unix socket is open to its owner only from the moment that it has its path.**
//! **Nothing that is not a socket is ever removed**, nor one that somebody listens on; one that
//! nobody listens on is replaced. The socket is removed when the listener ends.
//!
//! **Not here:** how many connections there may be (pipeline).
//!
//! **Failure:** [`ListenError`] from binding. A connection that cannot be accepted is asked for again.

use std::fmt;
use std::fs::{self, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};

use super::StopSignal;

/// How long to wait when the system has nothing left for another connection.
const BREATH: Duration = Duration::from_millis(100);

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A socket of this path.
    Unix(PathBuf),
    /// An address of this machine.
    Tcp(SocketAddr),
}

/// Why nobody can be listened to.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The system refused it.
    #[error("cannot listen on {address}: {error}")]
    Bind {
        /// Where.
        address: Address,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The path is taken by something else than a socket.
    #[error("cannot listen on {address}: there is something else, which stays as it is")]
    NoSocket {
        /// Where.
        address: Address,
    },
    /// Somebody listens there.
    #[error("cannot listen on {address}: another process does")]
    Taken {
        /// Where.
        address: Address,
    },
}

/// A socket that listens.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    stop: StopSignal,
}

#[derive(Debug)]
enum Socket {
    /// With its path and inode, by which it is told from one that took its place.
    Unix(UnixListener, PathBuf, u64),
    Tcp(TcpListener),
}

impl Listener {
    /// Listens until it is dropped.
    ///
    /// # Errors
    ///
    /// When the address is taken or refused.
    pub fn bind(address: &Address, stop: StopSignal) -> Result<Self, ListenError> {
        let failed = |error| ListenError::Bind {
            address: address.clone(),
            error,
        };
        let socket = match address {
            Address::Tcp(tcp) => {
                let listener = TcpListener::bind(tcp).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                Socket::Tcp(listener)
            }
            Address::Unix(path) => {
                remove_stale(address, path)?;
                let listener = bind_unix(path).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                let inode = fs::symlink_metadata(path).map_err(failed)?.ino();
                Socket::Unix(listener, path.clone(), inode)
            }
        };
        Ok(Self { socket, stop })
    }

    /// Where it listens: the port, when any was asked for.
    pub fn address(&self) -> Address {
        match &self.socket {
            Socket::Unix(_, path, _) => Address::Unix(path.clone()),
            Socket::Tcp(listener) => {
                let any = SocketAddr::from(([0, 0, 0, 0], 0));
                Address::Tcp(listener.local_addr().unwrap_or(any))
            }
        }
    }

    /// Waits for the next connection; nothing once the stop signal is set.
    pub fn accept(&self) -> Option<OwnedFd> {
        loop {
            let mut fds = [
                PollFd::from_borrowed_fd(self.fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.stop.hangup(), PollFlags::IN),
            ];
            // An interrupted wait is just a short one.
            let (Ok(_) | Err(_)) = rustix::event::poll(&mut fds, None);
            if self.stop.is_stopped() {
                return None;
            }
            let accepted = match &self.socket {
                Socket::Unix(listener, ..) => listener.accept().map(|(stream, _)| stream.into()),
                Socket::Tcp(listener) => listener.accept().map(|(stream, _)| stream.into()),
            };
            match accepted {
                Ok(connection) => return Some(connection),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // No descriptors are left, or the client has gone already.
                Err(_) => self.stop.wait(BREATH),
            }
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Unix(listener, ..) => listener.as_fd(),
            Socket::Tcp(listener) => listener.as_fd(),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Socket::Unix(_, path, inode) = &self.socket
            && fs::symlink_metadata(path).is_ok_and(|there| there.ino() == *inode)
        {
            // What cannot be removed is stale for the next run.
            let (Ok(()) | Err(_)) = fs::remove_file(path);
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
        }
    }
}

/// Removes a socket that nobody listens on.
fn remove_stale(address: &Address, path: &Path) -> Result<(), ListenError> {
    let Ok(there) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    let address = address.clone();
    if !there.file_type().is_socket() {
        return Err(ListenError::NoSocket { address });
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| ListenError::Bind { address, error })
        }
        Ok(_) => Err(ListenError::Taken { address }),
        Err(error) => Err(ListenError::Bind { address, error }),
    }
}

/// Binds under another name, in a directory that is closed to others, so that the socket never has
/// its path with the rights that the umask gives. A hard link does not replace what is there.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
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
