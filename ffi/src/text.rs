//! Strings across the border: C's are read in place, ours are given away and taken back.

use std::ffi::{CStr, CString, c_char};

use serde::Serialize;
use wheesht_core::api::{Error, ErrorCode};
use zeroize::Zeroize as _;

/// Reads a C string in place.
///
/// # Safety
///
/// `string` is NULL or points to a NUL-terminated string that stays as it is for `'a`.
pub(crate) unsafe fn read<'a>(string: *const c_char) -> Result<&'a str, Error> {
    if string.is_null() {
        return Err(Error::new(ErrorCode::Invalid, "A string was expected, but it is NULL."));
    }
    // SAFETY: not NULL; the rest is what the caller of this function promises.
    unsafe { CStr::from_ptr(string) }
        .to_str()
        .map_err(|_| Error::new(ErrorCode::Invalid, "A string is not UTF-8."))
}

/// Gives a value away as JSON; [`take_back`] frees it.
pub(crate) fn give(value: &impl Serialize) -> *mut c_char {
    // Our types have string keys only, and JSON escapes NUL, so neither of the two fails; the constant stands for a defect.
    serde_json::to_string(value)
        .ok()
        .and_then(|json| CString::new(json).ok())
        .unwrap_or_else(|| cr#"{"error":{"code":"internal","message":"An answer could not be written.","next":"Please report it, with a debug bundle.","retry_after_ms":null}}"#.to_owned())
        .into_raw()
}

/// Wipes and frees what [`give`] gave away: it may hold a message or a passphrase.
///
/// # Safety
///
/// `string` is NULL or came from [`give`], with its length unchanged, and is taken back once.
pub(crate) unsafe fn take_back(string: *mut c_char) {
    if !string.is_null() {
        // SAFETY: not NULL, so the caller promises that `CString::into_raw` made it in `give`, and that nobody uses it afterwards.
        let string = unsafe { CString::from_raw(string) };
        string.into_bytes_with_nul().zeroize();
    }
}
