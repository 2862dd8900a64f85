//! A bot that accepts everyone and answers them with their own words.
//!
//! ```sh
//! cargo run -p wheesht-example-echo -- ./echo-data 'echo@relay.example.org'
//! ```
//!
//! The first start registers the account and prints its passphrase. After that it is what every program on Wheesht is: take an
//! event, deal with it, acknowledge it. An event that was not acknowledged comes again after a crash, so this bot answers
//! everything, at worst twice.

#![allow(clippy::print_stdout, reason = "it speaks to whoever runs it")]

use std::error::Error;

use wheesht_core::{
    api::{Body, ContactState, EventKind, Phase, Who},
    client::{Client, Config},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(data_dir), Some(address)) = (arguments.next(), arguments.next()) else {
        return Err("usage: echo DIRECTORY name@relay".into());
    };

    let client = Client::open(Config::new(data_dir)).await?;
    register_once(&client, &address).await?;
    println!("listening as {address}");

    let mut events = client.events();
    loop {
        tokio::select! {
            event = events.next() => {
                let Some(event) = event else { break };
                if let Err(error) = answer(&client, event.kind).await {
                    println!("{error}");
                }
                if let Some(id) = event.id {
                    events.ack(id).await;
                }
            }
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    client.close().await;
    Ok(())
}

/// The first start makes the account.
async fn register_once(client: &Client, address: &str) -> Result<(), Box<dyn Error>> {
    if client.status().await?.phase == Phase::Empty {
        let passphrase = client.suggest_passphrase().await?;
        println!("registering {address}; keep this passphrase: {}", passphrase.expose());
        client.register(address.parse()?, passphrase, "echo").await?;
    }
    Ok(())
}

/// Accepts whoever asks, and sends back what they say.
async fn answer(client: &Client, event: EventKind) -> Result<(), wheesht_core::api::Error> {
    match event {
        EventKind::Contact { contact } if contact.state == ContactState::RequestReceived => {
            println!("{} wants to talk", contact.address);
            client.accept_contact(Who::Id(contact.id)).await?;
        }
        EventKind::Message { message } if !message.outgoing => {
            if let Body::Text { text } = message.body {
                println!("{}: {text}", message.sender_name);
                client.send(Who::Id(message.sender), text).await?;
            }
        }
        _ => {}
    }
    Ok(())
}
