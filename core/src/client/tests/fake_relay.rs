//! A relay that says what the test wants, over real TCP, TLS and WebSocket.

use std::{net::SocketAddr, sync::Arc};

use futures_util::{SinkExt as _, StreamExt as _};
use rcgen::PublicKeyData as _;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer},
};
use sha2::{Digest as _, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_tungstenite::{WebSocketStream, accept_async, tungstenite::Message as WsMessage};
use wheesht_proto::{
    address::{Fingerprint, RelayAddress},
    prost::Message as _,
    relay::{ClientFrame, HelloOk, Limits, RelayFrame, client_frame, relay_frame},
};

pub(super) const HYBRID: &[&dyn SupportedKxGroup] =
    &[aws_lc_rs::kx_group::X25519MLKEM768, aws_lc_rs::kx_group::X25519];
pub(super) const CLASSICAL: &[&dyn SupportedKxGroup] = &[aws_lc_rs::kx_group::X25519];

/// Signs relays' certificates.
pub(super) struct Authority {
    pub(super) certificate: rcgen::Certificate,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: rcgen::Issuer::new(params, key) }
    }
}

/// Listens, and hands over one connection at a time.
pub(super) struct FakeRelay {
    listener: TcpListener,
    tls: TlsAcceptor,
    pub(super) address: RelayAddress,
}

impl FakeRelay {
    pub(super) async fn start(kx_groups: &[&'static dyn SupportedKxGroup]) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(["relay.test".to_owned()]).unwrap().self_signed(&key).unwrap();
        let fingerprint = Fingerprint::new(Sha256::digest(key.subject_public_key_info()).into());
        let mut relay = Self::listen(kx_groups, certificate.der().clone(), &key).await;
        relay.address = relay.address.with_fingerprint(fingerprint);
        relay
    }

    /// With a certificate for `host`, reached as `localhost` and without a fingerprint.
    pub(super) async fn certified(authority: &Authority, host: &str) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new([host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority.issuer).unwrap();
        let mut relay = Self::listen(HYBRID, certificate.der().clone(), &key).await;
        relay.address = format!("localhost:{}", relay.address.port()).parse().unwrap();
        relay
    }

    async fn listen(
        kx_groups: &[&'static dyn SupportedKxGroup],
        certificate: CertificateDer<'static>,
        key: &rcgen::KeyPair,
    ) -> Self {
        let provider = CryptoProvider { kx_groups: kx_groups.to_vec(), ..aws_lc_rs::default_provider() };
        let config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address: RelayAddress = listener.local_addr().unwrap().to_string().parse().unwrap();
        Self { listener, tls: TlsAcceptor::from(Arc::new(config)), address }
    }

    /// The next connection that gets as far as a WebSocket.
    pub(super) async fn accept(&self) -> Peer {
        loop {
            let (tcp, _) = self.listener.accept().await.unwrap();
            let Ok(tls) = self.tls.accept(tcp).await else { continue };
            if let Ok(socket) = accept_async(tls).await {
                return Peer { socket };
            }
        }
    }
}

/// A client that is connected.
pub(super) struct Peer {
    socket: WebSocketStream<TlsStream<TcpStream>>,
}

impl Peer {
    /// The next request.
    pub(super) async fn request(&mut self) -> ClientFrame {
        loop {
            match self.socket.next().await.unwrap().unwrap() {
                WsMessage::Binary(bytes) => return ClientFrame::decode(bytes).unwrap(),
                WsMessage::Ping(_) | WsMessage::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Whether the client went, and politely.
    pub(super) async fn is_closed(&mut self) -> bool {
        matches!(self.socket.next().await, Some(Ok(WsMessage::Close(_))))
    }

    pub(super) async fn say(&mut self, id: u64, body: relay_frame::Body) {
        self.raw(RelayFrame { id, body: Some(body) }.encode_to_vec()).await;
    }

    pub(super) async fn raw(&mut self, bytes: Vec<u8>) {
        // A client that has gone is for the test to notice.
        let _ = self.socket.send(WsMessage::Binary(bytes.into())).await;
    }

    /// Takes the greeting and answers it.
    pub(super) async fn greet(&mut self) {
        let hello = self.request().await;
        assert!(matches!(hello.body, Some(client_frame::Body::Hello(_))));
        let limits = Some(Limits { idle_timeout_ms: 60_000, ..Limits::default() });
        self.say(hello.id, relay_frame::Body::HelloOk(HelloOk { version: 1, limits, ..HelloOk::default() }))
            .await;
    }
}
