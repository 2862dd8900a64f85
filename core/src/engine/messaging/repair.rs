//! Repair: what can't be read is asked for again.
//!
//! ```text
//!  receiver                                                     sender
//!  unreadable(session, place) ── new session: RetryRequest ──▶  retires that session,
//!  (once an hour, then less often)                              finds the content in its log,
//!           shown, once  ◀──────────── the same content ──────  sends it again, at most twice
//! ```
//!
//! What can't be read proves nothing of who sent it. So it is never asked for at once, but some seconds later, at random: else a relay that
//! pushes garbage under a contact's name would see whose connection asks (CON-33).
//!
//! A peer's device may claim what it likes: a question is answered only for what was encrypted for that very device, and
//! resets, questions and answers are bounded per hour.

use wheesht_proto::{
    content::{RetryRequest, content::Body},
    ids::{AccountId, DeviceId, GroupId},
    limits::{DAY_MS, ENVELOPE_LIFETIME_MS},
    prost::Message as _,
    stored::{OutboxItem, Repair, Repairs, Unreadable},
};

use super::{
    super::{
        Ctx, EngineError, account, people,
        tables::{REPAIRS, SENT_LOG},
        timers::Timer,
    },
    outbox, row_id, sessions,
};
use crate::{
    api::{ContactState, EventKind, Notice, Trouble},
    protocol::session::UnverifiedSessionMessage,
    store::Direction,
    time::Timestamp,
};

/// A session is set up anew at most once in this time (milliseconds), and half as often after each further time.
const HOUR_MS: u64 = DAY_MS / 24;
/// So that the pause is at most 32 hours.
const MAX_DOUBLINGS: u32 = 5;

/// Questions to one device in an hour, and answers to it.
const MAX_ASKED: u32 = 100;
const MAX_ANSWERED: u32 = 200;

/// Messages to ask for when a reset is allowed again.
const MAX_WAITING: usize = 100;

/// Devices of one account with a row.
const MAX_DEVICES: usize = 2 * wheesht_proto::limits::MAX_DEVICES;

/// How often a content is sent again to a device.
const MAX_TRIES: u32 = 2;

/// Items of the log that an answer looks through.
const SEARCHED: usize = 1_000;

/// How an encoded session message is named: its ratchet key and its place.
pub(super) fn place(message: &[u8]) -> Option<(Vec<u8>, u32)> {
    let message = UnverifiedSessionMessage::decode(message).ok()?;
    let (key, count) = message.place();
    Some((key.as_bytes().to_vec(), count))
}

/// A message can't be read.
// CON-15
pub(super) fn unreadable(
    ctx: &mut Ctx<'_, '_>,
    account: &AccountId,
    device: &DeviceId,
    group: Option<&GroupId>,
    message: &UnverifiedSessionMessage,
) -> Result<(), EngineError> {
    let (ratchet_key, count) = message.place();
    let broken = Unreadable {
        session_id: message.session_id().as_bytes().to_vec(),
        ratchet_key: ratchet_key.as_bytes().to_vec(),
        count,
        group: group.map(|group| group.to_vec()).unwrap_or_default(),
    };
    let (number, mut repairs) = load(ctx, account)?;
    let now = ctx.now.as_millis();
    let mut repair = of_device(&mut repairs, device, now);
    // CON-16
    if repair.waiting.contains(&broken) || repair.waiting.len() >= MAX_WAITING {
        return Ok(());
    }
    // CON-33
    let soon = ctx.unobserved().as_millis();
    if repair.waiting.is_empty() || repair.due_ms > soon {
        repair.due_ms = soon;
    }
    repair.waiting.push(broken);
    repairs.devices.push(repair);
    save(ctx, number, &repairs);
    Ok(())
}

/// A device says that it can't read a message.
// CON-17
pub(super) fn asked(
    ctx: &mut Ctx<'_, '_>,
    account: &AccountId,
    device: &DeviceId,
    request: &RetryRequest,
) -> Result<(), EngineError> {
    let (number, mut repairs) = load(ctx, account)?;
    let now = ctx.now.as_millis();
    let mut repair = of_device(&mut repairs, device, now);
    if repair.answered >= MAX_ANSWERED {
        return Ok(());
    }
    repair.answered += 1;
    repairs.devices.push(repair);
    save(ctx, number, &repairs);
    // CON-18
    sessions::retire(ctx, account, device, &request.session_id)?;
    for (n, row) in ctx.tx.scan(SENT_LOG, account.as_ref(), .., Direction::Backward, SEARCHED)? {
        let mut item =
            OutboxItem::decode(row.as_slice()).map_err(|_| EngineError::Row { what: SENT_LOG.name() })?;
        if again(&mut item, device, request, now).is_some() {
            ctx.save(SENT_LOG, account.as_ref(), n, &item);
            return send_again(ctx, account, device, item);
        }
    }
    // It may be in the outbox still, because another device of theirs doesn't have it yet.
    for (n, mut item) in outbox::window(ctx, account)? {
        if again(&mut item, device, request, now).is_some() {
            outbox::save_item(ctx, account, n, &item);
            return send_again(ctx, account, device, item);
        }
    }
    Ok(())
}

/// A session was set up anew.
pub(super) fn renewed(ctx: &mut Ctx<'_, '_>, account: &AccountId) -> Result<(), EngineError> {
    match account::me(ctx)? {
        Some(me) if me.account == *account => Ok(()),
        _ if !talks(ctx, account)? => Ok(()),
        _ => super::notice(ctx, account, Notice::SessionReset),
    }
}

/// Resets that were held back.
pub(super) fn due(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let now = ctx.now.as_millis();
    let due = ctx.passing.messaging.repairs.iter().filter(|(_, at)| at.as_millis() <= now);
    for number in due.map(|(number, _)| *number).collect::<Vec<_>>() {
        ctx.passing.messaging.repairs.remove(&number);
        let Some(mut repairs) = ctx.load::<Repairs>(REPAIRS, b"", number)? else { continue };
        let account: AccountId = row_id(&repairs.identity, REPAIRS)?;
        for repair in &mut repairs.devices {
            if now >= repair.due_ms && !repair.waiting.is_empty() {
                attend(ctx, &account, repair)?;
            }
        }
        save(ctx, number, &repairs);
    }
    arm(ctx);
    Ok(())
}

/// Finds what was held back again, after a start.
pub(super) fn start(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for (number, row) in ctx.tx.scan(REPAIRS, b"", .., Direction::Forward, usize::MAX)? {
        let repairs = decode(&row)?;
        remember(ctx, number, &repairs);
    }
    arm(ctx);
    Ok(())
}

/// Forgets repairs that are long over.
pub(super) fn forget_old(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    for (number, row) in ctx.tx.scan(REPAIRS, b"", .., Direction::Forward, usize::MAX)? {
        let now = ctx.now.as_millis();
        let over = |repair: &Repair| {
            repair.waiting.is_empty() && now > repair.next_ms.max(repair.since_ms).saturating_add(7 * DAY_MS)
        };
        if decode(&row)?.devices.iter().all(over) {
            ctx.tx.delete(REPAIRS, b"", number);
        }
    }
    Ok(())
}

/// Forgets all repair with an account.
pub(super) fn forget(ctx: &mut Ctx<'_, '_>, account: &AccountId) -> Result<(), EngineError> {
    if let Some(lane) = outbox::lane(ctx, account)? {
        ctx.tx.delete(REPAIRS, b"", lane.number);
        ctx.passing.messaging.repairs.remove(&lane.number);
    }
    Ok(())
}

/// Asks for what could not be read, as far as it may now; the rest waits until the session may be set up anew.
// CON-16
fn attend(ctx: &mut Ctx<'_, '_>, account: &AccountId, repair: &mut Repair) -> Result<(), EngineError> {
    let device: DeviceId = row_id(&repair.device_id, REPAIRS)?;
    let waiting = std::mem::take(&mut repair.waiting);
    if ctx.now.as_millis() >= repair.next_ms {
        return reset(ctx, account, &device, repair, waiting);
    }
    repair.due_ms = repair.next_ms;
    let current = sessions::current(ctx, account, &device)?;
    for broken in waiting {
        // Another session stands already: what was under way in the broken one is asked for on it.
        let stands = current.as_ref().is_some_and(|current| *current != broken.session_id);
        if stands && repair.asked < MAX_ASKED {
            repair.asked += 1;
            ask(ctx, account, &device, broken)?;
        } else {
            repair.waiting.push(broken);
        }
    }
    Ok(())
}

/// Sets the session up anew, asks for what could not be read, and tells the person.
fn reset(
    ctx: &mut Ctx<'_, '_>,
    account: &AccountId,
    device: &DeviceId,
    repair: &mut Repair,
    broken: Vec<Unreadable>,
) -> Result<(), EngineError> {
    let now = ctx.now.as_millis();
    if now.saturating_sub(repair.next_ms) >= DAY_MS {
        repair.resets = 0;
    }
    repair.next_ms = now.saturating_add(HOUR_MS << repair.resets.min(MAX_DOUBLINGS));
    repair.resets += 1;
    sessions::renew(ctx, account, device)?;
    for broken in broken {
        repair.asked += 1;
        ask(ctx, account, device, broken)?;
    }
    match account::me(ctx)? {
        Some(me) if me.account == *account => {
            ctx.event(EventKind::Trouble { trouble: Trouble::Unreadable { account: *account } })
        }
        _ if !talks(ctx, account)? => Ok(()),
        _ => super::notice(ctx, account, Notice::Unreadable),
    }
}

/// Whether there is a conversation in which something can be said of a broken session. With a member of a group who is no contact
/// there is none; what nobody could read there is told by the group itself.
fn talks(ctx: &mut Ctx<'_, '_>, account: &AccountId) -> Result<bool, EngineError> {
    let contact = people::by_id(ctx, account)?;
    Ok(contact.is_some_and(|contact| contact.state == ContactState::Accepted))
}

fn ask(
    ctx: &mut Ctx<'_, '_>,
    account: &AccountId,
    device: &DeviceId,
    broken: Unreadable,
) -> Result<(), EngineError> {
    let Unreadable { session_id, ratchet_key, count, group } = broken;
    let request = Body::RetryRequest(RetryRequest { session_id, ratchet_key, count });
    if group.is_empty() {
        return outbox::push_hidden(ctx, account, request, Some(device));
    }
    let group = row_id(&group, REPAIRS)?;
    outbox::push_in_group(ctx, &group, account, request, Some(device), false)
}

/// Whether this is the item asked for and may be sent once more; if so it counts that.
// CON-17
fn again(item: &mut OutboxItem, device: &DeviceId, request: &RetryRequest, now: u64) -> Option<()> {
    let fresh = now.saturating_sub(item.queued_ms) <= ENVELOPE_LIFETIME_MS;
    let parcel = item.parcels.iter_mut().find(|parcel| {
        parcel.device_id == device.as_ref()
            && parcel.session_id == request.session_id
            && parcel.ratchet_key == request.ratchet_key
            && parcel.count == request.count
            && parcel.tries < MAX_TRIES
    });
    let parcel = parcel.filter(|_| fresh)?;
    // Asked for again, this very message is not sent a second time: it is the one that follows that may be.
    let tries = parcel.tries;
    parcel.tries = MAX_TRIES;
    item.tries = tries + 1;
    Some(())
}

fn send_again(
    ctx: &mut Ctx<'_, '_>,
    account: &AccountId,
    device: &DeviceId,
    item: OutboxItem,
) -> Result<(), EngineError> {
    let OutboxItem { content, tries, group, members_only, .. } = item;
    let only_device = device.to_vec();
    let item = OutboxItem { content, tries, group, members_only, only_device, ..Default::default() };
    outbox::push(ctx, account, item)
}

fn load(ctx: &mut Ctx<'_, '_>, account: &AccountId) -> Result<(u64, Repairs), EngineError> {
    let number = outbox::lane_or_new(ctx, account)?.number;
    let repairs = ctx.load(REPAIRS, b"", number)?;
    Ok((number, repairs.unwrap_or_else(|| Repairs { identity: account.to_vec(), devices: Vec::new() })))
}

fn save(ctx: &mut Ctx<'_, '_>, number: u64, repairs: &Repairs) {
    ctx.save(REPAIRS, b"", number, repairs);
    remember(ctx, number, repairs);
    arm(ctx);
}

/// Takes the device's row out, with a new hour begun if the last is over.
fn of_device(repairs: &mut Repairs, device: &DeviceId, now: u64) -> Repair {
    let known = repairs.devices.iter().position(|repair| repair.device_id == device.as_ref());
    let mut repair = match known {
        Some(position) => repairs.devices.remove(position),
        None => Repair { device_id: device.to_vec(), ..Default::default() },
    };
    if repairs.devices.len() >= MAX_DEVICES {
        repairs.devices.remove(0);
    }
    if now.saturating_sub(repair.since_ms) >= HOUR_MS {
        (repair.since_ms, repair.asked, repair.answered) = (now, 0, 0);
    }
    repair
}

fn remember(ctx: &mut Ctx<'_, '_>, number: u64, repairs: &Repairs) {
    let waiting = repairs.devices.iter().filter(|repair| !repair.waiting.is_empty());
    match waiting.map(|repair| repair.due_ms).min() {
        Some(at) => ctx.passing.messaging.repairs.insert(number, Timestamp::from_millis(at)),
        None => ctx.passing.messaging.repairs.remove(&number),
    };
}

fn arm(ctx: &mut Ctx<'_, '_>) {
    match ctx.passing.messaging.repairs.values().min().copied() {
        Some(at) => ctx.passing.timers.set(Timer::Repair, at),
        None => ctx.passing.timers.clear(Timer::Repair),
    }
}

fn decode(row: &[u8]) -> Result<Repairs, EngineError> {
    Repairs::decode(row).map_err(|_| EngineError::Row { what: REPAIRS.name() })
}

#[cfg(test)]
mod tests {
    use wheesht_proto::stored::Parcel;

    use super::*;

    fn logged(device: u8, tries: u32) -> (OutboxItem, RetryRequest) {
        let parcel = Parcel {
            device_id: vec![device; 16],
            session_id: vec![1; 8],
            ratchet_key: vec![2; 32],
            count: 3,
            tries,
            ..Default::default()
        };
        let item = OutboxItem { queued_ms: DAY_MS, parcels: vec![parcel], ..Default::default() };
        (item, RetryRequest { session_id: vec![1; 8], ratchet_key: vec![2; 32], count: 3 })
    }

    #[test]
    fn con_17_only_what_was_encrypted_for_that_device_at_that_place_is_sent_again() {
        let device = DeviceId::new([7; 16]);
        let (mut item, request) = logged(7, 0);
        for wrong in [
            RetryRequest { session_id: vec![9; 8], ..request.clone() },
            RetryRequest { ratchet_key: vec![9; 32], ..request.clone() },
            RetryRequest { count: 4, ..request.clone() },
        ] {
            assert_eq!(again(&mut item, &device, &wrong, DAY_MS), None);
        }
        assert_eq!(again(&mut item, &DeviceId::new([8; 16]), &request, DAY_MS), None);
        assert_eq!(again(&mut item, &device, &request, DAY_MS), Some(()));
    }

    #[test]
    fn con_17_nothing_is_sent_again_more_than_twice_or_after_30_days() {
        let device = DeviceId::new([7; 16]);
        for (tries, more) in [(0, Some(())), (1, Some(())), (2, None)] {
            let (mut item, request) = logged(7, tries);
            assert_eq!(again(&mut item, &device, &request, DAY_MS), more);
            // What goes again counts for itself; this one was answered.
            assert_eq!(again(&mut item, &device, &request, DAY_MS), None);
        }
        let (mut item, request) = logged(7, 0);
        assert_eq!(again(&mut item, &device, &request, 32 * DAY_MS), None);
    }

    #[test]
    fn con_16_questions_and_answers_are_counted_per_hour() {
        let device = DeviceId::new([7; 16]);
        let mut repairs = Repairs::default();
        let mut repair = of_device(&mut repairs, &device, DAY_MS);
        (repair.asked, repair.answered, repair.next_ms) = (5, 6, 7);
        repairs.devices.push(repair);
        let repair = of_device(&mut repairs, &device, DAY_MS + HOUR_MS - 1);
        assert_eq!((repair.asked, repair.answered), (5, 6));
        repairs.devices.push(repair);
        let repair = of_device(&mut repairs, &device, DAY_MS + HOUR_MS);
        assert_eq!((repair.asked, repair.answered, repair.next_ms), (0, 0, 7));
    }
}
