//! `wheesht tui`: the chat on the whole screen. Conversations at the left, messages at the right, and below them what is being written.
//!
//! ```text
//!  keyboard thread ──inputs──▶ input.rs ──actions──▶ worker.rs ──calls──▶ client
//!   (terminal.rs)                 │                     │                   │
//!                                 ▼                     ▼ updates           ▼ events
//!                              state.rs ◀───────────────┴───────────────────┘
//!                                 │
//!                                 └──▶ draw.rs, view.rs ──▶ screen, at most thirty times a second
//! ```
//!
//! The state is all there is to see, and knows nothing of terminals: its tests draw it on a screen in memory.

mod composer;
mod draw;
mod help;
mod input;
mod preview;
mod state;
mod terminal;
#[cfg(test)]
mod tests;
mod view;
mod worker;
mod wrap;

pub(crate) use preview::lines as preview_lines;

use std::{
    io::IsTerminal as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jiff::tz::TimeZone;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use wheesht_core::{
    api::{Activity, ConversationId, Error, ErrorCode, Event, EventKind, Phase},
    time::Timestamp,
};

use crate::{
    args::Global,
    chat,
    commands::{self, history, notifications},
    exit::{Exit, Failure, Result},
    notify::Notifier,
    output::Output,
    session::Session,
};
use input::Action;
use state::State;
use terminal::Screen;
use worker::Update;

/// Between two pictures.
const FRAME: Duration = Duration::from_millis(33);
/// Lists that have changed are fetched again after this long: of ten thousand messages that come at once, not for each.
const LISTS_AFTER: Duration = Duration::from_millis(150);
/// What was said of the focus is said again, while it lasts.
const FOCUS_AGAIN: Duration = Duration::from_secs(300);

pub(crate) async fn run(global: &Global, out: Output, with: Option<String>) -> Result<()> {
    if out.json {
        return Err(Failure::usage("A screen is for people.").next("With --json, use listen and send."));
    }
    if !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
        return Err(Failure::usage("This needs a terminal.").next("wheesht chat does without."));
    }
    let mut session = Session::open(global, out).await?;
    if session.status().await?.phase == Phase::Empty {
        chat::first_run(&session).await?;
    }
    if matches!(session.status().await?.phase, Phase::Pending { .. }) {
        commands::login::wait(&session).await?;
    }
    session.own = session.status().await?.address;
    let first = match with {
        Some(with) => Some(history::conversation(&session, &with).await?),
        None => None,
    };
    notifications::follow_clock(&session).await?;
    session.client.set_activity(Activity::Here).await?;
    let result = show(global, &session, first).await;
    session.client.close().await;
    result
}

async fn show(global: &Global, session: &Session, first: Option<ConversationId>) -> Result<()> {
    let (actions, asked) = mpsc::unbounded_channel();
    let (answers, updates) = mpsc::unbounded_channel();
    let app = App {
        session,
        notifier: Notifier::new(global.config.notify.clone(), true),
        state: State::new(session.own.clone(), session.out.style, TimeZone::system()),
        actions,
        focus: None,
        told: Instant::now(),
        lists_at: Some(Instant::now()),
    };
    if let Some(first) = first {
        let _ = app.actions.send(Action::Open(first));
    }
    let mut screen = Screen::take()?;
    let inputs = terminal::inputs()?;
    let shown = app.serve(&mut screen, inputs, updates);
    let worked = worker::work(session, asked, answers);
    // Whoever quits wants what was written to go out: the worker ends when it has done all.
    let (result, ()) = tokio::join!(shown, worked);
    result
}

struct App<'a> {
    session: &'a Session,
    notifier: Notifier,
    state: State,
    actions: mpsc::UnboundedSender<Action>,
    /// What the engine was told of where one looks, and when.
    focus: Option<ConversationId>,
    told: Instant,
    lists_at: Option<Instant>,
}

impl App<'_> {
    async fn serve(
        mut self,
        screen: &mut Screen,
        mut inputs: mpsc::Receiver<ratatui::crossterm::event::Event>,
        mut updates: mpsc::UnboundedReceiver<Update>,
    ) -> Result<()> {
        let mut events = self.session.client.events();
        let mut drawn = Instant::now();
        let mut frame_at = Some(drawn);
        loop {
            self.follow();
            let typing_ends = self.typing_ends();
            tokio::select! {
                biased;
                input = inputs.recv() => {
                    let Some(input) = input else {
                        return Err(Failure::new(Exit::Other, ErrorCode::Closed, "The terminal is gone."));
                    };
                    for action in input::handle(&mut self.state, input) {
                        if action == Action::Quit {
                            return Ok(());
                        }
                        self.ask(action);
                    }
                }
                () = at(frame_at), if frame_at.is_some() => {
                    screen.terminal.draw(|frame| draw::draw(frame, &mut self.state, now()))?;
                    drawn = Instant::now();
                    frame_at = None;
                    continue;
                }
                () = at(self.lists_at), if self.lists_at.is_some() => {
                    self.lists_at = None;
                    self.ask(Action::Refresh);
                    continue;
                }
                Some(update) = updates.recv() => self.update(update),
                event = events.next() => {
                    let Some(Event { id, kind, .. }) = event else {
                        return Err(Error::new(ErrorCode::Closed, "The client was closed.").into());
                    };
                    match kind {
                        EventKind::Notification { notification } => self.notifier.show(&notification),
                        EventKind::Read { conversation, unread } => {
                            self.notifier.unread(conversation, unread);
                            self.state.happened(EventKind::Read { conversation, unread });
                        }
                        kind => self.state.happened(kind),
                    }
                    if let Some(id) = id {
                        events.ack(id).await;
                    }
                }
                () = at(typing_ends), if typing_ends.is_some() => {}
                () = sleep_until(self.told + FOCUS_AGAIN), if self.focus.is_some() => {}
            }
            frame_at.get_or_insert(drawn + FRAME);
        }
    }

    fn ask(&self, action: Action) {
        // The worker goes on for as long as this lives.
        let _ = self.actions.send(action);
    }

    fn update(&mut self, update: Update) {
        match update {
            Update::Lists { conversations, contacts, groups } => {
                for conversation in &conversations {
                    self.notifier.unread(conversation.id, conversation.unread);
                }
                self.state.lists(conversations, contacts, groups);
            }
            Update::Opened { conversation, messages, more, at } => {
                self.state.show(conversation, messages, more, at);
                self.state.pane = state::Pane::Chat;
            }
            Update::Older { conversation, messages, more } => self.state.older(conversation, messages, more),
            Update::Found { query, found } => self.state.found(&query, found),
            Update::Happened(kind) => self.state.happened(*kind),
            Update::Notice(words) => self.state.notice = Some(words),
        }
    }

    /// What follows from how things are now: lists to be fetched, messages seen, the engine to be told where one looks.
    fn follow(&mut self) {
        if self.state.stale {
            self.state.stale = false;
            self.lists_at.get_or_insert(Instant::now() + LISTS_AFTER);
        }
        if let Some((conversation, up_to)) = self.state.just_seen() {
            self.ask(Action::Seen { conversation, up_to });
        }
        for action in input::older(&mut self.state) {
            self.ask(action);
        }
        let looked_at = self.state.looked_at();
        if looked_at != self.focus || (looked_at.is_some() && self.told.elapsed() >= FOCUS_AGAIN) {
            (self.focus, self.told) = (looked_at, Instant::now());
            self.ask(Action::Focus(looked_at));
        }
    }

    /// When somebody who is shown as writing no longer is.
    fn typing_ends(&self) -> Option<Instant> {
        let now = now();
        let next = self.state.typing.values().filter(|until| **until > now).min()?;
        Some(Instant::now() + Duration::from_millis(next.millis_since(now) + 1))
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}
