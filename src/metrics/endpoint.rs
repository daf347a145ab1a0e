//! The HTTP endpoint that Prometheus scrapes.
//!
//! In → out: an [`Address`] → `GET` (and `HEAD`) of `/metrics` with the text of [`Metrics::render`],
//! `/healthz`, and `/` with a pointer to both; 404 and 405 for the rest.
//!
//! Invariants: **It costs no more than [`MAX_CONNECTIONS`] connections**, each closed after one
//! answer or after [`DEADLINE`], so that neither a slow client nor many can hold anything for
//! long. Nothing that a client sends is used but the method and the path. **Of a range the first free
//! port is taken**, so that several processes can be given the same.
//!
//! Not here: authentication and TLS; the address is the loopback unless the user names another. How a
//! Unix socket has and leaves its path (`socket`).
//!
//! Failure: an address that cannot be had is [`Error::Listen`]. After that nothing ends the
//! endpoint but its stop signal; a connection's errors are its own.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{CONTENT_TYPE, Error, Metrics};
use crate::socket::{SocketError, UnixSocket};

/// Connections served at a time; more wait in the system's queue.
const MAX_CONNECTIONS: usize = 16;

/// The longest life of a connection, from accept to close; Prometheus itself gives up after 10 s.
const DEADLINE: Duration = Duration::from_secs(10);

/// The pause after a failed accept. Without it a process that is out of file descriptors would
/// spin, as the connection that it cannot accept stays in the queue.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// hyper's default keeps up to 400 KB a connection; a scrape's head has some 300 bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A socket of this path.
    Unix(PathBuf),
    /// The first free one of these ports; port 0 alone is any that is free.
    Tcp(IpAddr, RangeInclusive<u16>),
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address.ip(), address.port()..=address.port())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(ip, ports) => {
                write!(f, "{}", SocketAddr::new(*ip, *ports.start()))?;
                if ports.start() < ports.end() {
                    write!(f, "-{}", ports.end())?;
                }
                Ok(())
            }
        }
    }
}

/// An address that is listened on.
pub struct Endpoint {
    listener: Listener,
    address: Address,
}

enum Listener {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        /// What keeps the path.
        _socket: UnixSocket,
    },
}

impl Endpoint {
    /// Takes `address`. Needs tokio's I/O driver.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] when the address is taken, with all of its ports, or is not one of this
    /// machine.
    pub async fn bind(address: &Address) -> Result<Self, Error> {
        let listener = match address {
            Address::Unix(path) => bind_unix(path.clone()),
            Address::Tcp(ip, ports) => bind_tcp(*ip, ports.clone()).await,
        };
        listener.map_err(|source| Error::Listen {
            address: address.clone(),
            source,
        })
    }

    /// The address with the port in use.
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Answers until `stop`. Connections that are open then live on until their own end, or the
    /// runtime's. Needs tokio's timers.
    pub async fn serve(self, metrics: Arc<Metrics>, stop: CancellationToken) {
        let accepting = accept(self.listener, router(metrics));
        stop.run_until_cancelled(accepting).await;
    }
}

fn router(metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/", get(async || "hsmtrail: /metrics, /healthz\n"))
        .route("/healthz", get(async || "ok\n"))
        .route("/metrics", get(render))
        .with_state(metrics)
}

async fn render(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], metrics.render())
}

fn bind_unix(path: PathBuf) -> Result<Endpoint, SocketError> {
    let socket = UnixSocket::bind(&path)?;
    let listener = UnixListener::from_std(socket.listener().try_clone()?)?;
    Ok(Endpoint {
        listener: Listener::Unix {
            listener,
            _socket: socket,
        },
        address: Address::Unix(path),
    })
}

async fn bind_tcp(ip: IpAddr, ports: RangeInclusive<u16>) -> Result<Endpoint, SocketError> {
    let mut refused = SocketError::Taken;
    for port in ports {
        match TcpListener::bind((ip, port)).await {
            Ok(listener) => {
                return Ok(Endpoint {
                    address: listener.local_addr()?.into(),
                    listener: Listener::Tcp(listener),
                });
            }
            // Taken, or below 1024, or whatever: the next may be free.
            Err(error) => refused = error.into(),
        }
    }
    Err(refused)
}

async fn accept(listener: Listener, router: Router) {
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // The semaphore is never closed, so the loop has no end of its own.
    while let Ok(permit) = Arc::clone(&free).acquire_owned().await {
        let router = router.clone();
        let accepted = match &listener {
            Listener::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                tokio::spawn(answer(stream, router, permit));
            }),
            Listener::Unix { listener, .. } => listener.accept().await.map(|(stream, _)| {
                tokio::spawn(answer(stream, router, permit));
            }),
        };
        if let Err(error) = accepted {
            tracing::warn!(%error, "metrics endpoint cannot accept connections");
            sleep(ACCEPT_PAUSE).await;
        }
    }
}

/// One request, one answer: keeping connections would save nothing at a scrape every few seconds.
async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    router: Router,
    _place: OwnedSemaphorePermit,
) {
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match timeout(DEADLINE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "metrics connection failed"),
        Err(_) => tracing::debug!("metrics connection took too long"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, TcpStream};

    use super::*;

    /// Clients that send nothing take all places; when they are gone, the next one is served.
    #[test]
    fn idle_clients_hold_a_bounded_number_of_places() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let stop = CancellationToken::new();
        let address = runtime.block_on(async {
            let any: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
            let endpoint = Endpoint::bind(&any.into()).await.unwrap();
            let address = endpoint.address().to_string();
            tokio::spawn(endpoint.serve(Arc::new(Metrics::new()), stop.clone()));
            address
        });

        let idle: Vec<TcpStream> = (0..MAX_CONNECTIONS)
            .map(|_| TcpStream::connect(&address).unwrap())
            .collect();
        let mut client = TcpStream::connect(&address).unwrap();
        client
            .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        client
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        assert!(
            client.read_to_string(&mut answer).is_err(),
            "served beyond the limit: {answer}"
        );

        drop(idle);
        client
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        client.read_to_string(&mut answer).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ok\n"),
            "{answer}"
        );
        stop.cancel();
    }
}
