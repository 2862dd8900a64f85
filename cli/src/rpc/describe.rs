//! The methods, read off the API's own schemas: what `--describe` prints and what calls are checked against is the same.
//!
//! Each variant of `Request` is a method, its fields are the parameters, and its documentation names, after an arrow, the variant of
//! `Response` that answers it. So a request that the core learns is a method here, without a line changed.

use std::collections::BTreeMap;

use schemars::{JsonSchema as _, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use wheesht_core::api::{Error, Event, Request, Response};

use super::message::{FAILED, Refusal};

/// What belongs to the transport rather than to the core.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Own {
    Discover,
    Subscribe { after: Option<u64> },
    Unsubscribe,
    Ack { id: u64 },
}

/// All methods.
pub(super) struct Methods {
    params: BTreeMap<String, Vec<String>>,
    document: Value,
}

impl Methods {
    pub(super) fn of_the_api() -> Self {
        let settings = SchemaSettings::draft07()
            .with(|settings| settings.definitions_path = "/components/schemas".into());
        let mut generator = settings.into_generator();
        let requests = variants(Request::json_schema(&mut generator).to_value());
        let responses: BTreeMap<String, Value> =
            variants(Response::json_schema(&mut generator).to_value()).into_iter().collect();
        let event = generator.subschema_for::<Event>().to_value();
        let error = generator.subschema_for::<Error>().to_value();
        let mut params = BTreeMap::new();
        let mut methods = Vec::new();
        for (name, schema) in requests {
            let (described, names) = method(&name, &schema, &responses);
            params.insert(name, names);
            methods.push(described);
        }
        methods.extend(own_methods(responses.get("done").cloned().unwrap_or_default()));
        let schemas = generator.take_definitions(true);
        let document = json!({
            "openrpc": "1.3.2",
            "info": {
                "title": "wheesht rpc",
                "version": env!("CARGO_PKG_VERSION"),
                "license": { "name": env!("CARGO_PKG_LICENSE") },
                "description": "JSON-RPC 2.0, one object a line, on standard input and output or on a Unix socket. After `subscribe`, \
                    events come as notifications `event`; those with an id come again, also after a restart, until `ack`.",
            },
            "methods": methods,
            "x-notifications": [{
                "name": "event",
                "summary": "Something happened.",
                "params": [{ "name": "event", "schema": event }],
            }],
            "components": {
                "schemas": schemas,
                "errors": { "failed": { "code": FAILED, "message": "For a person; data.code is for a program.", "data": error } },
            },
        });
        Self { params, document }
    }

    pub(super) fn document(&self) -> &Value {
        &self.document
    }

    /// The transport's own method of that name, if there is one.
    pub(super) fn own(&self, method: &str, params: &Map<String, Value>) -> Option<Result<Own, Refusal>> {
        let number = |name: &str| params.get(name).and_then(Value::as_u64);
        let (own, known): (Option<Own>, &[&str]) = match method {
            "rpc.discover" => (Some(Own::Discover), &[]),
            "subscribe" => (Some(Own::Subscribe { after: number("after") }), &["after"]),
            "unsubscribe" => (Some(Own::Unsubscribe), &[]),
            "ack" => (number("id").map(|id| Own::Ack { id }), &["id"]),
            _ => return None,
        };
        let strange =
            params.iter().find(|(name, value)| !known.contains(&name.as_str()) || value.as_u64().is_none());
        Some(match (own, strange) {
            (Some(own), None) => Ok(own),
            (_, Some((name, _))) => Err(Refusal::Params(format!("{method} does not take this {name:?}."))),
            (None, None) => Err(Refusal::Params(format!("{method} takes a number {known:?}."))),
        })
    }

    /// The request that a call means.
    pub(super) fn request(&self, method: &str, mut params: Map<String, Value>) -> Result<Request, Refusal> {
        let known = self.params.get(method).ok_or_else(|| Refusal::Unknown(method.to_owned()))?;
        if let Some(strange) = params.keys().find(|name| !known.contains(name)) {
            let takes = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
            return Err(Refusal::Params(format!("{method} does not take {strange:?}. It takes {takes}.")));
        }
        params.insert("type".to_owned(), method.into());
        serde_json::from_value(Value::Object(params)).map_err(|error| Refusal::Params(error.to_string()))
    }
}

/// The variants of a tagged enum, by tag.
fn variants(schema: Value) -> Vec<(String, Value)> {
    let Some(Value::Array(variants)) = schema.get("oneOf").cloned() else { return Vec::new() };
    let tag = |variant: &Value| variant.pointer("/properties/type/const")?.as_str().map(str::to_owned);
    variants.into_iter().filter_map(|variant| Some((tag(&variant)?, variant))).collect()
}

/// A method's description, and the names of its parameters.
fn method(name: &str, schema: &Value, responses: &BTreeMap<String, Value>) -> (Value, Vec<String>) {
    let words = schema.get("description").and_then(Value::as_str).unwrap_or_default().replace('\n', " ");
    let (summary, answer) = words.rsplit_once('→').unwrap_or((&words, ""));
    let answer = snake(answer.trim().trim_matches(['`', '.']));
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = schema.get("properties").and_then(Value::as_object);
    let params: Vec<Value> = properties
        .into_iter()
        .flatten()
        .filter(|(name, _)| *name != "type")
        .map(|(name, schema)| {
            let required = required.contains(&name.as_str());
            json!({ "name": name, "required": required, "schema": schema })
        })
        .collect();
    let names = params.iter().filter_map(|param| param.get("name")?.as_str().map(str::to_owned)).collect();
    let result = responses.get(&answer).cloned().unwrap_or(Value::Bool(true));
    let described = json!({
        "name": name,
        "summary": summary.trim(),
        "paramStructure": "by-name",
        "params": params,
        "result": { "name": if answer.is_empty() { "response" } else { &answer }, "schema": result },
        "errors": [{ "$ref": "#/components/errors/failed" }],
    });
    (described, names)
}

/// `SafetyNumber` → `safety_number`, as serde does it.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (position, c) in name.chars().enumerate() {
        if c.is_uppercase() && position > 0 {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

fn own_methods(done: Value) -> Vec<Value> {
    let id = |name: &str, required: bool, words: &str| json!([{ "name": name, "required": required, "description": words, "schema": { "type": "integer", "minimum": 0 } }]);
    let method = |name: &str, summary: &str, params: Value, result: Value| {
        json!({ "name": name, "summary": summary, "paramStructure": "by-name", "params": params,
            "result": { "name": "result", "schema": result } })
    };
    vec![
        method(
            "subscribe",
            "Events come from now on as notifications, beginning with the oldest that was not acknowledged.",
            id("after", false, "Events up to this id have been dealt with and are not wanted again."),
            done.clone(),
        ),
        method(
            "unsubscribe",
            "No more events. What was not acknowledged is no longer held for this program; one that goes without a word has it \
             held until another subscribes.",
            json!([]),
            done.clone(),
        ),
        method(
            "ack",
            "All events up to this id have been dealt with. The core forgets them when every subscriber has said so.",
            id("id", true, "The id of an event that was sent to this program."),
            done,
        ),
        method("rpc.discover", "This description.", json!([]), json!({ "type": "object" })),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_says_what_it_answers() {
        let methods = Methods::of_the_api();
        let list = methods.document().get("methods").and_then(Value::as_array).unwrap();
        assert!(list.len() > 20);
        for method in list {
            assert!(method.pointer("/result/schema").is_some_and(Value::is_object), "{method}");
            assert!(!method["summary"].as_str().unwrap().is_empty(), "{method}");
        }
    }

    #[test]
    fn the_description_is_whole() {
        let methods = Methods::of_the_api();
        let document = methods.document();
        let mut refs = Vec::new();
        collect(document, &mut refs);
        assert!(!refs.is_empty());
        for pointer in refs {
            assert!(document.pointer(pointer.strip_prefix('#').unwrap()).is_some(), "{pointer}");
        }
    }

    fn collect(value: &Value, refs: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                for (name, value) in object {
                    match value.as_str() {
                        Some(pointer) if name == "$ref" => refs.push(pointer.to_owned()),
                        _ => collect(value, refs),
                    }
                }
            }
            Value::Array(list) => list.iter().for_each(|value| collect(value, refs)),
            _ => {}
        }
    }

    #[test]
    fn calls_become_requests() {
        let methods = Methods::of_the_api();
        assert_eq!(methods.request("status", Map::new()), Ok(Request::Status));
        assert!(matches!(methods.request("frobnicate", Map::new()), Err(Refusal::Unknown(_))));
        let strange = json!({ "to": "bob" });
        assert!(matches!(
            methods.request("status", strange.as_object().unwrap().clone()),
            Err(Refusal::Params(_))
        ));
        let ack = json!({ "id": 3 });
        assert_eq!(methods.own("ack", ack.as_object().unwrap()), Some(Ok(Own::Ack { id: 3 })));
        assert!(matches!(methods.own("ack", &Map::new()), Some(Err(_))));
        assert_eq!(methods.own("status", &Map::new()), None);
    }
}
