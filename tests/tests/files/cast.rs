//! A relay behind a network that counts and cuts, and two people who have accepted each other.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
};
use wheesht_core::{
    api::{
        Body, ContactState, ConversationId, Error, EventKind, File, FileState, Message, MessageState,
        Outgoing, Password, Who,
    },
    client::{Client, Config},
    proto::{address::RelayAddress, ids::MessageId},
};
use wheesht_relay::{Relay, RunningRelay};

/// Whatever takes longer does not happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

const PASSWORD: &str = "orbit lava pencil dutch actor solve";

/// The network between people and the relay.
pub(crate) struct Network {
    to: watch::Sender<u16>,
    /// Bytes that have passed, to the relay and from it.
    pub(crate) up: Arc<AtomicU64>,
    pub(crate) down: Arc<AtomicU64>,
    /// Connections are cut when so many bytes more have passed, either way; 0: never.
    pub(crate) cut_after: Arc<AtomicU64>,
    /// Some three megabytes pass in a second; else as many as can.
    pub(crate) slow: Arc<AtomicBool>,
    /// Connections that were made.
    pub(crate) connections: Arc<AtomicU64>,
    pub(crate) port: u16,
}

impl Network {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (to, at) = watch::channel(0);
        let network = Self {
            to,
            up: Arc::default(),
            down: Arc::default(),
            cut_after: Arc::default(),
            connections: Arc::default(),
            slow: Arc::default(),
            port,
        };
        let (up, down, cut) = (network.up.clone(), network.down.clone(), network.cut_after.clone());
        let (connections, slow) = (network.connections.clone(), network.slow.clone());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let port = *at.borrow();
                let (up, down, cut, slow) = (up.clone(), down.clone(), cut.clone(), slow.clone());
                tokio::spawn(async move {
                    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    let (near_in, near_out) = near.into_split();
                    let (far_in, far_out) = far.into_split();
                    tokio::select! {
                        () = pass(near_in, far_out, &up, &cut, &slow) => {}
                        () = pass(far_in, near_out, &down, &cut, &slow) => {}
                    }
                });
            }
        });
        network
    }

    /// Where the relay is now.
    pub(crate) fn lead_to(&self, port: u16) {
        self.to.send_replace(port);
    }

    /// Much takes its time from now on, or no longer.
    pub(crate) fn slow_down(&self, slow: bool) {
        self.slow.store(slow, Ordering::SeqCst);
    }

    /// Forgets what has passed.
    pub(crate) fn count_anew(&self) {
        self.up.store(0, Ordering::SeqCst);
        self.down.store(0, Ordering::SeqCst);
    }
}

async fn pass(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    passed: &AtomicU64,
    cut: &AtomicU64,
    slow: &AtomicBool,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        passed.fetch_add(read as u64, Ordering::SeqCst);
        let left = cut.load(Ordering::SeqCst);
        if left > 0 {
            let left = left.saturating_sub(read as u64).max(1);
            cut.store(left, Ordering::SeqCst);
            if left == 1 {
                return;
            }
        }
        if slow.load(Ordering::SeqCst) && read > 1_024 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

pub(crate) struct Cast {
    pub(crate) network: Network,
    pub(crate) relay: Option<RunningRelay>,
    pub(crate) address: RelayAddress,
    pub(crate) alice: Client,
    pub(crate) bob: Client,
    pub(crate) with_bob: ConversationId,
    pub(crate) with_alice: ConversationId,
    pub(crate) directory: TempDir,
}

impl Cast {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let network = Network::new().await;
        let relay = start_relay(directory.path(), network.port).await;
        network.lead_to(relay.local_addr().port());
        let address = relay.address().clone();
        let alice = open(directory.path(), "alice").await;
        let bob = open(directory.path(), "bob").await;
        for (client, name) in [(&alice, "alice"), (&bob, "bob")] {
            let address = format!("{name}@{address}").parse().unwrap();
            client.register(address, Password::new(PASSWORD), name).await.unwrap();
        }
        let who = |name: &str| format!("{name}@{address}").parse::<Who>().unwrap();
        let (with_bob, _) = alice.send(who("bob"), "hello").await.unwrap();
        soon("the request comes", async || {
            bob.contacts().await.unwrap().iter().any(|one| one.state == ContactState::RequestReceived)
        })
        .await;
        let contact = bob.accept_contact(who("alice")).await.unwrap();
        let with_alice = ConversationId::Direct(contact.id);
        soon("both have accepted", async || {
            alice.contacts().await.unwrap().iter().any(|one| one.state == ContactState::Accepted)
        })
        .await;
        Self { network, relay: Some(relay), address, alice, bob, with_bob, with_alice, directory }
    }

    /// A file to send.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Alice sends Bob a file.
    pub(crate) async fn send(&self, file: &Path) -> MessageId {
        self.try_send(Outgoing::new(file.to_str().unwrap())).await.unwrap()
    }

    pub(crate) async fn try_send(&self, file: Outgoing) -> Result<MessageId, Error> {
        Ok(self.alice.send_file(self.with_bob, file).await?.1)
    }

    /// Bob has the message.
    pub(crate) async fn arrived(&self, message: MessageId) -> Message {
        soon("the message comes", async || self.bob.message(self.with_alice, message).await.is_ok()).await;
        self.bob.message(self.with_alice, message).await.unwrap()
    }

    /// Bob has the file. Gives its content.
    pub(crate) async fn saved(&self, message: MessageId) -> Vec<u8> {
        soon("the file is saved", async || self.path(message).await.is_some()).await;
        std::fs::read(self.path(message).await.unwrap()).unwrap()
    }

    /// Where Bob has saved it.
    pub(crate) async fn path(&self, message: MessageId) -> Option<PathBuf> {
        match file(&self.bob.message(self.with_alice, message).await.ok()?).state {
            FileState::Saved { path } => Some(path.into()),
            _ => None,
        }
    }

    /// How far Bob is with it.
    pub(crate) async fn state(&self, message: MessageId) -> FileState {
        file(&self.bob.message(self.with_alice, message).await.unwrap()).state
    }

    /// Alice's message has come so far.
    pub(crate) async fn is(&self, message: MessageId, state: MessageState) {
        soon("the message goes", async || {
            self.alice.message(self.with_bob, message).await.unwrap().state == Some(state)
        })
        .await;
    }

    /// The relay dies and comes back.
    pub(crate) async fn restart_relay(&mut self) {
        self.relay.take().unwrap().kill().await.unwrap();
        let relay = start_relay(self.directory.path(), self.network.port).await;
        self.network.lead_to(relay.local_addr().port());
        self.relay = Some(relay);
    }

    /// Every finished blob on the relay's disk.
    pub(crate) fn blobs(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut shelves = vec![self.directory.path().join("relay/blobs")];
        while let Some(shelf) = shelves.pop() {
            for entry in std::fs::read_dir(shelf).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => shelves.push(path),
                    false => found.push(path),
                }
            }
        }
        found
    }

    pub(crate) async fn close(self) {
        self.alice.close().await;
        self.bob.close().await;
        if let Some(relay) = self.relay {
            relay.shutdown().await.unwrap();
        }
    }
}

async fn start_relay(directory: &Path, port: u16) -> RunningRelay {
    let config = wheesht_relay::Config {
        listen: ([127, 0, 0, 1], 0).into(),
        domain: Some(format!("127.0.0.1:{port}")),
        ..wheesht_relay::Config::new(directory.join("relay"))
    };
    Relay::start(config).await.unwrap()
}

pub(crate) async fn open(directory: &Path, name: &str) -> Client {
    Client::open(Config::new(directory.join(name))).await.unwrap()
}

/// The file of a message.
pub(crate) fn file(message: &Message) -> File {
    match &message.body {
        Body::File { file, .. } => (**file).clone(),
        other => panic!("no file: {other:?}"),
    }
}

/// Something is so, in the end.
pub(crate) async fn soon(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, looking).await.is_ok(), "not within {PATIENCE:?}: {what}");
}

/// Waits until so many bytes of a transfer have passed.
pub(crate) async fn until_moved(client: &Client, bytes: u64) {
    let mut events = client.events();
    let moving = async {
        while let Some(event) = events.next().await {
            if matches!(event.kind, EventKind::Transfer { transfer } if transfer.done >= bytes && transfer.done < transfer.size)
            {
                return;
            }
        }
        panic!("the client was closed");
    };
    assert!(tokio::time::timeout(PATIENCE, moving).await.is_ok(), "it moves");
}

/// Bytes that don't compress, are all different, and are the same each time.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    use rand_core::{Rng as _, SeedableRng as _};
    let mut bytes = vec![0; length];
    chacha20::ChaCha20Rng::seed_from_u64(length as u64).fill_bytes(&mut bytes);
    bytes
}
