//! How the demo tells its story.

use std::{
    io::{self, IsTerminal as _},
    iter,
    path::Path,
};

use serde_json::json;
use wheesht_core::api::File;
use wheesht_relay::service::Deposited;

use crate::{exit::Result, output::Output, render, tui::preview_lines, wrap};

/// How high a preview may be, in lines.
const ROWS: u32 = 9;

/// See the module's story.
pub(super) struct Stage {
    out: Output,
    step: u32,
}

impl Stage {
    pub(super) fn new(out: Output) -> Self {
        Self { out, step: 0 }
    }

    pub(super) fn title(&self, text: &str) -> Result<()> {
        self.out.result(&json!({ "type": "title", "text": text }), |style| format!("\n{}", style.bold(text)))
    }

    pub(super) fn step(&mut self, text: &str) -> Result<()> {
        self.step += 1;
        let step = self.step;
        self.out.result(&json!({ "type": "step", "step": step, "text": text }), |style| {
            let room =
                wrap::window(&io::stdout()).map_or(usize::MAX, |columns| columns.saturating_sub(4).max(20));
            let lines: Vec<_> = textwrap::wrap(text, room).iter().map(|line| style.bold(line)).collect();
            format!("\n{} {}", style.good(&format!("{step}.")), lines.join("\n    "))
        })
    }

    pub(super) fn note(&self, text: &str) -> Result<()> {
        self.out.result(&json!({ "type": "note", "text": text }), |style| format!("     {}", style.dim(text)))
    }

    /// What was said, and what the relay had of it.
    pub(super) fn message(&self, from: &str, to: &str, text: &str, saw: &[Deposited]) -> Result<()> {
        let relay: Vec<_> = saw.iter().map(object).collect();
        let object = json!({ "type": "message", "from": from, "to": to, "text": text, "relay": relay });
        self.out.result(&object, |style| {
            let mut lines = vec![format!("     {} → {}  {}", style.own(from), style.other(to), text)];
            match saw.split_first() {
                None => lines.push(style.dim("          the relay: nothing, yet")),
                Some((first, rest)) => {
                    lines.push(style.dim(&format!("          the relay: {}", line(first))));
                    lines.extend(
                        rest.iter().map(|one| style.dim(&format!("          a receipt: {}", line(one)))),
                    );
                }
            }
            lines.join("\n")
        })
    }

    /// What was said in a group, and what the relay had of it.
    pub(super) fn fanned_out(&self, from: &str, group: &str, text: &str, saw: &[Deposited]) -> Result<()> {
        let relay: Vec<_> = saw.iter().map(object).collect();
        let object = json!({ "type": "message", "from": from, "to": group, "text": text, "relay": relay });
        self.out.result(&object, |style| {
            let mut lines = vec![format!("     {} → {}  {}", style.own(from), style.other(group), text)];
            let shown =
                saw.iter().take(2).map(|one| style.dim(&format!("          the relay: {}", line(one))));
            lines.extend(shown);
            lines.join("\n")
        })
    }

    /// A picture as its preview shows it, where colours can be shown.
    pub(super) fn picture(&self, file: &File) -> Result<()> {
        let object =
            json!({ "type": "file", "name": file.name, "media_type": file.media_type, "size": file.size });
        self.out.result(&object, |style| {
            let said = format!("     {} ({}, {})", file.name, file.media_type, render::amount(file.size));
            let preview = file.preview.as_ref().filter(|_| style.color);
            let rows = preview.map(|preview| preview_lines(preview.bytes(), ROWS)).unwrap_or_default();
            iter::once(style.dim(&said))
                .chain(rows.iter().map(|row| format!("     {row}")))
                .collect::<Vec<_>>()
                .join("\n")
        })
    }

    /// A page that was written.
    pub(super) fn page(&self, path: &Path, messages: u64) -> Result<()> {
        let object = json!({ "type": "page", "path": path, "messages": messages });
        self.out.result(&object, |style| {
            let stays = if self.has_guest() { ", there until this ends" } else { "" };
            style.dim(&format!("     {messages} messages{stays}: {}", path.display()))
        })
    }

    /// Envelopes that carry no message.
    pub(super) fn others(&self, saw: &[Deposited]) -> Result<()> {
        for one in saw {
            let object = json!({ "type": "envelope", "relay": object(one) });
            self.out.result(&object, |style| style.dim(&format!("          the relay: {}", line(one))))?;
        }
        Ok(())
    }

    /// An envelope in a mailbox.
    pub(super) fn waiting(&self, one: &Deposited) -> Result<()> {
        self.out.result(&json!({ "type": "waiting", "relay": object(one) }), |style| {
            style.dim(&format!("     still there for bob: {}", line(one)))
        })
    }

    pub(super) fn heard(&self, who: &str, text: &str) -> Result<()> {
        self.out.result(&json!({ "type": "heard", "who": who, "text": text }), |style| {
            format!("     {} reads  {text}", style.other(who))
        })
    }

    /// Whether somebody sits there who may want to try it.
    pub(super) fn has_guest(&self) -> bool {
        !self.out.json && io::stdin().is_terminal() && io::stdout().is_terminal()
    }

    pub(super) fn out(&self) -> Output {
        self.out
    }

    pub(super) fn ending(&self) -> Result<()> {
        self.out.result(&json!({ "type": "end" }), |style| {
            format!(
                "\n{}\n\n  On a machine that others can reach:   {}\n  It prints its address. Then, for each person:\n\n  \
                 1. {}   (the relay's address, as it printed it)\n  2. {}\n  3. /msg bob hello\n",
                style.bold("That was all of it. For real:"),
                style.good("wheesht relay"),
                style.good("wheesht register alice@HOST:PORT#FINGERPRINT"),
                style.good("wheesht"),
            )
        })
    }
}

fn mailbox(one: &Deposited) -> String {
    one.mailbox.to_string().chars().take(8).collect()
}

fn line(one: &Deposited) -> String {
    let bytes: Vec<_> = one.bytes.iter().skip(8).take(8).map(|byte| format!("{byte:02x}")).collect();
    let stranger = if one.request { ", from a stranger" } else { "" };
    format!("mailbox {}…, {} bytes{stranger}: {} …", mailbox(one), one.bytes.len(), bytes.join(" "))
}

fn object(one: &Deposited) -> serde_json::Value {
    let bytes: String = one.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "mailbox": one.mailbox, "size": one.bytes.len(), "request": one.request, "bytes": bytes })
}
