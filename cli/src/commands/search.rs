//! `wheesht search`: what was said somewhere, sometime.

use wheesht_core::api::{Body, Hit, Response, Search, SearchOrder};

use super::history;
use crate::{
    args::{Global, OrderName, SearchArgs},
    exit::Result,
    output::{Output, Style},
    render,
    session::Session,
};

pub(crate) async fn run(global: &Global, out: Output, args: SearchArgs) -> Result<()> {
    let session = Session::with_account(global, out).await?;
    let conversation = match &args.with {
        Some(with) => Some(history::conversation(&session, with).await?),
        None => None,
    };
    let order = match args.order {
        OrderName::Newest => SearchOrder::Newest,
        OrderName::Oldest => SearchOrder::Oldest,
        OrderName::Relevance => SearchOrder::Relevance,
    };
    let search = Search {
        query: query(&args.query),
        conversation,
        order,
        limit: args.limit,
        cursor: args.cursor,
        ..Default::default()
    };
    let found = session.client.search(search).await?;
    let titles = session.client.conversations().await?;
    out.result(&Response::Found { found: found.clone() }, |style| {
        let mut lines = Vec::new();
        for hit in &found.hits {
            let title = titles.iter().find(|one| one.id == hit.message.conversation);
            let title = title.map(|one| render::name(&one.title)).unwrap_or_default();
            lines.push(style.dim(&format!("{title} · {}", hit.message.seq)));
            lines.push(shown(hit, style));
        }
        if lines.is_empty() {
            lines.push("Nothing was found.".to_owned());
        }
        if let Some(cursor) = &found.cursor {
            lines.push(style.dim(&format!("(more: --cursor {cursor})")));
        }
        if found.incomplete {
            lines.push(style.dim("(not everything could be looked at)"));
        }
        lines.join("\n")
    })?;
    session.client.close().await;
    Ok(())
}

/// What the shell has taken apart: an argument with spaces is a phrase, as it would be if the quotation marks had come through.
fn query(arguments: &[String]) -> String {
    if let [only] = arguments {
        return only.clone();
    }
    let part = |argument: &String| match argument.split_once(':') {
        _ if !argument.contains(char::is_whitespace) || argument.contains('"') => argument.clone(),
        Some((key, value)) => format!("{key}:\"{value}\""),
        None => format!("\"{argument}\""),
    };
    arguments.iter().map(part).collect::<Vec<_>>().join(" ")
}

/// The message with its marks.
fn shown(hit: &Hit, style: Style) -> String {
    let mut message = hit.message.clone();
    if let Body::Text { text } = &mut message.body
        && style.bold("x") != "x"
    {
        let mut marked = String::new();
        let mut at = 0;
        for mark in &hit.marks {
            let (start, end) = (mark.start as usize, mark.start.saturating_add(mark.length) as usize);
            let (Some(before), Some(word)) = (text.get(at..start), text.get(start..end)) else { continue };
            // Control characters are taken out when it is rendered, so the marks are letters: brackets.
            marked.push_str(before);
            marked.push('\u{27e6}');
            marked.push_str(word);
            marked.push('\u{27e7}');
            at = end;
        }
        marked.push_str(text.get(at..).unwrap_or_default());
        *text = marked;
    }
    render::message(&message, style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_shell_took_apart_is_put_together() {
        let parts = |parts: &[&str]| query(&parts.iter().map(|&part| part.to_owned()).collect::<Vec<_>>());
        assert_eq!(parts(&["\"to the sea\" x"]), "\"to the sea\" x");
        assert_eq!(
            parts(&["train", "to the sea", "in:Weekend trip"]),
            "train \"to the sea\" in:\"Weekend trip\""
        );
    }
}
