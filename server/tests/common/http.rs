//! A small HTTP client, over TLS with a pinned fingerprint.

use std::collections::HashMap;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;
use wheesht_relay::RunningRelay;

use super::tls;

/// A connection. The relay closes it instead of reading the body of what it refused.
pub struct Http {
    stream: TlsStream<TcpStream>,
    closed: bool,
}

pub struct HttpAnswer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl HttpAnswer {
    pub fn offset(&self) -> u64 {
        self.headers["wheesht-offset"].parse().unwrap()
    }
}

impl Http {
    pub async fn connect(relay: &RunningRelay) -> Self {
        Self { stream: tls(relay).await, closed: false }
    }

    pub async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: &[u8],
    ) -> HttpAnswer {
        self.send(method, path, headers, body.len(), body).await;
        self.answer(method).await
    }

    /// Sends a request whose body may be shorter than it says.
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        length: usize,
        body: &[u8],
    ) {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: relay\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if length > 0 {
            head += &format!("content-length: {length}\r\n");
        }
        head += "\r\n";
        assert!(!self.closed, "the relay refused a body on this connection");
        // The relay may refuse by the head already.
        self.stream.write_all(head.as_bytes()).await.unwrap();
        let _ = self.stream.write_all(body).await;
        let _ = self.stream.flush().await;
    }

    pub async fn answer(&mut self, method: &str) -> HttpAnswer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: HashMap<String, String> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        self.closed = headers.get("connection").is_some_and(|word| word == "close");
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; if method == "HEAD" { 0 } else { length }];
        self.stream.read_exact(&mut body).await.unwrap();
        HttpAnswer { status, headers, body }
    }
}
