//! The smallest HTTP client: bytes out, bytes in until the server closes.

#![allow(dead_code, reason = "a test uses the part that it needs")]

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Only a test that hangs meets it.
const PATIENCE: Duration = Duration::from_mins(5);

/// A response, split at its empty line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    /// The number in the status line; 0 when the server closed without an answer.
    pub(crate) status: u16,
    /// Status line and headers as sent.
    pub(crate) head: String,
    /// What follows the empty line.
    pub(crate) body: String,
}

impl Response {
    /// The value of the header `name`, given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Sends `METHOD PATH`. HTTP/1.0 keeps a Go server from chunking its answer.
pub(crate) fn request(address: SocketAddr, method: &str, path: &str) -> io::Result<Response> {
    exchange(
        address,
        format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes(),
    )
}

/// Sends `bytes` as they are.
pub(crate) fn exchange(address: SocketAddr, bytes: &[u8]) -> io::Result<Response> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    exchange_over(stream, bytes)
}

/// Sends `GET PATH` to a Unix socket.
pub(crate) fn request_unix(socket: &Path, path: &str) -> io::Result<Response> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    exchange_over(stream, request.as_bytes())
}

fn exchange_over(mut stream: impl io::Read + io::Write, bytes: &[u8]) -> io::Result<Response> {
    stream.write_all(bytes)?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // A server that closes before it has read everything resets the connection.
        Err(error) if error.kind() != io::ErrorKind::ConnectionReset => return Err(error),
        _ => {}
    }
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    Ok(Response {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}
