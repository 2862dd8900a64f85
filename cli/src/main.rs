//! `wheesht`: private messages in a terminal, for people and for scripts.
//!
//! ```text
//! args (what was typed) ─▶ commands, chat ─▶ session (an open client) ─▶ wheesht_core::client
//!                                │
//!                                └─▶ render, text ─▶ output (lines or JSON) ─▶ exit code
//! ```
//!
//! There is no logic here that another frontend would need: that is the library's. What others wrote is made harmless before it is
//! shown (`text.rs`).

mod args;
mod chat;
mod commands;
mod config;
mod demo;
mod desktop;
mod exit;
mod logging;
mod notify;
mod output;
mod render;
mod rpc;
mod secret;
mod session;
mod text;
mod tui;
mod wrap;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command, ConfigAction};
use config::Config;
use exit::{Failure, Result};
use output::Output;

fn main() -> ExitCode {
    if let Some(arguments) = commands::relay::wanted(std::env::args_os()) {
        return commands::relay::run(arguments);
    }
    let mut args = Args::parse();
    let out = Output::new(args.global.json, args.global.color());
    // Who edits a broken configuration is not stopped by it.
    let configured = match &args.command {
        Some(Command::Config { action: ConfigAction::Edit | ConfigAction::Path }) => Ok(Config::default()),
        _ => Config::read(&args.global),
    };
    let result = configured.and_then(|config| {
        args.global.config = config;
        run(args, out)
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            out.failure(&failure);
            failure.exit.into()
        }
    }
}

fn run(args: Args, out: Output) -> Result<()> {
    let out = Output::new(out.json, args.global.color());
    logging::start(&args.global)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(async {
        tokio::select! {
            result = Box::pin(dispatch(args, out)) => result,
            interrupted = interrupted() => {
                session::close_in_haste().await;
                interrupted.map_err(Failure::from).and(Err(Failure::interrupted()))
            }
        }
    });
    // A thread that waits for the keyboard must not keep the process.
    runtime.shutdown_background();
    result
}

/// Waits for Ctrl-C, or for a polite request to end.
async fn interrupted() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupt = tokio::signal::ctrl_c() => interrupt,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

async fn dispatch(args: Args, out: Output) -> Result<()> {
    let Args { global, command } = args;
    match command {
        None => chat::run(&global, out, None).await,
        Some(Command::Chat { with }) => chat::run(&global, out, with).await,
        Some(Command::Tui { with }) => tui::run(&global, out, with).await,
        Some(Command::Register { address, password, generate, device }) => {
            commands::register::run(&global, out, address, &password, generate, device).await
        }
        Some(Command::Login { address, link, password, device, evict, no_wait }) => {
            let way = commands::login::Way::of(address, link, evict)?;
            commands::login::run(&global, out, way, &password, device, no_wait).await
        }
        Some(Command::Send { to, text, wait, timeout }) => {
            commands::send::run(&global, out, &to, text, wait, timeout).await
        }
        Some(Command::SendFile(args)) => commands::files::send(&global, out, args).await,
        Some(Command::Files(args)) => commands::files::list(&global, out, args).await,
        Some(Command::Save(args)) => commands::files::save(&global, out, args).await,
        Some(Command::Listen { count, timeout }) => commands::listen::run(&global, out, count, timeout).await,
        Some(Command::Contacts { action }) => commands::contacts::run(&global, out, action).await,
        Some(Command::Requests { action }) => commands::contacts::requests(&global, out, action).await,
        Some(Command::Profile { action }) => commands::profile::run(&global, out, action).await,
        Some(Command::Presence(args)) => commands::presence::run(&global, out, args).await,
        Some(Command::Message { action }) => commands::message::run(&global, out, action).await,
        Some(Command::Group { action }) => commands::group::run(&global, out, action).await,
        Some(Command::History { with, limit, before }) => {
            commands::history::run(&global, out, with, limit, before).await
        }
        Some(Command::Search { search }) => commands::search::run(&global, out, search).await,
        Some(Command::Export { export }) => commands::archive::export(&global, out, export).await,
        Some(Command::Import { file }) => commands::archive::import(&global, out, &file).await,
        Some(Command::Backup { action }) => commands::archive::backup(&global, out, action).await,
        Some(Command::Notifications { changes }) => {
            commands::notifications::run(&global, out, &changes).await
        }
        Some(Command::Devices { action }) => commands::devices::run(&global, out, action).await,
        Some(Command::Link { no_wait, history }) => commands::link::run(&global, out, no_wait, history).await,
        Some(Command::Password { old, new }) => {
            commands::account::change_password(&global, out, &old, &new).await
        }
        Some(Command::Account { action }) => commands::account::run(&global, out, action).await,
        Some(Command::Verify { who, yes, no }) => commands::verify::run(&global, out, &who, yes, no).await,
        Some(Command::Status) => commands::status::run(&global, out).await,
        Some(Command::SetRelay { relay }) => commands::status::set_relay(&global, out, relay).await,
        Some(Command::DebugBundle { output }) => commands::debug_bundle::run(&global, out, output).await,
        Some(Command::Rpc { socket, stdio, describe }) => {
            rpc::run(&global, out, socket, stdio, describe).await
        }
        Some(Command::Settings(changes)) => commands::settings::run(&global, out, &changes).await,
        Some(Command::Config { action }) => commands::config::run(&global, out, action),
        Some(Command::Doctor) => commands::doctor::run(&global, out).await,
        Some(Command::Completions { shell }) => commands::pages::completions(out, shell),
        Some(Command::Man { directory }) => commands::pages::man(out, directory.as_deref()),
        Some(Command::Demo) => demo::run(&global, out).await,
        // It is one only as the first word: what follows it is the relay's.
        Some(Command::Relay) => Err(Failure::usage("Write it first: wheesht relay …")),
    }
}
