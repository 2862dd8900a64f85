//! The border itself: what a careless caller can hand over. Conversations through it are in `tests/c.rs`.

use std::ffi::{CStr, CString, c_char};

use super::*;

fn taken(string: *mut c_char) -> String {
    assert!(!string.is_null());
    // SAFETY: the functions under test return NUL-terminated strings, each of which is taken here once.
    let copy = unsafe { CStr::from_ptr(string) }.to_str().unwrap().to_owned();
    unsafe { wheesht_free_string(string) };
    copy
}

fn open(config: &CStr) -> Result<u64, String> {
    let mut handle = 77;
    // SAFETY: a NUL-terminated string and a live `u64`.
    let error = unsafe { wheesht_open(config.as_ptr(), &mut handle) };
    if error.is_null() {
        return Ok(handle);
    }
    assert_eq!(handle, 0, "an error leaves no handle");
    Err(taken(error))
}

fn call(handle: u64, request: &CStr) -> String {
    // SAFETY: a NUL-terminated string.
    taken(unsafe { wheesht_call(handle, request.as_ptr()) })
}

fn fresh() -> (tempfile::TempDir, CString) {
    let directory = tempfile::tempdir().unwrap();
    let config = serde_json::json!({ "data_dir": directory.path().join("alice"), "key": { "type": "file" } });
    (directory, CString::new(config.to_string()).unwrap())
}

#[test]
fn null_is_an_error_and_nothing_else() {
    // SAFETY: NULL is allowed everywhere.
    unsafe {
        let mut handle = 77;
        let error = taken(wheesht_open(ptr::null(), &mut handle));
        assert!(error.contains(r#""code":"invalid""#), "{error}");
        assert_eq!(handle, 0);
        let (_directory, config) = fresh();
        let error = taken(wheesht_open(config.as_ptr(), ptr::null_mut()));
        assert!(error.contains(r#""code":"invalid""#), "{error}");
        let error = taken(wheesht_call(1, ptr::null()));
        assert!(error.starts_with(r#"{"error":{"code":"invalid""#), "{error}");
        wheesht_free_string(ptr::null_mut());
    }
}

#[test]
fn what_is_no_config_is_refused_in_words() {
    for config in [
        c"",
        c"{}",
        c"[1]",
        c"\xff",
        cr#"{"data_dir":"/nowhere"}"#,
        cr#"{"data_dir":7,"key":{"type":"file"}}"#,
    ] {
        let error = open(config).unwrap_err();
        assert!(error.starts_with(r#"{"code":"invalid","message":""#), "{error}");
    }
}

#[test]
fn a_handle_that_is_not_open_says_so() {
    for handle in [0, 4711, u64::MAX] {
        let closed = r#"{"error":{"code":"closed""#;
        assert!(call(handle, cr#"{"type":"status"}"#).starts_with(closed));
        assert!(taken(wheesht_next_event(handle, 0)).starts_with(closed));
        assert!(taken(wheesht_ack_event(handle, 1)).starts_with(r#"{"code":"closed""#));
        wheesht_close(handle);
    }
}

#[test]
fn a_client_opens_answers_and_closes() {
    let (_directory, config) = fresh();
    let handle = open(&config).unwrap();
    assert_ne!(handle, 0);
    let status = call(handle, cr#"{"type":"status"}"#);
    assert!(status.starts_with(r#"{"ok":{"type":"status","status":{"phase":{"type":"empty"}"#), "{status}");
    let error = call(handle, cr#"{"type":"fly"}"#);
    assert!(error.starts_with(r#"{"error":{"code":"invalid","message":""#), "{error}");
    assert!(wheesht_next_event(handle, 0).is_null(), "nothing has happened yet");
    assert!(wheesht_ack_event(handle, 0).is_null());

    let error = open(&config).unwrap_err();
    assert!(error.starts_with(r#"{"code":"store""#), "one at a time: {error}");

    wheesht_close(handle);
    assert!(call(handle, cr#"{"type":"status"}"#).starts_with(r#"{"error":{"code":"closed""#));
    let again = open(&config).unwrap();
    assert_ne!(again, handle, "handles are not reused");
    wheesht_close(again);
    wheesht_close(again);
}

#[test]
fn closing_wakes_who_waits_on_another_thread() {
    let (_directory, config) = fresh();
    let handle = open(&config).unwrap();
    let waiter = std::thread::spawn(move || taken(wheesht_next_event(handle, 60_000)));
    std::thread::sleep(Duration::from_millis(100));
    wheesht_close(handle);
    assert!(waiter.join().unwrap().starts_with(r#"{"error":{"code":"closed""#));
}

#[test]
fn a_panic_does_not_cross() {
    let error = guard::<()>(|| panic!("on purpose")).unwrap_err();
    assert_eq!(error.code, ErrorCode::Internal);
}

#[test]
fn the_schema_names_what_can_be_asked() {
    let schema: serde_json::Value = serde_json::from_str(&taken(wheesht_schema())).unwrap();
    for part in ["request", "response", "event", "error"] {
        assert!(schema[part]["$schema"].is_string(), "{part}");
    }
    assert!(schema["request"].to_string().contains(r#""const":"accept_contact""#));
}

#[test]
fn the_version_is_the_crates() {
    // SAFETY: a static NUL-terminated string.
    let version = unsafe { CStr::from_ptr(wheesht_version()) };
    assert_eq!(version.to_str().unwrap(), env!("CARGO_PKG_VERSION"));
}
