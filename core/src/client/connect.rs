//! Making a connection: name, TCP, TLS, WebSocket; and the words for a person when one of them fails.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Error as WsError, protocol::WebSocketConfig},
};
use wheesht_proto::{address::RelayAddress, limits::MAX_FRAME};

use super::tls;
use crate::engine::LinkId;

/// What a link runs on.
pub(super) type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// For each address of the relay's name, before the next is tried.
const TCP_WITHIN: Duration = Duration::from_secs(6);

/// Why there is no connection, for a person.
#[derive(Debug)]
pub(super) struct ConnectError {
    pub(super) reason: String,
    /// The relay is not who it should be.
    pub(super) untrusted: bool,
}

impl ConnectError {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), untrusted: false }
    }

    pub(super) fn no_answer(relay: &RelayAddress) -> Self {
        Self::new(format!("{} does not answer; check the address and your connection", relay.authority()))
    }
}

/// How this link does TLS, for all its connections: that is what lets it resume sessions.
pub(super) fn tls(link: &LinkId, roots: &tls::Roots) -> Result<TlsConnector, rustls::Error> {
    Ok(TlsConnector::from(Arc::new(tls::config(link, roots)?)))
}

/// Connects, and goes over to frames.
pub(super) async fn connect(relay: &RelayAddress, tls: TlsConnector) -> Result<Socket, ConnectError> {
    let stream = secure(relay, tls).await?;
    let url = format!("wss://{}:{}/v1", relay.host(), relay.port());
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MAX_FRAME))
        .max_frame_size(Some(MAX_FRAME))
        // Of a write that does not fit, the rest waits here; a relay that reads nothing ends the connection long before.
        .max_write_buffer_size(4 * MAX_FRAME);
    match client_async_with_config(url, stream, Some(limits)).await {
        Ok((socket, _)) => Ok(socket),
        Err(error) => Err(upgrade_error(relay, error)),
    }
}

/// A connection on which nothing was said yet, to the relay that it should be.
pub(super) async fn secure(
    relay: &RelayAddress,
    tls: TlsConnector,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    let tcp = tcp(relay).await?;
    // Frames are whole messages, and a person waits for each.
    let _ = tcp.set_nodelay(true);
    let host = bare_host(relay).to_owned();
    let name = rustls::pki_types::ServerName::try_from(host)
        .map_err(|_| ConnectError::new(format!("{} is no host name", relay.host())))?;
    tls.connect(name, tcp).await.map_err(|error| tls_error(relay, &error))
}

async fn tcp(relay: &RelayAddress) -> Result<TcpStream, ConnectError> {
    let addresses = lookup_host((bare_host(relay), relay.port())).await.map_err(|_| {
        let host = relay.host();
        ConnectError::new(format!("the name {host} is not known; check its spelling and your connection"))
    })?;
    let mut failure = None;
    for address in addresses {
        match timeout(TCP_WITHIN, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = Some(tcp_error(relay, &error)),
            Err(_) => failure = Some(ConnectError::no_answer(relay)),
        }
    }
    Err(failure.unwrap_or_else(|| ConnectError::no_answer(relay)))
}

/// Without the brackets of an IPv6 address.
fn bare_host(relay: &RelayAddress) -> &str {
    relay.host().trim_start_matches('[').trim_end_matches(']')
}

fn tcp_error(relay: &RelayAddress, error: &io::Error) -> ConnectError {
    let at = relay.authority();
    ConnectError::new(match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("no relay is running at {at}; check host and port"),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            format!("{at} can't be reached from here; check your connection")
        }
        io::ErrorKind::TimedOut => return ConnectError::no_answer(relay),
        _ => format!("{at} can't be reached: {error}"),
    })
}

fn tls_error(relay: &RelayAddress, error: &io::Error) -> ConnectError {
    let at = relay.authority();
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return ConnectError::new(format!(
            "{at} ended the connection before it was secure; is it a Wheesht relay?"
        ));
    };
    if tls::is_untrusted(error) {
        let reason = match relay.fingerprint() {
            Some(_) => format!(
                "{at} shows another key than the one it is known by: somebody may be in between, or the relay was set \
                 up anew. Ask its operator for the address with the fingerprint"
            ),
            None => format!(
                "{at} has no certificate from an authority that is trusted here ({error}). If it is a relay of your own, write its \
                 address with the fingerprint that it prints at start: {at}#…"
            ),
        };
        return ConnectError { reason, untrusted: true };
    }
    let hybrid_refused = matches!(
        error,
        rustls::Error::AlertReceived(
            rustls::AlertDescription::HandshakeFailure | rustls::AlertDescription::InsufficientSecurity
        ) | rustls::Error::PeerIncompatible(_)
    );
    match hybrid_refused {
        true => ConnectError::new(format!(
            "{at} does not offer the key exchange that Wheesht insists on (TLS 1.3 with X25519MLKEM768); its operator has to \
             update it"
        )),
        false => ConnectError::new(format!("no secure connection to {at}: {error}")),
    }
}

fn upgrade_error(relay: &RelayAddress, error: WsError) -> ConnectError {
    let at = relay.authority();
    ConnectError::new(match error {
        WsError::Http(response) => match response.status().as_u16() {
            429 => format!("{at} takes no more connections from here; try again later"),
            503 => format!("{at} is overloaded or going down; try again later"),
            status => format!(
                "{at} is no Wheesht relay, or is behind a proxy that does not let it through (HTTP {status})"
            ),
        },
        WsError::Io(_) | WsError::Tls(_) => format!("{at} ended the connection; try again later"),
        _ => format!("{at} does not speak as a Wheesht relay does"),
    })
}
