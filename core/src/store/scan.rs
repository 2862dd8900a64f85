//! Reading a range of rows through a transaction: the backend's rows and the transaction's changes, merged in order.
//!
//! The backend is read in pages, so that a scan for the last row of a long conversation costs one row, however many rows
//! the transaction has changed.

use std::{collections::VecDeque, iter::Peekable, ops::Bound};

use super::{
    backend::{Backend, BackendError, Direction, KeyRange},
    error::StoreError,
    open::Store,
    sealing::Value,
    table::{Place, RowKey, Table},
    tx::Changes,
};

/// Rows read from the backend at once, at most.
const PAGE: usize = 256;

type Changed<'a> = Box<dyn Iterator<Item = (&'a RowKey, &'a Option<Value>)> + 'a>;

/// A scan that is under way.
pub(super) struct Scan<'a> {
    store: &'a Store,
    table: Table,
    changed: Peekable<Changed<'a>>,
    stored: Pages,
}

/// The backend's rows of a range, a page at a time.
struct Pages {
    direction: Direction,
    /// What has not been read yet; none when all has.
    rest: Option<KeyRange>,
    page: VecDeque<(RowKey, Vec<u8>)>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(
        store: &'a Store,
        changes: &'a Changes,
        table: Table,
        (first, last): (RowKey, RowKey),
        direction: Direction,
    ) -> Self {
        let changed = changes.range(first..=last);
        let changed: Changed<'a> = match direction {
            Direction::Forward => Box::new(changed),
            Direction::Backward => Box::new(changed.rev()),
        };
        Self { store, table, changed: changed.peekable(), stored: Pages::new((first, last), direction) }
    }

    /// The first `limit` rows.
    pub(super) fn collect(mut self, limit: usize) -> Result<Vec<(u64, Value)>, StoreError> {
        let mut rows = Vec::new();
        while rows.len() < limit {
            let Some(stored) = self.stored.peek(&*self.store.backend, limit - rows.len())? else {
                let rest = self.changed.filter_map(|(row, change)| Some((row.sequence(), change.clone()?)));
                rows.extend(rest.take(limit - rows.len()));
                break;
            };
            let direction = self.stored.direction;
            let changed =
                self.changed.next_if(|(row, _)| row == &&stored || comes_first(**row, stored, direction));
            match changed {
                Some((row, change)) => {
                    if *row == stored {
                        self.stored.page.pop_front();
                    }
                    rows.extend(change.clone().map(|value| (row.sequence(), value)));
                }
                None => {
                    if let Some((row, sealed)) = self.stored.page.pop_front() {
                        rows.push((row.sequence(), self.store.open_row(self.table, &row, &sealed)?));
                    }
                }
            }
        }
        Ok(rows)
    }
}

impl Pages {
    fn new((first, last): (RowKey, RowKey), direction: Direction) -> Self {
        let range = KeyRange::new(
            Bound::Included(first.as_bytes().to_vec()),
            Bound::Included(last.as_bytes().to_vec()),
        );
        Self { direction, rest: Some(range), page: VecDeque::new() }
    }

    /// The next row's key, without taking it.
    fn peek(&mut self, backend: &dyn Backend, wanted: usize) -> Result<Option<RowKey>, BackendError> {
        while self.page.is_empty()
            && let Some(range) = self.rest.take()
        {
            let size = wanted.clamp(1, PAGE);
            let page = backend.scan(&range, self.direction, size)?;
            if page.len() == size
                && let Some((key, _)) = page.last()
            {
                self.rest = Some(range.after(key.clone(), self.direction));
            }
            // A key within the range has the length of a row's key, unless the files are damaged; then it is no row.
            self.page
                .extend(page.into_iter().filter_map(|(key, value)| Some((RowKey::from_bytes(&key)?, value))));
        }
        Ok(self.page.front().map(|(row, _)| *row))
    }
}

fn comes_first(a: RowKey, b: RowKey, direction: Direction) -> bool {
    match direction {
        Direction::Forward => a < b,
        Direction::Backward => a > b,
    }
}

/// The keys of every row of a place, stored or changed.
pub(super) fn rows(
    backend: &dyn Backend,
    changes: &Changes,
    place: Place,
) -> Result<Vec<RowKey>, BackendError> {
    let Some((first, last)) = place.rows(&..) else { return Ok(Vec::new()) };
    let changed = changes.range(first..=last).filter(|(_, change)| change.is_some()).map(|(row, _)| *row);
    let mut rows: Vec<RowKey> = changed.collect();
    let mut pages = Pages::new((first, last), Direction::Forward);
    while pages.peek(backend, PAGE)?.is_some() {
        rows.extend(pages.page.drain(..).map(|(row, _)| row).filter(|row| !changes.contains_key(row)));
    }
    Ok(rows)
}
