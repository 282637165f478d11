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
use quinn::{ClientConfig, Connection, Endpoint, RecvStream, SendStream, ServerConfig};
use quinn::{TransportConfig, VarInt};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::io::{copy_bidirectional, join};
use tokio::net::{TcpListener, TcpStream};

/// Several times 200 Mbit/s for 300 ms, in bytes.
const WINDOW: u32 = 32 << 20;
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
        .stream_receive_window(VarInt::from_u32(WINDOW))
        .receive_window(VarInt::from_u32(WINDOW))
        .send_window(WINDOW.into())
        .keep_alive_interval(Some(Duration::from_secs(5)));
    Ok(Arc::new(config))
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
    let endpoint = Endpoint::server(config, listen)?;
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
    let mut endpoint = Endpoint::client(SocketAddr::from(([0, 0, 0, 0], 0)))?;
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
