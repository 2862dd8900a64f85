//! Answering a search: lists met with each other, then what waits, then the messages themselves.
//!
//! ```text
//! query ─▶ what must hold ─▶ lists of each half, the shortest first, met ─┐
//!                      └──▶ what waits ───────────────────────────────────┴▶ ordered ─▶ each looked at ─▶ hits
//! ```

use wheesht_proto::{ids::AccountId, stored::SearchText};

use super::{
    dictionary, fill,
    lists::{self, Among, Head},
    marks::marks,
    messages,
    postings::List,
    query::{self, Clause, Query},
    tables::{HALVES, Tables},
    terms::{PREFIXES, Term},
    waiting::{self, numbers},
};
use crate::{
    api::{Body, Error, ErrorCode, Found, Hit, Mark, Response, Search, SearchOrder},
    engine::{
        Ctx, EngineError, account,
        error::{Answer, Failure},
        messaging, people,
    },
};

/// Largest page, and the page of who asks for none.
const MAX_PAGE: usize = 100;
const PAGE: usize = 20;

/// Messages looked at for one page: what the lists promised and is not so must not make a search endless.
const MAX_LOOKED: usize = 1_000;

/// Words that a long beginning may stand for.
const MAX_EXPANDED: usize = 256;

/// Names that may be meant by one.
const MAX_NAMED: usize = 16;

/// A search, with names found.
struct Wanted {
    clauses: Vec<Clause>,
    conversations: Option<Vec<u64>>,
    senders: Option<Vec<AccountId>>,
    kind: Option<crate::api::MessageKind>,
    since: Option<u64>,
    until: Option<u64>,
    /// Rarity of each clause's words.
    rarity: Vec<Vec<f64>>,
}

/// Which clause, and which of its words.
type Place = (usize, usize);

/// One thing that must hold: one of these terms.
struct Group {
    any: Vec<(Term, Head)>,
    count: u64,
    /// Which clause's which word.
    word: Option<(usize, usize)>,
}

/// `Search`.
pub(crate) fn search(ctx: &mut Ctx<'_, '_>, search: &Search) -> Answer {
    let mut wanted = wanted(ctx, search)?;
    let mut incomplete = !fill::is_done(ctx)?;
    let found = ranked(ctx, &mut wanted, search.order, &mut incomplete)?;
    page(ctx, search, &wanted, &found, incomplete)
}

/// The messages that may be meant, by number, in order.
fn ranked(
    ctx: &mut Ctx<'_, '_>,
    wanted: &mut Wanted,
    by: SearchOrder,
    incomplete: &mut bool,
) -> Result<Vec<(u64, f64)>, EngineError> {
    let mut found: Vec<(u64, f64)> = Vec::new();
    let mut groups = Vec::new();
    for tables in HALVES {
        groups.push((tables, self::groups(ctx, tables, wanted, incomplete)?));
    }
    wanted.rarity = rarity(ctx, wanted, &groups)?;
    for (tables, groups) in groups {
        if let Some(groups) = groups {
            in_lists(ctx, tables, wanted, groups, by, &mut found)?;
        }
    }
    in_waiting(ctx, wanted, by, &mut found);
    order(ctx, by, &mut found);
    Ok(found)
}

// ---- What is wanted ------------------------------------------------------------------------------------------

fn wanted(ctx: &mut Ctx<'_, '_>, search: &Search) -> Result<Wanted, Failure> {
    let Query { clauses, from, inside, since, until, kind } = query::parse(&search.query)?;
    let mut conversations = None;
    for name in &inside {
        let mut named = messaging::conversations_called(ctx, name)?;
        named.truncate(MAX_NAMED);
        meet(&mut conversations, named);
    }
    if let Some(id) = &search.conversation {
        meet(&mut conversations, messaging::conversation_number(ctx, id)?.into_iter().collect());
    }
    let mut senders = None;
    for name in &from {
        let mut named = match (name.as_str(), account::own_name(ctx)?) {
            ("me", Some((own, _))) => vec![own],
            _ => people::called(ctx, name)?,
        };
        named.truncate(MAX_NAMED);
        if named.is_empty() {
            let error = Error::new(ErrorCode::NotFound, "You know nobody of that name.");
            return Err(error
                .next("After from: stands a contact's name, address or nickname, or me.")
                .into());
        }
        meet(&mut senders, named);
    }
    if let Some(who) = &search.sender {
        meet(&mut senders, people::account(ctx, who)?.into_iter().collect());
    }
    if !inside.is_empty() && conversations.as_ref().is_some_and(Vec::is_empty) {
        let error = Error::new(ErrorCode::NotFound, "There is no conversation of that name.");
        return Err(error
            .next("After in: stands a contact's or a group's name; with spaces, in quotation marks.")
            .into());
    }
    let since = query::millis(search.from).max(since);
    let until = match (query::millis(search.until), until) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    let kind = search.kind.or(kind);
    let anything =
        since.is_some() || until.is_some() || kind.is_some() || conversations.is_some() || senders.is_some();
    if clauses.is_empty() && !anything {
        let error = Error::new(ErrorCode::Invalid, "There is nothing to look for.");
        return Err(error
            .next("Write a word; or from:, in:, before:, after: or has: with what you know.")
            .into());
    }
    // Of a span of time alone: whatever has words.
    let kind = kind.or((clauses.is_empty() && conversations.is_none() && senders.is_none())
        .then_some(crate::api::MessageKind::Text));
    Ok(Wanted { clauses, conversations, senders, kind, since, until, rarity: Vec::new() })
}

/// Both must hold.
fn meet<T: PartialEq>(known: &mut Option<Vec<T>>, mut other: Vec<T>) {
    if let Some(known) = known {
        other.retain(|one| known.contains(one));
    }
    *known = Some(other);
}

/// Everything that must hold in one half; none if something can't.
fn groups(
    ctx: &Ctx<'_, '_>,
    tables: Tables,
    wanted: &Wanted,
    incomplete: &mut bool,
) -> Result<Option<Vec<Group>>, EngineError> {
    let mut terms: Vec<(Vec<Term>, Option<Place>)> = Vec::new();
    for (at, clause) in wanted.clauses.iter().enumerate() {
        for (place, word) in clause.words.iter().enumerate() {
            let last = place + 1 == clause.words.len();
            let any = match clause.prefix && last {
                true => beginnings(ctx, tables, word, incomplete)?,
                false => vec![Term::word(word)],
            };
            terms.push((any, Some((at, place))));
        }
    }
    if let Some(conversations) = &wanted.conversations {
        terms.push((conversations.iter().map(|number| Term::conversation(*number)).collect(), None));
    }
    if let Some(senders) = &wanted.senders {
        terms.push((senders.iter().map(|sender| Term::sender(sender.as_ref())).collect(), None));
    }
    if let Some(kind) = wanted.kind {
        terms.push((vec![Term::of_kind(kind)], None));
    }
    let mut groups = Vec::new();
    for (terms, word) in terms {
        let mut any = Vec::new();
        for term in terms {
            if let Some(head) = lists::head(ctx, tables, &term)? {
                any.push((term, head));
            }
        }
        if any.is_empty() {
            return Ok(None);
        }
        let count = any.iter().map(|(_, head)| head.count).sum();
        groups.push(Group { any, count, word });
    }
    groups.sort_by_key(|group| group.count);
    Ok(Some(groups))
}

/// The terms that stand for a beginning: itself, or the words that begin so if it is a long one.
fn beginnings(
    ctx: &Ctx<'_, '_>,
    tables: Tables,
    prefix: &str,
    incomplete: &mut bool,
) -> Result<Vec<Term>, EngineError> {
    if PREFIXES.contains(&prefix.chars().count()) {
        return Ok(vec![Term::prefix(prefix)]);
    }
    let mut words = dictionary::beginning_with(ctx, tables, prefix, MAX_EXPANDED)?;
    if words.len() > MAX_EXPANDED {
        *incomplete = true;
        words.truncate(MAX_EXPANDED);
    }
    Ok(words.iter().map(|word| Term::word(word)).collect())
}

// ---- In the lists --------------------------------------------------------------------------------------------

fn in_lists(
    ctx: &Ctx<'_, '_>,
    tables: Tables,
    wanted: &Wanted,
    groups: Vec<Group>,
    order: SearchOrder,
    found: &mut Vec<(u64, f64)>,
) -> Result<(), EngineError> {
    let (from, until) = numbers(wanted.since, wanted.until);
    let mut met: Option<Vec<u64>> = None;
    let mut kept: Vec<((usize, usize), List)> = Vec::new();
    for group in groups {
        let among = Among { from, until, only: met.as_deref() };
        let mut lists = Vec::new();
        for (term, head) in &group.any {
            lists.push(lists::read(ctx, tables, term, head, among)?);
        }
        let list = union(lists);
        if list.is_empty() {
            return Ok(());
        }
        let docs = list.docs.clone();
        if let Some(word) = group.word
            && (order == SearchOrder::Relevance
                || wanted.clauses.get(word.0).is_some_and(|clause| clause.words.len() > 1))
        {
            kept.push((word, list));
        }
        met = Some(docs);
    }
    let waiting = &ctx.passing.search.waiting;
    let numbers = met.unwrap_or_default().into_iter().filter(|number| !waiting.holds(*number));
    let mut next = vec![0_usize; kept.len()];
    let mut at = Vec::new();
    for number in numbers {
        let mut score = 0.0;
        let mut in_order = true;
        at.clear();
        for ((word, list), next) in kept.iter().zip(&mut next) {
            // Both ascend: what comes before is behind us.
            while list.docs.get(*next).is_some_and(|doc| *doc < number) {
                *next += 1;
            }
            if list.docs.get(*next) != Some(&number) {
                continue;
            }
            let (weight, places) = list.get(*next);
            score += weigh(wanted, *word, weight);
            at.push((*word, places));
        }
        for (n, clause) in wanted.clauses.iter().enumerate().filter(|(_, clause)| clause.words.len() > 1) {
            in_order &= may_follow(n, clause, &at);
        }
        if in_order {
            found.push((number, score));
        }
    }
    Ok(())
}

/// Whether the words of a clause may stand one after the other.
fn may_follow(n: usize, clause: &Clause, at: &[((usize, usize), &[u16])]) -> bool {
    let places = |place: usize| at.iter().find(|(word, _)| *word == (n, place)).map(|(_, places)| *places);
    let exact = clause.words.len() - usize::from(clause.prefix);
    let Some(first) = places(0) else { return false };
    // Of a word that stands there often, not every place is kept.
    let full = |places: &[u16]| places.len() >= super::postings::MAX_PLACES;
    if (0..exact).any(|place| places(place).is_some_and(full)) {
        return true;
    }
    first.iter().any(|start| {
        (1..exact).all(|place| {
            let there = u16::try_from(place).ok().and_then(|place| start.checked_add(place));
            there
                .is_some_and(|there| places(place).is_some_and(|places| places.binary_search(&there).is_ok()))
        })
    })
}

fn union(mut lists: Vec<List>) -> List {
    if lists.len() <= 1 {
        return lists.pop().unwrap_or_default();
    }
    let mut all: Vec<(u64, usize, usize)> = Vec::new();
    for (which, list) in lists.iter().enumerate() {
        all.extend(list.docs.iter().enumerate().map(|(at, doc)| (*doc, which, at)));
    }
    all.sort_unstable();
    all.dedup_by_key(|(doc, ..)| *doc);
    let mut out = List::default();
    for (doc, which, at) in all {
        if let Some(list) = lists.get(which) {
            let (weight, places) = list.get(at);
            out.push(doc, weight, places);
        }
    }
    out
}

// ---- What waits ----------------------------------------------------------------------------------------------

fn in_waiting(ctx: &Ctx<'_, '_>, wanted: &Wanted, order: SearchOrder, found: &mut Vec<(u64, f64)>) {
    let (from, until) = numbers(wanted.since, wanted.until);
    for (number, one) in ctx.passing.search.waiting.iter() {
        let Some(text) = one.row.new.as_ref().filter(|_| (from..until).contains(&number)) else { continue };
        let here = wanted.conversations.as_ref().is_none_or(|all| all.contains(&one.row.conversation));
        let theirs = wanted
            .senders
            .as_ref()
            .is_none_or(|all| all.iter().any(|one_of| one_of.as_ref() == one.row.sender));
        let kind = wanted.kind.is_none_or(|kind| super::terms::has(text, kind));
        if !(here && theirs && kind) {
            continue;
        }
        if let Some(score) = score_of(wanted, text, order) {
            found.push((number, score));
        }
    }
}

/// How well a text fits; none if it lacks a word. Their order is looked at later.
fn score_of(wanted: &Wanted, text: &SearchText, order: SearchOrder) -> Option<f64> {
    let mut score = 0.0;
    let length = text.words.len().checked_ilog2().unwrap_or_default().min(15) as u8;
    for (n, clause) in wanted.clauses.iter().enumerate() {
        let last = clause.words.len() - 1;
        for (place, wanted_word) in clause.words.iter().enumerate() {
            let at = text.words.partition_point(|word| word.word < *wanted_word);
            let word = text.words.get(at)?;
            let fits = match clause.prefix && place == last {
                true => word.word.starts_with(wanted_word.as_str()),
                false => word.word == *wanted_word,
            };
            if !fits {
                return None;
            }
            if order == SearchOrder::Relevance {
                let often = word.places.len().min(super::postings::MAX_PLACES) as u8;
                score += weigh(wanted, (n, place), often << 4 | length);
            }
        }
    }
    Some(score)
}

// ---- Order ---------------------------------------------------------------------------------------------------

/// How rare each word is (the usual logarithm of documents over those that have it).
fn rarity(
    ctx: &Ctx<'_, '_>,
    wanted: &Wanted,
    groups: &[(Tables, Option<Vec<Group>>)],
) -> Result<Vec<Vec<f64>>, EngineError> {
    let all = waiting::state(ctx)?.messages as f64 + ctx.passing.search.waiting.len() as f64 + 1.0;
    let known = groups.iter().filter_map(|(_, groups)| groups.as_ref()).flatten();
    let mut counts = std::collections::HashMap::new();
    for group in known {
        if let Some(word) = group.word {
            *counts.entry(word).or_insert(0_u64) += group.count;
        }
    }
    let of = |word: (usize, usize)| {
        let count = counts.get(&word).copied().unwrap_or_default() as f64;
        (1.0 + (all - count).max(0.0) / (count + 1.0)).ln() + 0.1
    };
    let clauses = wanted.clauses.iter().enumerate();
    Ok(clauses.map(|(n, clause)| (0..clause.words.len()).map(|place| of((n, place))).collect()).collect())
}

/// Rare words count for more, more often for a little more, in a long message for less (BM25).
fn weigh(wanted: &Wanted, (n, place): (usize, usize), weight: u8) -> f64 {
    let rarity = wanted.rarity.get(n).and_then(|words| words.get(place)).copied().unwrap_or(1.0);
    let often = f64::from((weight >> 4).max(1));
    let length = f64::from(1_u32 << (weight & 15));
    rarity * often * 2.2 / (often + 1.2 * (0.5 + 0.5 * length / 8.0))
}

fn order(ctx: &Ctx<'_, '_>, order: SearchOrder, found: &mut [(u64, f64)]) {
    match order {
        SearchOrder::Newest => found.sort_unstable_by_key(|(number, _)| std::cmp::Reverse(*number)),
        SearchOrder::Oldest => found.sort_unstable_by_key(|(number, _)| *number),
        SearchOrder::Relevance => {
            let now = waiting::numbers(Some(ctx.now.as_millis()), None).0;
            let month = waiting::numbers(Some(30 * wheesht_proto::limits::DAY_MS), None).0 as f64;
            for (number, score) in found.iter_mut() {
                let age = now.saturating_sub(*number) as f64 / month;
                *score *= 1.0 + 0.2 / (1.0 + age);
            }
            found.sort_unstable_by(|one, other| other.1.total_cmp(&one.1).then(other.0.cmp(&one.0)));
        }
    }
}

// ---- The page ------------------------------------------------------------------------------------------------

fn page(
    ctx: &mut Ctx<'_, '_>,
    search: &Search,
    wanted: &Wanted,
    found: &[(u64, f64)],
    incomplete: bool,
) -> Answer {
    let limit = match usize::try_from(search.limit).unwrap_or(MAX_PAGE) {
        0 => PAGE,
        limit => limit.min(MAX_PAGE),
    };
    let mut at = begin(search, found)?;
    let mut answer = Found { incomplete, ..Default::default() };
    let end = at.saturating_add(MAX_LOOKED);
    while let Some((number, _)) = found.get(at).filter(|_| at < end && answer.hits.len() < limit) {
        at += 1;
        answer.hits.extend(look(ctx, wanted, *number)?);
    }
    if at < found.len() {
        answer.cursor = match search.order {
            SearchOrder::Relevance => Some(format!("r{at}")),
            _ => found.get(at.wrapping_sub(1)).map(|(number, _)| format!("t{number}")),
        };
    }
    Ok(Some(Response::Found { found: answer }))
}

/// Where the page begins.
fn begin(search: &Search, found: &[(u64, f64)]) -> Result<usize, Failure> {
    let Some(cursor) = &search.cursor else { return Ok(0) };
    let wrong = || Failure::from(Error::new(ErrorCode::Invalid, "This is no cursor of a search."));
    let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
    match (search.order, cursor.split_at_checked(1)) {
        (SearchOrder::Relevance, Some(("r", at))) => usize::try_from(number(at)?).map_err(|_| wrong()),
        (SearchOrder::Newest, Some(("t", last))) => {
            let last = number(last)?;
            Ok(found.partition_point(|(number, _)| *number >= last))
        }
        (SearchOrder::Oldest, Some(("t", last))) => {
            let last = number(last)?;
            Ok(found.partition_point(|(number, _)| *number <= last))
        }
        _ => Err(wrong()),
    }
}

/// Looks at a message: is it there, and what was looked for?
// SEA-7
fn look(ctx: &mut Ctx<'_, '_>, wanted: &Wanted, number: u64) -> Result<Option<Hit>, EngineError> {
    let place = match ctx.passing.search.waiting.get(number) {
        Some(one) => Some((one.row.conversation, one.row.position)),
        None => messages::find(ctx, number)?,
    };
    let Some((conversation, position)) = place else { return Ok(None) };
    let Some((message, text)) = messaging::found(ctx, conversation, position, number)? else {
        return Ok(None);
    };
    let at = message.sent_at.as_millis();
    if wanted.since.is_some_and(|since| at < since) || wanted.until.is_some_and(|until| at >= until) {
        return Ok(None);
    }
    // What stands in a file's name is found, and has no place in the text to be marked.
    let shown = match &message.body {
        Body::Text { text } => text.len(),
        Body::File { caption, .. } => caption.len(),
        _ => 0,
    };
    let within = |mark: &Mark| (mark.start as usize).saturating_add(mark.length as usize) <= shown;
    let marks = marks(&text, &wanted.clauses);
    Ok(marks.map(|marks| Hit { marks: marks.into_iter().filter(within).collect(), message }))
}

/// What a query finds, before the messages themselves are looked at; for tests.
#[cfg(test)]
pub(super) fn numbers_of(ctx: &mut Ctx<'_, '_>, query: &str) -> Vec<u64> {
    let search = Search { query: query.to_owned(), ..Default::default() };
    let Ok(mut wanted) = wanted(ctx, &search) else { return Vec::new() };
    let found = ranked(ctx, &mut wanted, SearchOrder::Newest, &mut false);
    let mut numbers: Vec<u64> = found.unwrap_or_default().into_iter().map(|(number, _)| number).collect();
    // The words' order in what waits is seen in the text alone.
    numbers.retain(|number| {
        let known = ctx.passing.search.waiting.get(*number);
        known.and_then(|one| one.row.new.as_ref()).is_none_or(|text| in_order(text, &wanted.clauses))
    });
    numbers
}

#[cfg(test)]
fn in_order(text: &SearchText, clauses: &[Clause]) -> bool {
    let mut words = std::collections::BTreeMap::new();
    for word in &text.words {
        words.extend(word.places.iter().map(|place| (*place, word.word.as_str())));
    }
    let text: Vec<&str> = words.into_values().collect();
    marks(&text.join(" "), clauses).is_some()
}
