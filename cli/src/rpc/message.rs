//! JSON-RPC 2.0's own words: what a line asks for, and how it is answered.

use serde_json::{Map, Value, json};
use wheesht_core::api::{Error, Event};

/// One call of a line that may hold several.
#[derive(Debug, PartialEq)]
pub(super) struct Call {
    /// None: a notification, which is not answered.
    pub(super) id: Option<Value>,
    pub(super) method: String,
    pub(super) params: Map<String, Value>,
}

/// Why a call is refused before anybody works on it. The numbers are JSON-RPC's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The line is no JSON.
    Parse,
    /// It is no call.
    Invalid,
    /// There is no such method.
    Unknown(String),
    /// It doesn't take these.
    Params(String),
}

impl Refusal {
    fn code(&self) -> i32 {
        match self {
            Self::Parse => -32_700,
            Self::Invalid => -32_600,
            Self::Unknown(_) => -32_601,
            Self::Params(_) => -32_602,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Parse => "This line is no JSON.".to_owned(),
            Self::Invalid => {
                "This is no call: {\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"status\", \"params\": {}}."
                    .to_owned()
            }
            Self::Unknown(method) => {
                format!("There is no method {method:?}; wheesht rpc --describe lists them.")
            }
            Self::Params(words) => words.clone(),
        }
    }
}

/// What the core's own errors are numbered as; which it is stands in `data.code`.
pub(super) const FAILED: i32 = -32_000;

/// Understands one call.
pub(super) fn call(value: Value) -> Result<Call, (Option<Value>, Refusal)> {
    let Value::Object(mut object) = value else { return Err((None, Refusal::Invalid)) };
    let id = match object.remove("id") {
        Some(id @ (Value::String(_) | Value::Number(_) | Value::Null)) => Some(id),
        Some(_) => return Err((None, Refusal::Invalid)),
        None => None,
    };
    let invalid = |id: &Option<Value>| (id.clone(), Refusal::Invalid);
    if object.remove("jsonrpc").as_ref().and_then(Value::as_str) != Some("2.0") {
        return Err(invalid(&id));
    }
    let Some(Value::String(method)) = object.remove("method") else { return Err(invalid(&id)) };
    let params = match object.remove("params") {
        None => Map::new(),
        Some(Value::Object(params)) => params,
        Some(Value::Array(list)) if list.is_empty() => Map::new(),
        Some(_) => return Err((id, Refusal::Params("Parameters go by name, in an object.".to_owned()))),
    };
    Ok(Call { id, method, params })
}

/// The answer to a call that was done.
pub(super) fn done(id: &Value, result: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

/// The answer to one that failed.
pub(super) fn failed(id: &Value, error: &Error) -> Value {
    let words = error.to_string();
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": FAILED, "message": words, "data": error } })
}

/// The answer to one that was refused. A call whose id can't be told is answered too, with null.
pub(super) fn refused(id: Option<&Value>, refusal: &Refusal) -> Value {
    let error = json!({ "code": refusal.code(), "message": refusal.words() });
    json!({ "jsonrpc": "2.0", "id": id.unwrap_or(&Value::Null), "error": error })
}

/// Something happened.
pub(super) fn event(event: &Event) -> Value {
    json!({ "jsonrpc": "2.0", "method": "event", "params": event })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_understood() {
        let one =
            call(json!({ "jsonrpc": "2.0", "id": 7, "method": "send", "params": { "to": "x" } })).unwrap();
        assert_eq!((one.id, one.method.as_str()), (Some(json!(7)), "send"));
        assert_eq!(one.params.get("to"), Some(&json!("x")));
        assert_eq!(call(json!({ "jsonrpc": "2.0", "method": "status" })).unwrap().id, None);
    }

    #[test]
    fn what_is_no_call_is_refused_with_its_number() {
        for (line, id, code) in [
            (json!(1), None, -32_600),
            (json!({ "id": 1, "method": "status" }), Some(json!(1)), -32_600),
            (json!({ "jsonrpc": "2.0", "id": {}, "method": "status" }), None, -32_600),
            (json!({ "jsonrpc": "2.0", "id": "a", "method": 1 }), Some(json!("a")), -32_600),
            (
                json!({ "jsonrpc": "2.0", "id": 1, "method": "status", "params": [1] }),
                Some(json!(1)),
                -32_602,
            ),
        ] {
            let (answered, refusal) = call(line.clone()).unwrap_err();
            assert_eq!((answered, refusal.code()), (id, code), "{line}");
        }
    }
}
