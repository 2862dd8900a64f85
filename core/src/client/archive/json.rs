//! JSON lines: what an import reads again. The schema stands in `docs/export.schema.json`.
// EXP-4, EXP-5

use crate::api::{Error, ErrorCode, ExportLine};

/// The longest line that is read: a message of 64 KiB with everything that belongs to it, escaped.
pub(super) const MAX_LINE: usize = 4 << 20;

/// A line.
pub(super) fn write(line: &ExportLine) -> Result<String, Error> {
    let text = serde_json::to_string(line);
    let mut text =
        text.map_err(|_| Error::new(ErrorCode::Internal, "A message can't be written as JSON."))?;
    text.push('\n');
    Ok(text)
}

/// What a line says; none if a newer version wrote it.
pub(super) fn read(text: &[u8]) -> Result<Option<ExportLine>, Error> {
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let no_export = || {
        let error = Error::new(ErrorCode::Invalid, "This is no export of Wheesht, or it is damaged.");
        error.next("Take the file that wheesht export --format json has written.")
    };
    match serde_json::from_slice(text) {
        Ok(line) => Ok(Some(line)),
        Err(_) => {
            let value: serde_json::Value = serde_json::from_slice(text).map_err(|_| no_export())?;
            let kind = value.get("type").and_then(|kind| kind.as_str()).ok_or_else(no_export)?;
            // A message with something that this version doesn't know is passed over; what makes the frame must be read.
            if matches!(kind, "header" | "conversation" | "end") { Err(no_export()) } else { Ok(None) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_5_the_schema_in_the_documents_is_that_of_the_types() {
        let schema = schemars::schema_for!(ExportLine);
        let mut current = serde_json::to_string_pretty(&schema).unwrap();
        current.push('\n');
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/export.schema.json");
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(&path, &current).unwrap();
        }
        let there = std::fs::read_to_string(path).unwrap_or_default();
        assert!(there == current, "run this test with UPDATE_SCHEMA=1, and commit what it writes");
    }

    #[test]
    fn exp_4_what_is_not_known_is_passed_over_and_what_is_no_export_refused() {
        assert_eq!(read(b"{\"type\":\"sticker\",\"x\":1}").unwrap(), None);
        assert_eq!(
            read(b"{\"type\":\"message\",\"message\":{\"body\":{\"type\":\"hologram\"}}}").unwrap(),
            None
        );
        assert_eq!(read(b" ").unwrap(), None);
        for wrong in [&b"hello"[..], b"{}", b"[1]", b"{\"type\":\"header\"}", b"\xff"] {
            assert!(read(wrong).is_err());
        }
    }
}
