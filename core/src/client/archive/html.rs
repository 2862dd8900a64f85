//! HTML: one page that looks like a chat, needs nothing from anywhere, and runs nothing.
// EXP-3

use std::fmt::Write as _;

use super::{
    beside::Copied,
    shown::{Calendar, amount, aside, failed, line, lines, text},
};
use crate::{
    api::{Body, File, Message},
    proto::base64url,
};

/// Everything before the messages. The policy forbids the page whatever a text might try.
pub(super) fn begin(title: &str) -> String {
    let title = escape(&line(title));
    format!(
        r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --back: #f4f1ea; --text: #1d1d1f; --dim: #6b6b70; --theirs: #ffffff; --mine: #d9ead3; --line: #0001 }}
@media (prefers-color-scheme: dark) {{ :root {{ --back: #17181a; --text: #ececee; --dim: #9a9aa0; --theirs: #26282b; --mine: #22402c; --line: #fff2 }} }}
* {{ box-sizing: border-box }}
body {{ margin: 0; background: var(--back); color: var(--text); font: 16px/1.45 system-ui, sans-serif }}
main {{ max-width: 46rem; margin: 0 auto; padding: 1rem }}
h1 {{ font-size: 1.2rem; margin: .5rem 0 1rem; overflow-wrap: anywhere }}
h2 {{ font-size: .8rem; font-weight: 600; color: var(--dim); text-align: center; margin: 1.5rem 0 .75rem }}
article {{ max-width: 80%; width: fit-content; margin: .3rem 0; padding: .45rem .75rem; border-radius: .9rem; background: var(--theirs); border: 1px solid var(--line) }}
article.mine {{ margin-left: auto; background: var(--mine) }}
article p {{ margin: 0; white-space: pre-wrap; overflow-wrap: anywhere }}
article header {{ font-size: .8rem; font-weight: 600 }}
article.mine header {{ display: none }}
.file {{ display: block; margin: .1rem 0 .3rem; color: inherit; overflow-wrap: anywhere }}
.file img {{ display: block; max-width: 100%; max-height: 20rem; margin-bottom: .3rem; border-radius: .6rem }}
.file small {{ color: var(--dim) }}
article footer {{ font-size: .7rem; color: var(--dim); text-align: right }}
blockquote {{ margin: .2rem 0; padding: 0 .6rem; border-left: 3px solid var(--dim); color: var(--dim); font-size: .9rem; overflow-wrap: anywhere }}
.aside {{ color: var(--dim); font-size: .8rem; text-align: center; margin: .6rem 0 }}
@media print {{ body {{ background: none }} article {{ break-inside: avoid }} }}
</style></head>
<body><main><h1 dir="auto">{title}</h1>
"#
    )
}

/// A message, and where its file lies.
pub(super) fn message(message: &Message, copied: Option<&Copied>, calendar: &mut Calendar) -> String {
    let mut out = String::new();
    if let Some(today) = calendar.turned(message.received_at) {
        let _ = writeln!(out, "<h2>{today}</h2>");
    }
    let at = calendar.clock(message.received_at);
    let Some(text) = text(message) else {
        let _ = writeln!(out, r#"<div class="aside" dir="auto">{} · {at}</div>"#, escape(&aside(message)));
        return out;
    };
    let class = if message.outgoing { r#" class="mine""# } else { "" };
    let _ = write!(out, r#"<article{class} id="m{}">"#, message.seq);
    let _ = write!(out, r#"<header dir="auto">{}</header>"#, escape(&line(&message.sender_name)));
    if let Some(reply) = &message.reply {
        let quote = escape(&line(&reply.text));
        let _ = match reply.seq {
            Some(seq) => write!(
                out,
                r##"<blockquote dir="auto"><a href="#m{seq}" style="color:inherit">{quote}</a></blockquote>"##
            ),
            None => write!(out, r#"<blockquote dir="auto">{quote}</blockquote>"#),
        };
    }
    let text = match &message.body {
        Body::File { file, caption } => {
            out.push_str(&enclosed(file, copied));
            lines(caption)
        }
        _ => text,
    };
    if !text.is_empty() {
        let _ = write!(out, r#"<p dir="auto">{}</p>"#, escape(&text));
    }
    out.push_str("<footer>");
    for reaction in &message.reactions {
        let _ = write!(out, "{} {} · ", escape(&line(&reaction.emoji)), reaction.accounts.len());
    }
    if message.edited.is_some() {
        out.push_str("edited · ");
    }
    if failed(message) {
        out.push_str("not sent · ");
    }
    let _ = writeln!(out, "<time>{at}</time></footer></article>");
    out
}

/// Everything behind the messages.
pub(super) fn end(missing: u64) -> String {
    let words = match missing {
        0 => return "</main></body></html>\n".to_owned(),
        1 => "1 file is not beside this page: it was not on this device.".to_owned(),
        n => format!("{n} files are not beside this page: they were not on this device."),
    };
    format!("<div class=\"aside\">{words}</div>\n</main></body></html>\n")
}

/// A file: its preview, its name, and the way to it.
fn enclosed(file: &File, copied: Option<&Copied>) -> String {
    let mut inner = String::new();
    if let Some(preview) = file.preview.as_ref().filter(|preview| preview.bytes().starts_with(JPEG)) {
        // The alphabet of addresses differs from that of data by two characters.
        let data = base64url::encode(preview.bytes()).replace('-', "+").replace('_', "/");
        let _ = write!(inner, r#"<img alt="" src="data:image/jpeg;base64,{data}">"#);
    }
    inner.push_str(&escape(&line(&file.name)));
    let mut about = amount(file.size);
    if let Some(ms) = file.duration_ms {
        let seconds = ms.div_ceil(1_000);
        let _ = write!(about, ", {}:{:02}", seconds / 60, seconds % 60);
    }
    match copied {
        Some(Copied::Here { path, open: true }) => {
            format!(
                r#"<a class="file" dir="auto" href="{}">{inner} <small>{about}</small></a>"#,
                address(path)
            )
        }
        Some(Copied::Here { path, open: false }) => {
            // EXP-7: what a browser might run is named, and not pointed to.
            let path = escape(&line(path));
            format!(r#"<span class="file" dir="auto">{inner} <small>{about}, at {path}</small></span>"#)
        }
        Some(Copied::Missing) | None => {
            format!(
                r#"<span class="file" dir="auto">{inner} <small>{about}, not on this device</small></span>"#
            )
        }
    }
}

/// What a JPEG begins with.
const JPEG: &[u8] = b"\xff\xd8\xff";

/// A path as a relative address: whatever it holds, it stays one.
fn address(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' => out.push(char::from(byte)),
            // Writing to a string can't fail.
            byte => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_3_nothing_that_was_written_is_markup_and_the_page_runs_nothing() {
        let page = begin("<script>alert(1)</script>");
        assert!(!page.contains("<script") && page.contains("default-src 'none'"));
        assert_eq!(address("a\"#?%:ä-files/1.jpg"), "a%22%23%3F%25%3A%C3%A4-files/1.jpg");
        assert_eq!(
            escape(r#"<img src="x" onerror='y'>&"#),
            "&lt;img src=&quot;x&quot; onerror=&#39;y&#39;&gt;&amp;"
        );
    }
}
