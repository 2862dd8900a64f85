//! A program that embeds Wheesht: makes an account, writes to somebody, and prints what comes back.
//!
//! ```sh
//! cargo run --example hello -- bot@127.0.0.1:8443#FINGERPRINT alice
//! ```
//!
//! The relay prints its address at its start. On the other side: `/accept bot`, and an answer. "bye" ends it.

use std::{error::Error, io::Write as _};

use wheesht_core::{
    api::{Body, EventKind, Phase},
    client::{Client, Config},
    proto::address::Address,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    let mut arguments = std::env::args().skip(1);
    let (Some(own), Some(other)) = (arguments.next(), arguments.next()) else {
        return Err("usage: hello NAME@RELAY OTHER".into());
    };
    let own: Address = own.parse()?;
    let other = Address::new(other.parse()?, own.relay().clone());

    // One directory is one device of one account. Everything in it is encrypted.
    let directory = std::env::temp_dir().join(format!("wheesht-hello-{}", own.name()));
    let client = Client::open(Config::new(directory)).await?;
    if client.status().await?.phase == Phase::Empty {
        let passphrase = client.suggest_passphrase().await?;
        writeln!(out, "The account's passphrase, to keep: {}", passphrase.expose())?;
        client.register(own, passphrase, "hello").await?;
    }

    // On return the message is durable here; how far it is comes as events.
    client.send(other, "Hello from a program.").await?;

    let mut events = client.events();
    while let Some(event) = events.next().await {
        let mut bye = false;
        match &event.kind {
            EventKind::Message { message } if !message.outgoing => {
                if let Body::Text { text } = &message.body {
                    writeln!(out, "{}: {}", message.sender_name.escape_debug(), text.escape_debug())?;
                    client.mark_read(message.conversation, message.seq).await?;
                    bye = text == "bye";
                }
            }
            EventKind::MessageState { state, .. } => writeln!(out, "({state:?})")?,
            _ => {}
        }
        // Dealt with: it will not come again, not even after a crash.
        if let Some(id) = event.id {
            events.ack(id).await;
        }
        if bye {
            break;
        }
    }
    client.close().await;
    Ok(())
}
