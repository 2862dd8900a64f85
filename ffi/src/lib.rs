//! libwheesht: the client for C, and for everything that can call C.
//!
//! ```text
//! C string ─ text ─▶ JSON ─▶ open::Client (core::client on a runtime of its own) ─▶ JSON ─ text ─▶ C string
//!                                   ▲
//! handle (a number) ── registry ────┘
//! ```
//!
//! `wheesht.h` is the contract; this crate only carries JSON to [`wheesht_core::client`] and back. A handle is a number that is
//! looked up, not a pointer: so a handle that was closed, or made up, is an error and not undefined behaviour, and what
//! remains `unsafe` here is reading and giving back C strings.
//!
//! No panic crosses into C: each function answers one with the error `internal`.

// The workspace denies it; C's pointers can't be had without. Each block says why it is sound.
#![allow(unsafe_code)]

mod open;
mod registry;
mod text;

use std::{
    ffi::{CStr, c_char},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    time::Duration,
};

use schemars::schema_for;
use serde::Serialize;
use wheesht_core::api::{Error, ErrorCode, Event, EventId, Request, Response};

use open::Client;

/// Opens a client. See `wheesht.h`.
///
/// # Safety
///
/// `config_json` is NULL or points to a NUL-terminated string; `handle` is NULL or points to a writable `uint64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wheesht_open(config_json: *const c_char, handle: *mut u64) -> *mut c_char {
    let opened = guard(|| {
        // SAFETY: the caller promises a NUL-terminated string or NULL.
        let config = unsafe { text::read(config_json) }?;
        if handle.is_null() {
            return Err(Error::new(ErrorCode::Invalid, "There is no place to put the handle: it is NULL."));
        }
        Client::open(config).map(registry::insert)
    });
    if !handle.is_null() {
        // SAFETY: not NULL, and the caller promises that it points to a writable `uint64_t`; `write` reads nothing of what
        // stood there, so that it may be uninitialised.
        unsafe { handle.write(opened.as_ref().copied().unwrap_or(0)) };
    }
    opened.err().map_or(ptr::null_mut(), |error| text::give(&error))
}

/// Sends a request and waits for its answer. See `wheesht.h`.
///
/// # Safety
///
/// `request_json` is NULL or points to a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wheesht_call(handle: u64, request_json: *const c_char) -> *mut c_char {
    let answer = guard(|| {
        // SAFETY: the caller promises a NUL-terminated string or NULL.
        let request = unsafe { text::read(request_json) }?;
        registry::get(handle)?.call(request)
    });
    text::give(&Answer::from(answer))
}

/// Waits for the next event. See `wheesht.h`.
#[unsafe(no_mangle)]
pub extern "C" fn wheesht_next_event(handle: u64, timeout_ms: u32) -> *mut c_char {
    let timeout = Duration::from_millis(timeout_ms.into());
    match guard(|| registry::get(handle)?.next_event(timeout)) {
        Ok(None) => ptr::null_mut(),
        Ok(Some(event)) => text::give(&event),
        Err(error) => text::give(&Answer::<()>::Error(error)),
    }
}

/// Says that events have been dealt with. See `wheesht.h`.
#[unsafe(no_mangle)]
pub extern "C" fn wheesht_ack_event(handle: u64, id: u64) -> *mut c_char {
    let acked = guard(|| {
        registry::get(handle)?.ack_event(EventId(id));
        Ok(())
    });
    acked.err().map_or(ptr::null_mut(), |error| text::give(&error))
}

/// Wipes and frees a string that this library returned. See `wheesht.h`.
///
/// # Safety
///
/// `string` is NULL or was returned by a function of this library and not freed since.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wheesht_free_string(string: *mut c_char) {
    // SAFETY: the caller promises that it is NULL or came from `text::give` and is freed once.
    unsafe { text::take_back(string) }
}

/// Closes a client. See `wheesht.h`.
#[unsafe(no_mangle)]
pub extern "C" fn wheesht_close(handle: u64) {
    // There is nobody to tell: closed is closed, and an unknown handle is one already closed.
    let _ = guard(|| {
        registry::remove(handle).iter().for_each(|client| client.close());
        Ok(())
    });
}

/// What the JSON looks like. See `wheesht.h`.
#[unsafe(no_mangle)]
pub extern "C" fn wheesht_schema() -> *mut c_char {
    let schema = guard(|| {
        Ok(serde_json::json!({
            "request": schema_for!(Request),
            "response": schema_for!(Response),
            "event": schema_for!(Event),
            "error": schema_for!(Error),
        }))
    });
    schema.map_or_else(|error| text::give(&error), |schema| text::give(&schema))
}

/// The library's version. See `wheesht.h`.
#[unsafe(no_mangle)]
pub extern "C" fn wheesht_version() -> *const c_char {
    const VERSION: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(version) => version,
            Err(_) => c"",
        };
    VERSION.as_ptr()
}

/// What [`wheesht_call`] returns.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Answer<T> {
    Ok(T),
    Error(Error),
}

impl<T> From<Result<T, Error>> for Answer<T> {
    fn from(result: Result<T, Error>) -> Self {
        result.map_or_else(Self::Error, Self::Ok)
    }
}

/// Keeps a panic from crossing into C. Nothing is observed half-changed afterwards: the registry's lock is held over single
/// map operations only, and the client's state changes are transactions.
fn guard<T>(body: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        Err(Error::new(ErrorCode::Internal, "The library has failed; this is a defect of ours."))
    })
}

#[cfg(test)]
mod tests;
