//! A client that sends one frame and waits for its answer, over TLS with a pinned fingerprint.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use sha2::{Digest, Sha256};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};
use wheesht_core::{
    opaque::{ExportKey, LoginFlow, OpaqueError, RegistrationFlow},
    proto::{
        address::Fingerprint,
        ids::{DepositAddress, DeviceId},
        prost::Message as _,
        relay::{
            self, ClientFrame, ErrorCode, RelayFrame, client_frame::Body as Frame, relay_frame::Body as Reply,
        },
    },
    signed::LoginContext,
};
use wheesht_relay::RunningRelay;

use super::person::{COST, PASSWORD, Person};

const PATIENCE: Duration = Duration::from_secs(20);

pub struct Client {
    socket: WebSocketStream<TlsStream<TcpStream>>,
    next_id: u64,
    answers: VecDeque<RelayFrame>,
    pushes: VecDeque<Reply>,
    pub hello: relay::HelloOk,
}

impl Client {
    pub async fn connect(relay: &RunningRelay) -> Self {
        let mut client = Self::connect_silently(relay).await;
        let hello = Frame::Hello(relay::Hello { min_version: 1, max_version: 1 });
        match client.ask(hello).await.unwrap() {
            Reply::HelloOk(hello) => client.hello = hello,
            _ => panic!("hello"),
        }
        client
    }

    /// Without a hello.
    pub async fn connect_silently(relay: &RunningRelay) -> Self {
        let stream = tls(relay).await;
        let (socket, _) = tokio_tungstenite::client_async("wss://relay/v1", stream).await.unwrap();
        let hello = relay::HelloOk::default();
        Self { socket, next_id: 1, answers: VecDeque::new(), pushes: VecDeque::new(), hello }
    }

    /// Sends a request and gives its id.
    pub async fn send(&mut self, body: Frame) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let frame = ClientFrame { id, body: Some(body) };
        self.send_bytes(frame.encode_to_vec()).await;
        id
    }

    pub async fn send_bytes(&mut self, bytes: Vec<u8>) {
        // The relay may have hung up; what it said before that is still to be read.
        let _ = self.socket.send(Message::Binary(bytes.into())).await;
    }

    pub async fn send_text(&mut self, text: &'static str) {
        let _ = self.socket.send(Message::Text(text.into())).await;
    }

    /// Sends a request and waits for its answer.
    pub async fn ask(&mut self, body: Frame) -> Result<Reply, ErrorCode> {
        self.ask_in_full(body).await.map_err(|error| error.code())
    }

    pub async fn ask_in_full(&mut self, body: Frame) -> Result<Reply, relay::Error> {
        let id = self.send(body).await;
        self.answer(id).await
    }

    pub async fn answer(&mut self, id: u64) -> Result<Reply, relay::Error> {
        loop {
            if let Some(position) = self.answers.iter().position(|frame| frame.id == id) {
                let frame = self.answers.remove(position).unwrap();
                return match frame.body.unwrap() {
                    Reply::Error(error) => Err(error),
                    reply => Ok(reply),
                };
            }
            assert!(self.read().await, "the connection ended while an answer was awaited");
        }
    }

    /// The next push.
    pub async fn push(&mut self) -> Reply {
        loop {
            if let Some(push) = self.pushes.pop_front() {
                return push;
            }
            assert!(self.read().await, "the connection ended while a push was awaited");
        }
    }

    /// The pushes that come until nothing has come for a while.
    pub async fn pushes(&mut self) -> Vec<Reply> {
        while timeout(Duration::from_millis(300), self.read()).await.is_ok_and(|open| open) {}
        self.pushes.drain(..).collect()
    }

    pub async fn deliveries(&mut self) -> Vec<relay::Deliver> {
        let deliver = |push| match push {
            Reply::Deliver(deliver) => deliver,
            other => panic!("not a delivery: {other:?}"),
        };
        self.pushes().await.into_iter().map(deliver).collect()
    }

    /// Everything that comes until the relay ends the connection.
    pub async fn until_closed(&mut self) -> Vec<Reply> {
        while self.read().await {}
        self.pushes.drain(..).collect()
    }

    /// Reads one message and forgets it. Returns false at the end.
    pub async fn read_one(&mut self) -> bool {
        let open = self.read().await;
        self.pushes.clear();
        open
    }

    /// Reads one message. Returns false at the end.
    async fn read(&mut self) -> bool {
        let Some(Ok(message)) =
            timeout(PATIENCE, self.socket.next()).await.expect("the relay answers in time")
        else {
            return false;
        };
        if let Message::Binary(bytes) = message {
            let frame = RelayFrame::decode(bytes).unwrap();
            if frame.id == 0 {
                self.pushes.push_back(frame.body.unwrap());
            } else {
                self.answers.push_back(frame);
            }
        }
        true
    }

    pub async fn register(&mut self, person: &mut Person) -> Result<ExportKey, ErrorCode> {
        let (flow, request) = RegistrationFlow::start(PASSWORD, &mut person.rng).unwrap();
        let start = relay::RegisterStart { name: person.name.to_string(), request };
        let Reply::RegisterStartOk(answer) = self.ask(Frame::RegisterStart(start)).await? else {
            panic!("register start");
        };
        let mut rng = person.fork();
        let registered = flow.finish(&answer.response, person.who(), COST, &mut rng).unwrap();
        self.ask(Frame::RegisterFinish(register_finish(person, registered.upload))).await?;
        Ok(registered.export_key)
    }

    pub async fn login(
        &mut self,
        person: &mut Person,
        password: &str,
    ) -> Result<(relay::AccountSession, ExportKey), ErrorCode> {
        let (flow, request) = LoginFlow::start(password, &mut person.rng).unwrap();
        let start = relay::LoginStart { name: person.name.to_string(), request };
        let Reply::LoginStartOk(answer) = self.ask(Frame::LoginStart(start)).await? else {
            panic!("login start");
        };
        let mut rng = person.fork();
        let logged_in = flow.finish(&answer.response, person.who(), COST, &mut rng);
        let logged_in = logged_in.map_err(|error| match error {
            OpaqueError::BadCredentials => ErrorCode::BadCredentials,
            other => panic!("{other}"),
        })?;
        let finish = relay::LoginFinish { finalization: logged_in.finalization };
        match self.ask(Frame::LoginFinish(finish)).await? {
            Reply::AccountSession(session) => Ok((session, logged_in.export_key)),
            _ => panic!("login finish"),
        }
    }

    pub async fn device_login(
        &mut self,
        person: &Person,
        device: usize,
    ) -> Result<relay::DeviceSession, ErrorCode> {
        self.device_login_in_full(person, device).await.map_err(|error| error.code())
    }

    pub async fn device_login_in_full(
        &mut self,
        person: &Person,
        device: usize,
    ) -> Result<relay::DeviceSession, relay::Error> {
        let nonce: [u8; 32] = self.hello.nonce.clone().try_into().unwrap();
        let device = &person.devices[device].key;
        let context = LoginContext {
            nonce: &nonce,
            relay: &person.relay,
            name: &person.name,
            device_id: device.device_id(),
        };
        let login = relay::DeviceLogin {
            name: person.name.to_string(),
            device_id: device.device_id().to_vec(),
            signature: context.sign(device).to_vec(),
        };
        match self.ask_in_full(Frame::DeviceLogin(login)).await? {
            Reply::DeviceSession(session) => Ok(session),
            _ => panic!("device login"),
        }
    }

    pub async fn put_address(&mut self, address: DepositAddress) -> Result<Reply, ErrorCode> {
        let put = relay::PutAddress { address: address.to_vec(), kind: relay::AddressKind::Contact.into() };
        self.ask(Frame::PutAddress(put)).await
    }

    /// Deposits one envelope at one address.
    pub async fn deposit(&mut self, address: DepositAddress, envelope: &[u8]) -> ErrorCode {
        let entry = relay::DepositEntry {
            envelope: envelope.to_vec().into(),
            addresses: vec![address.to_vec()],
            device_id: Vec::new(),
            ephemeral_ms: 0,
        };
        self.deposit_entries(vec![entry]).await[0][0]
    }

    pub async fn deposit_request(
        &mut self,
        address: DepositAddress,
        device: DeviceId,
        envelope: &[u8],
    ) -> ErrorCode {
        let entry = relay::DepositEntry {
            envelope: envelope.to_vec().into(),
            addresses: vec![address.to_vec()],
            device_id: device.to_vec(),
            ephemeral_ms: 0,
        };
        self.deposit_entries(vec![entry]).await[0][0]
    }

    pub async fn deposit_entries(&mut self, entries: Vec<relay::DepositEntry>) -> Vec<Vec<ErrorCode>> {
        let reply = self.ask(Frame::Deposit(relay::Deposit { entries })).await.unwrap();
        let Reply::DepositResults(results) = reply else { panic!("deposit") };
        let codes = |result: &relay::DepositResult| result.addresses.iter().map(|one| one.code()).collect();
        results.results.iter().map(codes).collect()
    }

    pub async fn subscribe(&mut self, credit: u32) {
        self.ask(Frame::Subscribe(relay::Subscribe { credit })).await.unwrap();
    }

    pub async fn ack(&mut self, deliveries: &[relay::Deliver]) {
        let envelope_ids = deliveries.iter().map(|delivery| delivery.envelope_id.clone()).collect();
        self.ask(Frame::Ack(relay::Ack { envelope_ids })).await.unwrap();
    }
}

pub fn register_finish(person: &Person, record: Vec<u8>) -> relay::RegisterFinish {
    relay::RegisterFinish {
        name: person.name.to_string(),
        record,
        root_vault: b"a root vault".to_vec(),
        manifest: person.manifest.encoded().to_vec(),
        request_address: person.request_address.to_vec(),
    }
}

/// A TLS connection to the relay, which must be the one with its fingerprint.
pub async fn tls(relay: &RunningRelay) -> TlsStream<TcpStream> {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups.insert(0, aws_lc_rs::kx_group::X25519MLKEM768);
    let provider = Arc::new(provider);
    let pin = Pin { fingerprint: relay.fingerprint().unwrap(), provider: Arc::clone(&provider) };
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pin))
        .with_no_client_auth();
    let stream = TcpStream::connect(relay.local_addr()).await.unwrap();
    let name = ServerName::try_from("relay.test").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

#[derive(Debug)]
struct Pin {
    fingerprint: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let digest: [u8; 32] = Sha256::digest(parsed.subject_public_key_info()).into();
        assert_eq!(Fingerprint::new(digest), self.fingerprint);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        panic!("the relay speaks TLS 1.3 only")
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
