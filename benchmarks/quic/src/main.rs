//! A small QUIC tunnel: a TCP connection at the client is a bidirectional stream to the server, which dials
//! the target.
//!
//! ```text
//! quic-tunnel server LISTEN TARGET CERTIFICATE CONGESTION
//! quic-tunnel client LISTEN SERVER CERTIFICATE CONGESTION
//! ```
//!
//! The server writes its certificate into the file, and the client trusts that one. `CONGESTION` is `bbr` or
//! `cubic`. Everything else is as quinn has it, but for the windows, which must not be what is measured.

#![forbid(unsafe_code)]

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::congestion::{BbrConfig, CubicConfig};
use quinn::{ClientConfig, Connection, Endpoint, EndpointConfig, RecvStream, SendStream};
use quinn::{ServerConfig, TokioRuntime, TransportConfig, VarInt};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use socket2::{Domain, Socket, Type};
use tokio::io::{copy_bidirectional, join};
use tokio::net::{TcpListener, TcpStream};

/// Unread bytes that a stream and a connection may have: twice 200 Mbit/s for 300 ms.
const RECEIVED: u32 = 16 << 20;
/// Unacknowledged bytes of a connection: as much as that. All streams share them, so more would let a
/// download delay a request for longer.
const SENT: u64 = 8 << 20;
/// Buffers of the UDP sockets in bytes, as of kcptun's `sockbuf`.
const BUFFERS: usize = 4 << 20;
const NAME: &str = "benchmark";

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["server", listen, target, certificate, congestion] => {
            let transport = transport(congestion)?;
            serve(listen.parse()?, target.parse()?, certificate, transport).await
        }
        ["client", listen, server, certificate, congestion] => {
            let transport = transport(congestion)?;
            forward(listen.parse()?, server.parse()?, certificate, transport).await
        }
        _ => Err("quic-tunnel server|client LISTEN PEER CERTIFICATE bbr|cubic".into()),
    }
}

fn transport(congestion: &str) -> Outcome<Arc<TransportConfig>> {
    let mut config = TransportConfig::default();
    match congestion {
        "bbr" => config.congestion_controller_factory(Arc::new(BbrConfig::default())),
        "cubic" => config.congestion_controller_factory(Arc::new(CubicConfig::default())),
        _ => return Err(format!("congestion is bbr or cubic, not {congestion}").into()),
    };
    config
        .stream_receive_window(VarInt::from_u32(RECEIVED))
        .receive_window(VarInt::from_u32(RECEIVED))
        .send_window(SENT)
        .keep_alive_interval(Some(Duration::from_secs(5)));
    Ok(Arc::new(config))
}

fn endpoint(at: SocketAddr, server: Option<ServerConfig>) -> Outcome<Endpoint> {
    let socket = Socket::new(Domain::for_address(at), Type::DGRAM, None)?;
    socket.set_recv_buffer_size(BUFFERS)?;
    socket.set_send_buffer_size(BUFFERS)?;
    socket.bind(&at.into())?;
    let config = EndpointConfig::default();
    let runtime = Arc::new(TokioRuntime);
    Ok(Endpoint::new(config, server, socket.into(), runtime)?)
}

// --- the server ---------------------------------------------------------------------------------

async fn serve(
    listen: SocketAddr,
    target: SocketAddr,
    certificate: &str,
    transport: Arc<TransportConfig>,
) -> Outcome<()> {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut config = ServerConfig::with_single_cert(vec![made.cert.der().clone()], key.into())?;
    config.transport_config(transport);
    // The client starts when the port is open, so the file must be there before.
    std::fs::write(certificate, made.cert.der())?;
    let endpoint = endpoint(listen, Some(config))?;
    while let Some(incoming) = endpoint.accept().await {
        tokio::spawn(async move {
            if let Err(error) = serve_connection(incoming, target).await {
                eprintln!("connection: {error}");
            }
        });
    }
    Ok(())
}

async fn serve_connection(incoming: quinn::Incoming, target: SocketAddr) -> Outcome<()> {
    let connection = incoming.await?;
    loop {
        let (send, receive) = connection.accept_bi().await?;
        tokio::spawn(async move {
            let carried = async { carry(TcpStream::connect(target).await?, send, receive).await };
            if let Err(error) = carried.await {
                eprintln!("stream: {error}");
            }
        });
    }
}

// --- the client ---------------------------------------------------------------------------------

async fn forward(
    listen: SocketAddr,
    server: SocketAddr,
    certificate: &str,
    transport: Arc<TransportConfig>,
) -> Outcome<()> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(std::fs::read(certificate)?))?;
    let mut config = ClientConfig::with_root_certificates(Arc::new(roots))?;
    config.transport_config(transport);
    let mut endpoint = endpoint(SocketAddr::from(([0, 0, 0, 0], 0)), None)?;
    endpoint.set_default_client_config(config);
    let connection = endpoint.connect(server, NAME)?.await?;
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (local, _) = listener.accept().await?;
        let connection = connection.clone();
        tokio::spawn(async move {
            if let Err(error) = open(local, &connection).await {
                eprintln!("stream: {error}");
            }
        });
    }
}

async fn open(local: TcpStream, connection: &Connection) -> Outcome<()> {
    let (send, receive) = connection.open_bi().await?;
    carry(local, send, receive).await
}

// --- both ---------------------------------------------------------------------------------------

/// Carry bytes and ends both ways.
async fn carry(mut tcp: TcpStream, send: SendStream, receive: RecvStream) -> Outcome<()> {
    tcp.set_nodelay(true)?;
    let mut quic = join(receive, send);
    copy_bidirectional(&mut tcp, &mut quic).await?;
    Ok(())
}
