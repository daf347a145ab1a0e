//! Listens on a socket for those who send records.
//!
//! **In → out:** an [`Address`]; out come connections, each to be read as a source of its own.
//!
//! **Invariants.** A socket that was passed on is used as it is, and is left to who made it.
//!
//! **Not here:** how many connections there may be (pipeline); how a Unix socket has and leaves its
//! path (`socket`).
//!
//! **Failure:** [`ListenError`] from binding. A connection that cannot be accepted is asked for again.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

use listenfd::ListenFd;
use rustix::event::{PollFd, PollFlags};
use rustix::net::sockopt::socket_acceptconn;

use super::StopSignal;
use crate::socket::{SocketError, UnixSocket};

/// How long to wait when the system has nothing left for another connection.
const BREATH: Duration = Duration::from_millis(100);

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A socket of this path.
    Unix(PathBuf),
    /// An address of this machine.
    Tcp(SocketAddr),
    /// Where the socket listens that systemd passed on when it started the process.
    Systemd,
}

/// Why nobody can be listened to.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is taken or refused.
    #[error("cannot listen on {address}: {error}")]
    Bind {
        /// Where.
        address: Address,
        /// What is there, or what the system said.
        #[source]
        error: SocketError,
    },
    /// systemd passed on no socket, or several.
    #[error("systemd has to pass on one socket, and it was {0} (LISTEN_FDS)")]
    Passed(usize),
    /// It passed on something else.
    #[error("what systemd passed on is no stream socket that listens; Accept=no is needed")]
    NotListening,
}

/// A socket that listens.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    stop: StopSignal,
}

#[derive(Debug)]
enum Socket {
    Unix(UnixSocket),
    Tcp(TcpListener),
    /// Whose path is systemd's affair.
    Passed(UnixListener),
}

impl Listener {
    /// Listens until it is dropped.
    ///
    /// # Errors
    ///
    /// When the address is taken or refused, or systemd passed on no socket.
    pub fn bind(address: &Address, stop: StopSignal) -> Result<Self, ListenError> {
        let socket = match address {
            Address::Tcp(tcp) => bind_tcp(*tcp).map(Socket::Tcp).map_err(SocketError::from),
            Address::Unix(path) => UnixSocket::bind(path).map(Socket::Unix),
            Address::Systemd => {
                return Ok(Self {
                    socket: passed()?,
                    stop,
                });
            }
        };
        let failed = |error| ListenError::Bind {
            address: address.clone(),
            error,
        };
        Ok(Self {
            socket: socket.map_err(failed)?,
            stop,
        })
    }

    /// Where it listens: the port, when any was asked for, or what was passed on.
    pub fn address(&self) -> Address {
        match &self.socket {
            Socket::Unix(socket) => Address::Unix(socket.path().to_owned()),
            Socket::Tcp(listener) => {
                let any = SocketAddr::from(([0, 0, 0, 0], 0));
                Address::Tcp(listener.local_addr().unwrap_or(any))
            }
            Socket::Passed(listener) => {
                let address = listener.local_addr().ok();
                let path = address.and_then(|address| address.as_pathname().map(PathBuf::from));
                path.map_or(Address::Systemd, Address::Unix)
            }
        }
    }

    /// Waits for the next connection; nothing once the stop signal is set.
    pub fn accept(&self) -> Option<OwnedFd> {
        loop {
            let mut fds = [
                PollFd::from_borrowed_fd(self.socket.fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.stop.hangup(), PollFlags::IN),
            ];
            // An interrupted wait is just a short one.
            let (Ok(_) | Err(_)) = rustix::event::poll(&mut fds, None);
            if self.stop.is_stopped() {
                return None;
            }
            let accepted = match &self.socket {
                Socket::Unix(socket) => socket.listener().accept().map(|(stream, _)| stream.into()),
                Socket::Passed(listener) => listener.accept().map(|(stream, _)| stream.into()),
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
}

impl Socket {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Unix(socket) => socket.listener().as_fd(),
            Socket::Passed(listener) => listener.as_fd(),
            Socket::Tcp(listener) => listener.as_fd(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
            Self::Systemd => f.write_str("systemd"),
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The one socket that was passed on.
fn passed() -> Result<Socket, ListenError> {
    let mut passed = ListenFd::from_env();
    if passed.len() != 1 {
        return Err(ListenError::Passed(passed.len()));
    }
    let unusable = |_: io::Error| ListenError::NotListening;
    let socket = match passed.take_unix_listener(0) {
        Ok(listener) => listener.map(Socket::Passed),
        // It is then still there.
        Err(_) => passed
            .take_tcp_listener(0)
            .map_err(unusable)?
            .map(Socket::Tcp),
    };
    let socket = socket.ok_or(ListenError::NotListening)?;
    let nonblocking = match &socket {
        Socket::Passed(listener) => listener.set_nonblocking(true),
        Socket::Tcp(listener) => listener.set_nonblocking(true),
        Socket::Unix(_) => Ok(()),
    };
    nonblocking.map_err(unusable)?;
    if socket_acceptconn(socket.fd()).unwrap_or(false) {
        Ok(socket)
    } else {
        Err(ListenError::NotListening)
    }
}
