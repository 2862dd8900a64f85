//! From a TCP connection to a WebSocket: TLS, one HTTP request, and what it may ask for.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    extract::{State, WebSocketUpgrade},
    http::{HeaderMap, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use hyper::service::Service as _;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use wheesht_core::proto::limits::MAX_FRAME;

use super::{Stop, admission::Admission, blobs, blobs::Blobs, connection, patience::Patient, writer::Inputs};
use crate::{config::NetLimits, metrics::Metrics, service::Network};

/// What every connection needs.
pub(super) struct Shared {
    pub(super) inputs: Inputs,
    pub(super) stopped: watch::Receiver<Stop>,
    /// Held by everything that is open.
    pub(super) alive: mpsc::Sender<()>,
    /// TCP connections, and the WebSockets among them.
    pub(super) sockets: Admission,
    pub(super) sessions: Admission,
    pub(super) limits: NetLimits,
    pub(super) behind_proxy: bool,
    pub(super) log_identities: bool,
    pub(super) blobs: Arc<Blobs>,
    pub(super) metrics: Arc<Metrics>,
}

impl Shared {
    /// The client's address, which a proxy may stand in front of.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if self.behind_proxy { forwarded_for(headers).unwrap_or(peer) } else { peer }
    }
}

/// Who is at the other end of the TCP connection.
#[derive(Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// Bytes of an HTTP head: a client of ours sends a few hundred.
const MAX_HEAD: usize = 16 * 1024;
/// A pause when the system has no more file descriptors: trying at once would only burn time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What a client that finds no room is told to wait.
const FULL_RETRY_SECONDS: &str = "30";

/// Accepts until the relay stops.
pub(super) async fn run(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let mut stopped = shared.stopped.clone();
    let router = Router::new()
        .route("/v1", any(upgrade))
        .merge(blobs::router())
        .route("/health", get(|| async { "ok\n" }))
        .with_state(Arc::clone(&shared));
    loop {
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stop| *stop != Stop::Running) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let tls = tls.clone();
                tokio::spawn(serve(stream, Peer(peer.ip()), tls, router.clone(), Arc::clone(&shared)));
            }
            Err(error) => {
                tracing::warn!(%error, "can't accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, peer: Peer, tls: Option<TlsAcceptor>, router: Router, shared: Arc<Shared>) {
    let _alive = shared.alive.clone();
    // REL-15: far above its share, a network doesn't even get a handshake.
    let Some(_permit) = shared.sockets.admit(Network::from(peer.0)) else {
        return;
    };
    // Frames are written whole; waiting for more would only delay them.
    let _ = stream.set_nodelay(true);
    let mut stopped = shared.stopped.clone();
    let http = async {
        let Some(tls) = tls else {
            return speak_http(stream, peer, router, &shared.limits).await;
        };
        // REL-14
        if let Ok(Ok(stream)) = timeout(shared.limits.handshake_timeout, tls.accept(stream)).await {
            speak_http(stream, peer, router, &shared.limits).await;
        }
    };
    tokio::select! {
        _ = stopped.wait_for(|stop| *stop == Stop::Now) => {}
        () = http => {}
    }
}

/// REL-14: a head must come within the time; so a connection that asks for nothing more ends by itself.
async fn speak_http<I>(stream: I, peer: Peer, router: Router, limits: &NetLimits)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        TowerToHyperService::new(router.clone()).call(request)
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.max_buf_size(MAX_HEAD).timer(TokioTimer::new()).header_read_timeout(limits.handshake_timeout);
    let stream = Patient::new(stream, limits.write_timeout);
    let served = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
    // What goes wrong here is the client's affair.
    let _ = served.await;
}

async fn upgrade(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    socket: WebSocketUpgrade,
) -> Response {
    let peer = shared.client(peer.0, &headers);
    // REL-15
    let Some(permit) = shared.sessions.admit(Network::from(peer)) else {
        shared.metrics.connections_refused.add(1);
        let full = "too many connections\n";
        return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, FULL_RETRY_SECONDS)], full).into_response();
    };
    // REL-10. Small buffers, since most connections are silent most of the time.
    let socket = socket.max_message_size(MAX_FRAME).max_frame_size(MAX_FRAME).read_buffer_size(8 * 1024);
    let socket = socket.write_buffer_size(16 * 1024);
    socket.on_upgrade(move |socket| connection::run(socket, peer, permit, shared))
}

/// The client's address as the proxy nearest to us saw it: the last one, since clients can write the ones before.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?;
    last.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_proxys_own_word_counts() {
        let mut headers = HeaderMap::new();
        assert_eq!(forwarded_for(&headers), None);
        headers.append("x-forwarded-for", "198.51.100.7, 192.0.2.9".parse().unwrap());
        assert_eq!(forwarded_for(&headers), Some(IpAddr::from([192, 0, 2, 9])));
        headers.append("x-forwarded-for", "2001:db8::1".parse().unwrap());
        assert_eq!(forwarded_for(&headers), "2001:db8::1".parse().ok());
    }
}
