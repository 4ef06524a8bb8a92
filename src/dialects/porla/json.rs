//! The envelope of every call and answer (section 3), and values that many methods share.
//!
//! The original's JSON library orders the keys of every object; so do we.

use std::net::IpAddr;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de::DeserializeOwned;
use serde_json::Map;
use serde_json::Value;

use crate::dialects::porla::errors::Failure;
use crate::dialects::porla::errors::More;
use crate::domain::hash::AnyHash;
use crate::domain::hash::InfoHashes;
use crate::domain::token::Grant;

/// The result of a method, as text.
pub(super) struct Answer(Vec<u8>);

/// What every method returns.
pub(super) type Outcome = Result<Answer, Failure>;

/// The id of a request, returned as it came; `null` when there was none.
pub(super) struct Id(Value);

/// The parameters of a request: an object.
pub(super) struct Members(Map<String, Value>);

/// What a method is called with.
pub(super) struct Params {
    members: Members,
    /// Who calls.
    pub(super) by: Caller,
}

/// Who calls a method.
#[derive(Clone)]
pub(super) struct Caller {
    /// From where.
    pub(super) address: IpAddr,
    /// What the token grants.
    pub(super) grant: Grant,
    /// How large a torrent file they may send.
    pub(super) torrent_bytes_max: usize,
}

/// A request whose envelope is right.
pub(super) struct Request {
    id: Id,
    method: String,
    params: Result<Members, String>,
}

impl Request {
    /// Reads the envelope; the answer when it is wrong.
    pub(super) fn read(body: &[u8]) -> Result<Self, Vec<u8>> {
        let whole: Value =
            serde_json::from_slice(body).map_err(|error| parse_error(&error.to_string()))?;
        let mut whole = match whole {
            Value::Object(whole) => whole,
            Value::Array(_) => return Err(invalid_request("batches are not supported")),
            _ => return Err(invalid_request("a request is an object")),
        };
        let method = match whole.remove("method") {
            Some(Value::String(method)) => method,
            Some(_) => return Err(invalid_request("`method` is not a string")),
            None => return Err(invalid_request("`method` is missing")),
        };
        let params = match whole.remove("params") {
            Some(Value::Object(params)) => Ok(Members(params)),
            Some(_) => Err("`params` is not an object".to_owned()),
            None => Err("key 'params' not found".to_owned()),
        };
        let id = Id(sorted(whole.remove("id").unwrap_or(Value::Null)));
        Ok(Self { id, method, params })
    }

    pub(super) fn method(&self) -> &str {
        &self.method
    }

    /// The id, and the parameters or what is wrong with them.
    pub(super) fn into_parts(self) -> (Id, Result<Members, String>) {
        (self.id, self.params)
    }
}

impl Params {
    /// These parameters, from somebody.
    pub(super) fn new(members: Members, by: Caller) -> Self {
        Self { members, by }
    }

    /// The parameters of one method. Unknown ones are ignored.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, Failure> {
        serde_json::from_value(Value::Object(self.members.0))
            .map_err(|error| Failure::Internal(error.to_string()))
    }
}

/// An info-hash as a parameter: each of the forms of section 4. Any other value is no hash, and
/// so of no torrent.
pub(super) struct HashParam(pub(super) Vec<AnyHash>);

impl<'de> Deserialize<'de> for HashParam {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(hashes(&Value::deserialize(from)?).unwrap_or_default()))
    }
}

fn hashes(value: &Value) -> Option<Vec<AnyHash>> {
    match value {
        Value::String(text) => Some(vec![text.parse().ok()?]),
        Value::Array(both) if both.len() == 2 => {
            let mut found = Vec::new();
            for (half, digits) in both.iter().zip([40, 64]) {
                match half {
                    Value::Null => {}
                    Value::String(text) if text.len() == digits => found.push(text.parse().ok()?),
                    _ => return None,
                }
            }
            Some(found)
        }
        _ => None,
    }
}

/// Info-hashes as they are told: always both, `null` for the one that is not there.
pub(super) struct Hash(pub(super) InfoHashes);

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let both = (self.0.v1().map(|v1| v1.to_string()), self.0.v2().map(|v2| v2.to_string()));
        both.serialize(to)
    }
}

/// An object of the user's own, its keys in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct Object(Map<String, Value>);

impl Object {
    /// From an object as text, by whatever API it came; empty for anything else.
    pub(super) fn from_text(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// As text; empty for an empty object.
    pub(super) fn to_text(&self) -> String {
        if self.0.is_empty() { String::new() } else { text_of(&self.0) }
    }

    /// Only the members with these names; `*` names all.
    pub(super) fn only(mut self, names: &[String]) -> Self {
        if !names.iter().any(|name| name == "*") {
            self.0.retain(|name, _| names.contains(name));
        }
        self
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let members = Map::deserialize(from)?;
        match sorted(Value::Object(members)) {
            Value::Object(members) => Ok(Self(members)),
            _ => Ok(Self::default()),
        }
    }
}

/// Any value of the user's own, as text with ordered keys.
pub(super) struct AnyValue(pub(super) String);

impl<'de> Deserialize<'de> for AnyValue {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(text_of(&sorted(Value::deserialize(from)?))))
    }
}

impl Serialize for AnyValue {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<Value>(&self.0).unwrap_or_default().serialize(to)
    }
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> =
                members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            members.sort_by(|left, right| left.0.cmp(&right.0));
            Value::Object(members.into_iter().collect())
        }
        other => other,
    }
}

/// What a method answers.
pub(super) fn answer(result: &impl Serialize) -> Outcome {
    Ok(Answer(text_of(result).into_bytes()))
}

/// What methods of the later line answer that have nothing to say.
pub(super) fn empty() -> Outcome {
    answer(&Map::new())
}

/// What a method answers that has nothing to say.
pub(super) fn null() -> Outcome {
    answer(&())
}

/// `true`: two methods answer that instead of nothing.
pub(super) fn yes() -> Outcome {
    answer(&true)
}

pub(super) fn success(id: &Id, result: &Answer) -> Vec<u8> {
    let head = format!("{{\"id\":{},\"jsonrpc\":\"2.0\",\"result\":", text_of(&id.0));
    [head.as_bytes(), &result.0, b"}"].concat()
}

#[derive(Serialize)]
struct MethodFailure<'a> {
    error: MethodError<'a>,
    id: &'a Value,
    jsonrpc: &'static str,
}

#[derive(Serialize)]
struct MethodError<'a> {
    code: i32,
    data: Data<'a>,
    message: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Nothing,
    Position { pos: i64 },
    Reason(&'a str),
}

pub(super) fn failure(id: &Id, code: i32, message: &str, more: &More) -> Vec<u8> {
    let data = match more {
        More::Nothing => Data::Nothing,
        More::Position(pos) => Data::Position { pos: *pos },
        More::Reason(reason) => Data::Reason(reason),
    };
    let error = MethodError { code, data, message };
    text_of(&MethodFailure { error, id: &id.0, jsonrpc: "2.0" }).into_bytes()
}

/// An error of the envelope: neither id nor version.
#[derive(Serialize)]
struct EnvelopeFailure<'a> {
    error: EnvelopeError<'a>,
}

#[derive(Serialize)]
struct EnvelopeError<'a> {
    code: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a str>,
    message: &'a str,
}

fn envelope(code: i32, message: &str, data: Option<&str>) -> Vec<u8> {
    text_of(&EnvelopeFailure { error: EnvelopeError { code, data, message } }).into_bytes()
}

pub(super) fn parse_error(why: &str) -> Vec<u8> {
    envelope(-32700, "Parse error", Some(why))
}

pub(super) fn invalid_request(why: &str) -> Vec<u8> {
    envelope(-32600, "Invalid Request", Some(why))
}

pub(super) fn unknown_method() -> Vec<u8> {
    envelope(-32601, "Method not found", None)
}

pub(super) fn internal_error(why: &str) -> Vec<u8> {
    envelope(-32603, "Internal error", Some(why))
}

fn text_of(value: &impl Serialize) -> String {
    // Writing to memory cannot fail, and no wire struct has a fallible field.
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::hash::Sha1Hash;

    fn read(text: &str) -> Result<Request, String> {
        Request::read(text.as_bytes()).map_err(|answer| String::from_utf8(answer).unwrap())
    }

    fn id_of(text: &str) -> Id {
        read(text).unwrap_or_else(|answer| panic!("{answer}")).into_parts().0
    }

    fn shown(answer: Vec<u8>) -> String {
        String::from_utf8(answer).unwrap()
    }

    /// Section 3: the id comes back as it came, and is `null` when there was none.
    #[test]
    fn an_id_may_be_anything() {
        for (sent, returned) in [
            ("7", "7"),
            ("\"a\"", "\"a\""),
            ("null", "null"),
            ("1.5", "1.5"),
            ("[1,{\"b\":1,\"a\":2}]", "[1,{\"a\":2,\"b\":1}]"),
        ] {
            let id = id_of(&format!("{{\"id\":{sent},\"method\":\"x\",\"params\":{{}}}}"));
            let text = shown(success(&id, &Answer(b"null".to_vec())));
            assert_eq!(text, format!("{{\"id\":{returned},\"jsonrpc\":\"2.0\",\"result\":null}}"));
        }
        let text = shown(success(&id_of("{\"method\":\"x\"}"), &Answer(b"true".to_vec())));
        assert_eq!(text, "{\"id\":null,\"jsonrpc\":\"2.0\",\"result\":true}");
    }

    /// Section 3: errors of the envelope to the byte.
    #[test]
    fn envelope_errors_carry_neither_id_nor_version() {
        let invalid = |why: &str| {
            format!(
                "{{\"error\":{{\"code\":-32600,\"data\":\"{why}\",\"message\":\"Invalid Request\"}}}}"
            )
        };
        for (sent, why) in [
            ("[]", "batches are not supported"),
            ("5", "a request is an object"),
            ("{}", "`method` is missing"),
            ("{\"method\":5}", "`method` is not a string"),
        ] {
            assert_eq!(read(sent).err(), Some(invalid(why)));
        }
        let broken = read("{").err().unwrap();
        let begin = "{\"error\":{\"code\":-32700,\"data\":\"";
        assert!(broken.starts_with(begin), "{broken}");
        assert!(broken.ends_with("\",\"message\":\"Parse error\"}}"), "{broken}");
        assert_eq!(
            shown(unknown_method()),
            "{\"error\":{\"code\":-32601,\"message\":\"Method not found\"}}"
        );
        for params in ["", ",\"params\":[1]", ",\"params\":null"] {
            let request = read(&format!("{{\"method\":\"x\"{params}}}")).ok().unwrap();
            assert!(request.into_parts().1.is_err(), "{params}");
        }
    }

    #[test]
    fn a_methods_error_has_data_even_when_it_is_nothing() {
        let id = id_of("{\"id\":7,\"method\":\"x\"}");
        assert_eq!(
            shown(failure(&id, -1, "No", &More::Nothing)),
            "{\"error\":{\"code\":-1,\"data\":null,\"message\":\"No\"},\"id\":7,\"jsonrpc\":\"2.0\"}"
        );
        let text = shown(failure(&id, -1000, "No", &More::Position(3)));
        assert!(text.contains("\"data\":{\"pos\":3}"), "{text}");
    }

    /// Section 4.
    #[test]
    fn a_hash_is_read_in_each_of_its_forms() {
        let (v1, v2) = ("ab".repeat(20), "CD".repeat(32));
        for (sent, count) in [
            (format!("\"{v1}\""), 1),
            (format!("\"{v2}\""), 1),
            (format!("[\"{v1}\",null]"), 1),
            (format!("[null,\"{v2}\"]"), 1),
            (format!("[\"{v1}\",\"{v2}\"]"), 2),
            ("[null,null]".into(), 0),
            ("\"12345678901234567890\"".into(), 0),
            (format!("[\"{v2}\",null]"), 0),
            (format!("[\"{v1}\"]"), 0),
            (format!("[\"{v1}\",5]"), 0),
            ("null".into(), 0),
            ("5".into(), 0),
        ] {
            let hash: HashParam = serde_json::from_str(&sent).unwrap();
            assert_eq!(hash.0.len(), count, "{sent}");
        }
        let told = Hash(InfoHashes::new(Some(Sha1Hash([0xab; 20])), None).unwrap());
        assert_eq!(text_of(&told), format!("[\"{v1}\",null]"));
    }

    #[test]
    fn objects_of_the_user_are_ordered_and_picked_from() {
        let object: Object = serde_json::from_str("{\"b\":{\"z\":1,\"y\":2},\"a\":[]}").unwrap();
        assert_eq!(object.to_text(), "{\"a\":[],\"b\":{\"y\":2,\"z\":1}}");
        assert_eq!(Object::from_text(&object.to_text()), object);
        assert_eq!(object.clone().only(&["a".into()]).to_text(), "{\"a\":[]}");
        assert_eq!(object.clone().only(&["*".into()]), object);
        assert_eq!(object.only(&[]).to_text(), "");
        assert_eq!(Object::from_text(""), Object::default());
    }

    /// Section 3: a 32-bit float is widened, and a float has a fraction.
    #[test]
    fn floats_are_written_as_the_original_writes_them() {
        assert_eq!(text_of(&f64::from(0.3_f32)), "0.30000001192092896");
        assert_eq!(text_of(&f64::from(1.0_f32)), "1.0");
        assert_eq!(text_of(&0.0_f64), "0.0");
    }
}
