//! Systems without offloads: one call a datagram.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use blinktun_proto::path::FourTuple;
use socket2::Socket;

use crate::inbox::{BUFFER, Run};

pub fn set_traffic_class(socket: &Socket, v6: bool, class: u32) -> io::Result<()> {
    if v6 { Ok(()) } else { socket.set_tos_v4(class) }
}

pub fn set_buffers(socket: &Socket, bytes: usize) -> io::Result<usize> {
    // What the system does not grant it does not grant.
    let _ = socket.set_recv_buffer_size(bytes);
    let _ = socket.set_send_buffer_size(bytes);
    Ok(socket.recv_buffer_size()?.min(socket.send_buffer_size()?))
}

pub fn enable_offloads(_: &Socket) -> bool {
    false
}

pub fn allow_fragments(_: &Socket, _: bool) {}

pub const CAN_FORBID_FRAGMENTS: bool = false;

pub fn forbid_fragments<T>(_: &T, _: bool, _: bool) -> io::Result<()> {
    Ok(())
}

pub fn known_mtu(_: SocketAddr) -> Option<usize> {
    None
}

pub fn receive_local_ip(_: &UdpSocket, _: bool) -> io::Result<()> {
    Ok(())
}

pub fn send(_: &UdpSocket, _: FourTuple, _: &[u8], _: Option<usize>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub fn send_each(
    socket: &UdpSocket,
    path: FourTuple,
    datagrams: &[u8],
    stride: usize,
) -> io::Result<usize> {
    let first = &datagrams[..stride.min(datagrams.len())];
    socket.send_to(first, path.remote).map(|_| 1)
}

pub fn receive(socket: &UdpSocket, bytes: &mut [u8], runs: &mut Vec<Run>) -> io::Result<usize> {
    for (index, buffer) in bytes.chunks_mut(BUFFER).enumerate() {
        match socket.recv_from(buffer) {
            Ok((len, from)) => runs.push(Run {
                path: from.into(),
                start: index * BUFFER,
                len,
                stride: len,
            }),
            Err(error) if index == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(runs.len())
}
