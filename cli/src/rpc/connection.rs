//! One program at the other end: lines in, lines out.
//!
//! Calls are handed to the core in the order of their lines, and answered as they get done: a slow one holds up none behind it.
//! Who doesn't read is not read from.

use std::{io, sync::Arc};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    sync::mpsc,
    task::JoinSet,
};
use wheesht_core::api::{Error, EventId, Response};

use super::{
    describe::{Methods, Own},
    hub::{Hub, Subscription},
    message::{self, Call, Refusal},
};

/// A text of 64 KiB, each character escaped, fits; a line that never ends doesn't fill the memory.
const LONGEST_LINE: u64 = 1024 * 1024;
/// Lines on their way out.
const OUTGOING: usize = 64;
/// Calls of one line, and calls that are being worked on.
const AT_ONCE: usize = 256;

/// Serves a program until it has said all, and has been answered.
pub(super) async fn serve(
    hub: Arc<Hub>,
    methods: Arc<Methods>,
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
) -> io::Result<()> {
    let (outgoing, lines) = mpsc::channel(OUTGOING);
    let writer = tokio::spawn(write(output, lines));
    let (incoming, mut received) = mpsc::channel(1);
    let reader = tokio::spawn(read(input, incoming));
    let mut connection = Connection { hub, methods, outgoing, subscription: None, answering: JoinSet::new() };
    while !connection.outgoing.is_closed() {
        tokio::select! {
            line = received.recv() => match line {
                Some(Ok(line)) => connection.line(&line).await,
                Some(Err(Overlong)) => {
                    connection.answer(&message::refused(None, &Refusal::Invalid)).await;
                    break;
                }
                None => break,
            },
            event = next(&mut connection.subscription) => connection.answer(&message::event(&event)).await,
            Some(_) = connection.answering.join_next() => {}
        }
    }
    reader.abort();
    while connection.answering.join_next().await.is_some() {}
    drop(connection);
    writer.await.map_err(io::Error::other)?
}

struct Overlong;

async fn read(input: impl AsyncRead + Unpin, lines: mpsc::Sender<Result<Vec<u8>, Overlong>>) {
    let mut input = BufReader::new(input);
    loop {
        let mut line = Vec::new();
        match (&mut input).take(LONGEST_LINE).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) if line.len() as u64 == LONGEST_LINE && line.last() != Some(&b'\n') => {
                let _ = lines.send(Err(Overlong)).await;
                return;
            }
            Ok(_) if line.trim_ascii().is_empty() => {}
            Ok(_) => {
                if lines.send(Ok(line)).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn write(mut output: impl AsyncWrite + Unpin, mut lines: mpsc::Receiver<String>) -> io::Result<()> {
    while let Some(mut line) = lines.recv().await {
        line.push('\n');
        output.write_all(line.as_bytes()).await?;
        output.flush().await?;
    }
    Ok(())
}

async fn next(subscription: &mut Option<Subscription>) -> Arc<wheesht_core::api::Event> {
    match subscription {
        Some(subscription) => subscription.next().await,
        None => std::future::pending().await,
    }
}

struct Connection {
    hub: Arc<Hub>,
    methods: Arc<Methods>,
    outgoing: mpsc::Sender<String>,
    subscription: Option<Subscription>,
    answering: JoinSet<()>,
}

impl Connection {
    async fn answer(&self, value: &Value) {
        // If the program is gone, so is the need for an answer.
        let _ = self.outgoing.send(value.to_string()).await;
    }

    async fn line(&mut self, line: &[u8]) {
        let Ok(value) = serde_json::from_slice(line) else {
            return self.answer(&message::refused(None, &Refusal::Parse)).await;
        };
        match value {
            Value::Array(calls) if calls.is_empty() || calls.len() > AT_ONCE => {
                self.answer(&message::refused(None, &Refusal::Invalid)).await;
            }
            // JSON-RPC: the answers to a line of several calls are one line too.
            Value::Array(calls) => {
                let mut answers = Vec::new();
                for call in calls {
                    let pending = self.call(call).await;
                    answers.extend(pending.answer().await);
                }
                if !answers.is_empty() {
                    self.answer(&Value::Array(answers)).await;
                }
            }
            call => {
                let pending = self.call(call).await;
                let outgoing = self.outgoing.clone();
                if self.answering.len() >= AT_ONCE {
                    self.answering.join_next().await;
                }
                self.answering.spawn(async move {
                    if let Some(answer) = pending.answer().await {
                        let _ = outgoing.send(answer.to_string()).await;
                    }
                });
            }
        }
    }

    /// Begins a call: on return it stands behind those before it.
    async fn call(&mut self, value: Value) -> Pending {
        let Call { id, method, params } = match message::call(value) {
            Ok(call) => call,
            Err((id, refusal)) => return Pending::Now(Some(message::refused(id.as_ref(), &refusal))),
        };
        let outcome = match self.methods.own(&method, &params) {
            Some(Ok(own)) => Ok(self.own(own).await),
            Some(Err(refusal)) => Err(refusal),
            None => match self.methods.request(&method, params) {
                Ok(request) => return Pending::Later { id, answer: self.hub.client().ask(request).await },
                Err(refusal) => Err(refusal),
            },
        };
        Pending::Now(id.map(|id| match outcome.and_then(|done| done) {
            Ok(result) => message::done(&id, result),
            Err(refusal) => message::refused(Some(&id), &refusal),
        }))
    }

    /// What belongs to the transport itself.
    async fn own(&mut self, own: Own) -> Result<Value, Refusal> {
        match own {
            Own::Discover => return Ok(self.methods.document().clone()),
            Own::Subscribe { after } => {
                if let Some(before) = self.subscription.take() {
                    before.end().await;
                }
                self.subscription = Some(self.hub.subscribe(after.map(EventId)));
            }
            Own::Unsubscribe => {
                if let Some(subscription) = self.subscription.take() {
                    subscription.end().await;
                }
            }
            Own::Ack { id } => {
                let sent = match &self.subscription {
                    Some(subscription) => subscription.ack(EventId(id)).await.is_ok(),
                    None => false,
                };
                if !sent {
                    return Err(Refusal::Params(format!("Event {id} was not sent to you.")));
                }
            }
        }
        serde_json::to_value(Response::Done).map_err(|error| Refusal::Params(error.to_string()))
    }
}

/// The answer to a call, or the way to it.
enum Pending {
    Now(Option<Value>),
    Later { id: Option<Value>, answer: Result<wheesht_core::client::Answer, Error> },
}

impl Pending {
    async fn answer(self) -> Option<Value> {
        let (id, answer) = match self {
            Self::Now(answer) => return answer,
            Self::Later { id, answer } => (id, answer),
        };
        let response = match answer {
            Ok(answer) => answer.wait().await,
            Err(error) => Err(error),
        };
        let id = id?;
        Some(match response.and_then(|response| serde_json::to_value(response).map_err(internal)) {
            Ok(result) => message::done(&id, result),
            Err(error) => message::failed(&id, &error),
        })
    }
}

fn internal(error: serde_json::Error) -> Error {
    Error::new(wheesht_core::api::ErrorCode::Internal, error.to_string())
}
