//! `wheesht chat`: messages above, a prompt below.
//!
//! ```text
//! keyboard thread ──lines──▶ ┌──────┐ ──calls──▶ client
//!   (editor.rs)   ◀─prompts─ │ chat │ ◀─events──
//!                            └──────┘ ──lines──▶ screen, above the prompt
//! ```
//!
//! A line is dealt with before the next is taken, so messages go out in the order they were typed; while one takes its time, what
//! comes in is shown all the same.

mod attention;
mod command;
mod complete;
mod days;
mod editor;
mod files;
mod find;
mod help;
mod marks;
mod more;
mod people;
mod perform;
mod show;
mod wizard;

pub(crate) use wizard::first_run;

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};
use wheesht_core::{
    api::{Activity, ConversationId, Event, Phase},
    proto::ids::AccountId,
};

use crate::{
    args::Global,
    commands,
    config::Config,
    exit::{Failure, Result},
    notify::Notifier,
    output::{Output, Style},
    session::Session,
};
use attention::{Attention, Keys};
use command::NotUnderstood;
use days::Days;
use editor::{Names, Screen, Typed, lock};
use marks::Marks;
use people::People;

/// A command that takes longer gives the prompt back first.
const PATIENCE: Duration = Duration::from_millis(250);
/// States that change within this are shown together.
const MARKS_AFTER: Duration = Duration::from_millis(700);

pub(crate) async fn run(global: &Global, out: Output, with: Option<String>) -> Result<()> {
    if out.json {
        return Err(Failure::usage("A chat is for people.").next("With --json, use listen and send."));
    }
    let mut session = Session::open(global, out).await?;
    if session.status().await?.phase == Phase::Empty {
        first_run(&session).await?;
    }
    if matches!(session.status().await?.phase, Phase::Pending { .. }) {
        commands::login::wait(&session).await?;
    }
    session.own = session.status().await?.address;

    // Somebody sits here: contacts are told.
    session.client.set_activity(wheesht_core::api::Activity::Here).await?;
    let chat = Chat::begin(session, with, global.config.clone()).await;
    let (chat, result) = match chat {
        Ok((chat, keyboard)) => {
            let result = chat.serve(keyboard).await;
            (chat, result)
        }
        Err(failure) => return Err(failure),
    };
    chat.session.client.close().await;
    result
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Quit,
}

struct Chat {
    session: Session,
    screen: Screen,
    style: Style,
    keys: Arc<Keys>,
    /// Entries shown when a conversation is opened.
    shown_on_opening: u32,
    state: Mutex<State>,
}

struct State {
    open: Option<Open>,
    notifier: Notifier,
    attention: Attention,
    days: Days,
    people: People,
    /// Whose request was shown.
    asked: BTreeSet<AccountId>,
    /// What was found last, in the order in which it was listed.
    found: Vec<(ConversationId, u64)>,
    /// Who was shown as writing, and when.
    writing: BTreeMap<AccountId, Instant>,
    /// Whether contacts are told that somebody is here.
    here: bool,
    transfers: files::Transfers,
    marks: Marks,
    marks_at: Option<Instant>,
    offline: bool,
}

/// The conversation that lines go to.
#[derive(Clone)]
struct Open {
    conversation: ConversationId,
    name: String,
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<Flow>> + Send + 'a>>;

impl Chat {
    async fn begin(
        session: Session,
        with: Option<String>,
        config: Config,
    ) -> Result<(Self, editor::Keyboard)> {
        let names = Names::default();
        let style = session.out.style;
        let keys = Arc::<Keys>::default();
        let idle = Duration::from_secs(config.notify.idle_seconds);
        let attention = Attention::new(keys.clone(), idle);
        let notifier = Notifier::new(config.notify, editor::at_a_terminal());
        let (keyboard, screen) = editor::start(names.clone(), style, keys.clone())?;
        let people = People::new(session.own.clone(), names);
        let state = Mutex::new(State {
            open: None,
            notifier,
            attention,
            days: Days::default(),
            people,
            asked: BTreeSet::new(),
            found: Vec::new(),
            writing: BTreeMap::new(),
            here: false,
            transfers: files::Transfers::default(),
            marks: Marks::default(),
            marks_at: None,
            offline: false,
        });
        let shown_on_opening = config.chat.history.clamp(1, 1_000);
        let chat = Self { session, screen, style, keys, shown_on_opening, state };
        // Whoever starts a chat sits there.
        chat.keys.press(false);
        commands::notifications::follow_clock(&chat.session).await?;
        chat.refresh_people().await?;
        chat.greet().await?;
        if let Some(with) = with {
            chat.attempt(chat.open(&with)).await?;
        }
        keyboard.prompt(chat.prompt());
        Ok((chat, keyboard))
    }

    async fn serve(&self, mut keyboard: editor::Keyboard) -> Result<()> {
        let mut events = self.session.client.events();
        let mut running: Option<Running<'_>> = None;
        // When to give the prompt back although the command still runs.
        let mut prompt_at: Option<Instant> = None;
        let mut interrupted = false;
        loop {
            let (marks_at, watched_until) = {
                let state = lock(&self.state);
                (state.marks_at, state.attention.until(Instant::now()))
            };
            self.attend().await?;
            tokio::select! {
                typed = keyboard.typed.recv(), if running.is_none() => {
                    let line = match typed {
                        Some(Typed::Line(line)) => line,
                        Some(Typed::Interrupt) if !interrupted => {
                            interrupted = true;
                            self.screen.print(&self.style.dim("Once more to leave."))?;
                            keyboard.prompt(self.prompt());
                            continue;
                        }
                        Some(Typed::Interrupt | Typed::End) | None => return Ok(()),
                    };
                    interrupted = false;
                    match command::parse(&line) {
                        Ok(Some(command)) => {
                            running = Some(Box::pin(self.perform(command)));
                            prompt_at = Some(Instant::now() + PATIENCE);
                        }
                        Ok(None) => keyboard.prompt(self.prompt()),
                        Err(NotUnderstood(words)) => {
                            self.screen.print(&self.style.warning(&words))?;
                            keyboard.prompt(self.prompt());
                        }
                    }
                }
                flow = finish(&mut running), if running.is_some() => {
                    running = None;
                    if flow? == Flow::Quit {
                        return Ok(());
                    }
                    if prompt_at.take().is_some() {
                        keyboard.prompt(self.prompt());
                    }
                }
                () = at(prompt_at), if prompt_at.is_some() => {
                    prompt_at = None;
                    keyboard.prompt(self.prompt());
                }
                event = events.next() => {
                    let Some(Event { id, kind, .. }) = event else {
                        return Err(wheesht_core::api::Error::new(
                            wheesht_core::api::ErrorCode::Closed,
                            "The client was closed.",
                        )
                        .into());
                    };
                    self.show(kind).await?;
                    if let Some(id) = id {
                        events.ack(id).await;
                    }
                }
                () = self.keys.pressed() => self.tell_that_one_writes().await,
                () = at(watched_until), if watched_until.is_some() => {}
                () = at(marks_at), if marks_at.is_some() => self.show_marks()?,
            }
        }
    }

    /// Tells the engine where somebody looks, and whether anybody is here, if that is news.
    async fn attend(&self) -> Result<()> {
        let (news, came) = {
            let mut state = lock(&self.state);
            let now = Instant::now();
            let open = state.open.as_ref().map(|open| open.conversation);
            let here = state.attention.until(now).is_some();
            let before = std::mem::replace(&mut state.here, here);
            (state.attention.news(open, now), (before != here).then_some(here))
        };
        if let Some(here) = came {
            let activity = if here { Activity::Here } else { Activity::Idle };
            self.session.client.set_activity(activity).await?;
        }
        match news {
            Some(looked_at) => Ok(self.session.client.set_focus(looked_at).await?),
            None => Ok(()),
        }
    }

    /// A text for the open conversation is being written. The engine tells the others, not too often.
    async fn tell_that_one_writes(&self) {
        let open = lock(&self.state).open.as_ref().map(|open| open.conversation);
        if let Some(open) = open.filter(|_| self.keys.writes()) {
            // Whom one may not write to is not told of it either.
            let _ = self.session.client.typing(open, false).await;
        }
    }

    fn prompt(&self) -> String {
        let state = lock(&self.state);
        let name = state.open.as_ref().map(|open| open.name.as_str()).unwrap_or_default();
        let unread = match state.notifier.total() {
            0 => String::new(),
            count if name.is_empty() => format!("({count} new)"),
            count => format!(" ({count} new)"),
        };
        let offline = if state.offline { "offline " } else { "" };
        format!("{offline}{name}{unread}> ")
    }

    fn show_marks(&self) -> Result<()> {
        let lines = {
            let mut state = lock(&self.state);
            state.marks_at = None;
            state.marks.take(self.style)
        };
        for line in lines {
            self.screen.print(&line)?;
        }
        Ok(())
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}

async fn finish(running: &mut Option<Running<'_>>) -> Result<Flow> {
    match running {
        Some(running) => running.await,
        None => std::future::pending().await,
    }
}
