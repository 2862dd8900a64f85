//! Writing what was said into files, and taking it in again.
//!
//! ```text
//!            pages of 500                     .part file, renamed when whole
//!  engine ─────────────▶ [export] ─▶ [json] [html] [markdown] [plain] ─▶ file
//!         ◀───────────── [import] ◀─ [lines] ◀─ file                      │ or, under a passphrase, [backup]
//! ```
//!
//! Nothing is held in memory but a page. An HTML page has the files of its messages beside it. Messages that disappear are in no file: what is written down stays.
// EXP-2, BAK-4

mod backup;
mod beside;
mod cards;
mod export;
mod files;
mod html;
mod import;
mod json;
mod markdown;
mod plain;
mod shown;

pub use backup::{Backup, Restored};
pub use cards::{Card, CardError};
pub use export::{Export, ExportFormat, Exported};
pub use import::ImportReport;
