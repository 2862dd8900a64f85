//! Between clients and relay: every byte that passes, both ways.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinHandle,
};

/// What went one way on one connection.
type Stretch = Arc<Mutex<Vec<u8>>>;

/// A TCP proxy that keeps what it forwards.
pub(crate) struct Wiretap {
    address: SocketAddr,
    listener: Mutex<Option<TcpListener>>,
    accepting: Mutex<Option<JoinHandle<()>>>,
    /// One stretch per connection and direction: a secret does not hide in another connection's bytes.
    streams: Arc<Mutex<Vec<Stretch>>>,
}

impl Wiretap {
    pub(crate) async fn listen() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        Self {
            address: listener.local_addr().unwrap(),
            listener: Mutex::new(Some(listener)),
            accepting: Mutex::default(),
            streams: Arc::default(),
        }
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to forward.
    pub(crate) fn forward_to(&self, relay: SocketAddr) {
        let listener = self.listener.lock().unwrap().take().unwrap();
        let streams = self.streams.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(relay) = TcpStream::connect(relay).await else { continue };
                let (from_client, to_client) = client.into_split();
                let (from_relay, to_relay) = relay.into_split();
                tokio::spawn(forward(from_client, to_relay, new_stream(&streams)));
                tokio::spawn(forward(from_relay, to_client, new_stream(&streams)));
            }
        });
        *self.accepting.lock().unwrap() = Some(accepting);
    }

    /// Ends it, and gives the capture.
    pub(crate) fn stop(&self) -> Vec<u8> {
        if let Some(accepting) = self.accepting.lock().unwrap().take() {
            accepting.abort();
        }
        let streams = self.streams.lock().unwrap();
        streams.iter().flat_map(|stream| stream.lock().unwrap().clone()).collect()
    }
}

fn new_stream(streams: &Mutex<Vec<Arc<Mutex<Vec<u8>>>>>) -> Arc<Mutex<Vec<u8>>> {
    let stream = Arc::default();
    streams.lock().unwrap().push(Arc::clone(&stream));
    stream
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, stream: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        stream.lock().unwrap().extend_from_slice(&buffer[..read]);
        if to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
