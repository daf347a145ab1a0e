//! A port of the loopback interface for a program that has to be told its number.

#![allow(dead_code, reason = "a test uses the part that it needs")]

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};

/// Nobody but who asks for it by its number is given this port while it lives: it is bound, and as
/// it does not listen, the program can bind it as well and listen, as it reuses addresses. That holds
/// on Linux; elsewhere the port is only likely to be free.
pub(crate) struct Port {
    pub(crate) address: SocketAddr,
    _held: Option<OwnedFd>,
}

impl Port {
    pub(crate) fn free() -> Self {
        let held = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        set_socket_reuseaddr(&held, true).unwrap();
        bind(&held, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        Self {
            address: getsockname(&held).unwrap().try_into().unwrap(),
            _held: cfg!(target_os = "linux").then_some(held),
        }
    }

    pub(crate) fn number(&self) -> u16 {
        self.address.port()
    }
}
