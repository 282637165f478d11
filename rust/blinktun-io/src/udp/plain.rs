//! Systems without offloads: one call a datagram.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use socket2::Socket;

use crate::inbox::{BUFFER, Run};

pub fn set_traffic_class(socket: &Socket, v6: bool, class: u32) -> io::Result<()> {
    if v6 { Ok(()) } else { socket.set_tos_v4(class) }
}

pub fn set_buffers(socket: &Socket, bytes: usize) {
    // What the system does not grant it does not grant.
    let _ = socket.set_recv_buffer_size(bytes);
    let _ = socket.set_send_buffer_size(bytes);
}

pub fn enable_offloads(_socket: &Socket) -> bool {
    false
}

pub fn is_refusal(_error: &io::Error) -> bool {
    true
}

pub fn send_run(_: &UdpSocket, _: SocketAddr, _: &[u8], _: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub fn receive(socket: &UdpSocket, bytes: &mut [u8], runs: &mut Vec<Run>) -> io::Result<usize> {
    for (index, buffer) in bytes.chunks_mut(BUFFER).enumerate() {
        match socket.recv_from(buffer) {
            Ok((len, from)) => runs.push(Run {
                from,
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
