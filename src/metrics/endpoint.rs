//! The HTTP endpoint that Prometheus scrapes.
//!
//! In → out: an address → `GET` (and `HEAD`) of `/metrics` with the text of [`Metrics::render`],
//! `/healthz`, and `/` with a pointer to both; 404 and 405 for the rest.
//!
//! Invariants: **It costs no more than [`MAX_CONNECTIONS`] connections**, each closed after one
//! answer or after [`DEADLINE`], so that neither a slow client nor many can hold anything for
//! long. Nothing that a client sends is used but the method and the path.
//!
//! Not here: authentication and TLS; the address is the loopback unless the user names another.
//!
//! Failure: an address that cannot be had is [`Error::Listen`]. After that nothing ends the
//! endpoint but its stop signal; a connection's errors are its own.

use std::io;
use std::net::SocketAddr;
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
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{CONTENT_TYPE, Error, Metrics};

/// Connections served at a time; more wait in the system's queue.
const MAX_CONNECTIONS: usize = 16;

/// The longest life of a connection, from accept to close; Prometheus itself gives up after 10 s.
const DEADLINE: Duration = Duration::from_secs(10);

/// The pause after a failed accept. Without it a process that is out of file descriptors would
/// spin, as the connection that it cannot accept stays in the queue.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// hyper's default keeps up to 400 KB a connection; a scrape's head has some 300 bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// An address that is listened on.
pub struct Endpoint {
    listener: TcpListener,
    address: SocketAddr,
}

impl Endpoint {
    /// Takes `address`; with port 0 the system chooses a port. Needs tokio's I/O driver.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] when the address is taken or is not one of this machine.
    pub async fn bind(address: SocketAddr) -> Result<Self, Error> {
        let failed = |source: io::Error| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// The address with the port in use.
    pub const fn address(&self) -> SocketAddr {
        self.address
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

async fn accept(listener: TcpListener, router: Router) {
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // The semaphore is never closed, so the loop has no end of its own.
    while let Ok(permit) = Arc::clone(&free).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let router = router.clone();
                tokio::spawn(async move {
                    answer(stream, router).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "metrics endpoint cannot accept connections");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One request, one answer: keeping connections would save nothing at a scrape every few seconds.
async fn answer(stream: TcpStream, router: Router) {
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
            let endpoint = Endpoint::bind((Ipv4Addr::LOCALHOST, 0).into())
                .await
                .unwrap();
            let address = endpoint.address();
            tokio::spawn(endpoint.serve(Arc::new(Metrics::new()), stop.clone()));
            address
        });

        let idle: Vec<TcpStream> = (0..MAX_CONNECTIONS)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        let mut client = TcpStream::connect(address).unwrap();
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
