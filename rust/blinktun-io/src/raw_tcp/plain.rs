//! Systems without what this needs.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::Socket;

use super::packet::{MESSAGES, Packet};
use super::segment::HEADER;

pub fn open(_: SocketAddr, _: usize, _: u8) -> io::Result<(Socket, usize)> {
    Err(io::ErrorKind::Unsupported.into())
}

pub fn send(
    _: &Socket,
    _: (IpAddr, SocketAddr),
    _: &[[u8; HEADER]; MESSAGES],
    _: &[u8],
    _: usize,
) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

pub fn receive(_: &Socket, _: &mut [u8], _: &mut [Option<Packet>; MESSAGES]) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}
