//! The last act is the guest's: an account of their own, and somebody who answers.

use std::path::Path;

use wheesht_core::{
    api::{ContactState, EventKind},
    proto::address::RelayAddress,
};

use super::{person::Person, stage::Stage};
use crate::{args::Global, chat, exit::Result};

const HELLO: &str =
    "Hello! I am a bot, and say back what you say. Try /help, /react :tada:, or /search hello.";

/// A chat with the bot, until the guest has had enough.
pub(super) async fn chat(
    global: &Global,
    stage: &mut Stage,
    path: &Path,
    relay: &RelayAddress,
) -> Result<()> {
    stage.step("Now you. What you type goes to a bot called echo. /quit ends all this.")?;
    let mut echo = Person::register("echo", path, relay).await?;
    let mut you = Person::register("you", path, relay).await?;
    echo.says(&you, HELLO).await?;
    you.hears(HELLO).await?;
    you.accept(&echo).await?;
    let accepted = |kind: &EventKind| matches!(kind, EventKind::Contact { contact } if contact.state == ContactState::Accepted);
    echo.expect("acceptance", |event| accepted(&event.kind)).await?;
    you.leave().await;

    let guest = Global { data: Some(you.directory().to_owned()), ..global.clone() };
    let talking = chat::run(&guest, stage.out(), Some("echo".to_owned()));
    let result = tokio::select! {
        result = Box::pin(talking) => result,
        Err(failure) = answer(&mut echo) => Err(failure),
    };
    echo.leave().await;
    result
}

/// Says back whatever is said.
async fn answer(echo: &mut Person) -> Result<()> {
    loop {
        let text = echo.next_text().await?;
        let Some((conversation, seq, text)) = text else { return Ok(()) };
        echo.read(conversation, seq).await?;
        echo.says_there(conversation, &text).await?;
    }
}
