//! What a call shows to be let in: every form that some API has, read in one place (rules W3, W7).
//!
//! Which forms count is for each dialect to say. What is read is judged by `service/auth.rs`.

use crate::http::call::Call;

/// One place in a call where a token may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The header `Authorization: Bearer TOKEN`; the scheme's case does not matter (RFC 9110).
    Bearer,
    /// A header that holds the token and nothing else.
    Header(&'static str),
    /// A header of which the first seven characters are dropped without looking, as Porla does, so
    /// that it is written `Bearer TOKEN`; a shorter one counts as absent (Porla section 2).
    HeaderTail(&'static str),
    /// A parameter of the query.
    Query(&'static str),
    /// A cookie, wherever it stands among the others.
    Cookie(&'static str),
}

/// The two headers that every family takes besides its own forms.
pub const HEADERS: [Form; 2] = [Form::Bearer, Form::Header("x-api-key")];

/// Characters of a header that Porla drops.
const PORLA_PREFIX: usize = "Bearer ".len();

/// All tokens that a call shows. Empty ones count as not shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// Those in headers, which a web page cannot make a browser send to another site.
    pub in_headers: Vec<&'a str>,
    /// Those in the query and in cookies.
    pub others: Vec<&'a str>,
}

impl<'a> Credentials<'a> {
    /// What `call` shows in any of `forms`.
    pub fn of(call: &'a Call, forms: impl IntoIterator<Item = Form>) -> Self {
        let mut shown = Self::default();
        for form in forms {
            match form {
                Form::Bearer => {
                    let values = call.header_all("authorization").filter_map(bearer);
                    shown.in_headers.extend(values);
                }
                Form::Header(name) => shown.in_headers.extend(call.header_all(name)),
                Form::HeaderTail(name) => {
                    let values =
                        call.header_all(name).filter_map(|value| value.get(PORLA_PREFIX..));
                    shown.in_headers.extend(values);
                }
                Form::Query(name) => shown.others.extend(call.query_all(name)),
                Form::Cookie(name) => {
                    let values = call.header_all("cookie").flat_map(move |all| cookies(all, name));
                    shown.others.extend(values);
                }
            }
        }
        shown.in_headers.retain(|token| !token.is_empty());
        shown.others.retain(|token| !token.is_empty());
        shown
    }

    /// Whether nothing was shown at all.
    pub fn is_empty(&self) -> bool {
        self.in_headers.is_empty() && self.others.is_empty()
    }
}

/// Whether `call` asks for a change, and is one that a foreign web page might have made a browser
/// send: it comes from a browser and does not declare one of
/// `content_types`, which a page cannot send to another site unasked (rule W7).
pub fn may_be_forged(call: &Call, content_types: &[&str]) -> bool {
    let declared = call.header("content-type").unwrap_or_default();
    is_change(call) && is_from_browser(call) && !is_declared(declared, content_types)
}

/// Whether a browser sent `call`, as far as that can be told.
pub fn is_from_browser(call: &Call) -> bool {
    call.header("origin").is_some() || call.header("cookie").is_some()
}

/// Whether `call` asks for a change, by its method (rule W7).
pub fn is_change(call: &Call) -> bool {
    !matches!(call.method().as_str(), "GET" | "HEAD" | "OPTIONS")
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn cookies<'a>(all: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let pairs = all.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(other, _)| *other == name).map(|(_, value)| value.trim_matches('"'))
}

fn is_declared(content_type: &str, content_types: &[&str]) -> bool {
    let name = content_type.split(';').next().unwrap_or_default().trim();
    content_types.iter().any(|one| name.eq_ignore_ascii_case(one))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use warp::http::HeaderMap;
    use warp::http::HeaderName;
    use warp::http::HeaderValue;
    use warp::http::Method;

    use super::*;
    use crate::http::body::BodyLimits;
    use crate::http::body::Unread;
    use crate::http::connection::Ends;

    fn call(method: Method, query: &str, headers: &[(&str, &str)]) -> Call {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        let here = SocketAddr::from(([127, 0, 0, 1], 1));
        let body = Box::pin(futures_util::stream::empty());
        let ends = Ends { peer: here, local: here };
        let (due, limits) = (tokio::time::Instant::now(), BodyLimits::default());
        let body = Unread { incoming: body, due, limits };
        Call::new(method, "/x", query, map, ends, body).unwrap()
    }

    #[track_caller]
    fn assert_shown(forms: &[Form], query: &str, headers: &[(&str, &str)], shown: [&[&str]; 2]) {
        let call = call(Method::GET, query, headers);
        let found = Credentials::of(&call, forms.iter().copied());
        assert_eq!([&found.in_headers[..], &found.others[..]], shown, "{query} {headers:?}");
        assert_eq!(found.is_empty(), shown == [&[] as &[&str]; 2]);
    }

    /// Rule W3: every form is found, and every value of it.
    #[test]
    fn w3_tokens_are_found_in_every_form() {
        let every = [&HEADERS[..], &[Form::Query("key"), Form::Cookie("api_key")]].concat();
        for (header, value, found) in [
            ("authorization", "Bearer abc", &["abc"][..]),
            ("authorization", "bearer  abc ", &["abc"]),
            ("authorization", "Basic abc", &[]),
            ("authorization", "abc", &[]),
            ("authorization", "Bearer ", &[]),
            ("x-api-key", "abc", &["abc"]),
            ("x-api-key", "", &[]),
            ("x-porla-token", "Bearer abc", &[]),
        ] {
            assert_shown(&every, "", &[(header, value)], [found, &[]]);
        }
        for (query, found) in [
            ("key=a&key=b", &["a", "b"][..]),
            ("token=a", &[]),
            ("key=", &[]),
            ("key=a%2Bb", &["a+b"]),
        ] {
            assert_shown(&every, query, &[], [&[], found]);
        }
        for (cookie, found) in [
            ("a=b; api_key=k; c=d", &["k"][..]),
            ("api_key=\"k\"", &["k"]),
            ("api_key=k;api_key=l", &["k", "l"]),
            ("xapi_key=k", &[]),
            ("api_key", &[]),
        ] {
            assert_shown(&every, "", &[("cookie", cookie)], [&[], found]);
        }
        let twice = [("x-api-key", "a"), ("x-api-key", "b"), ("authorization", "Bearer c")];
        assert_shown(&every, "key=d", &twice, [&["c", "a", "b"], &["d"]]);
    }

    /// Porla section 2.
    #[test]
    fn porlas_headers_lose_their_first_seven_characters() {
        let forms = [Form::HeaderTail("x-porla-token"), Form::HeaderTail("authorization")];
        for (value, found) in [
            ("Bearer abc", &["abc"][..]),
            ("1234567abc", &["abc"]),
            ("Bearer", &[]),
            ("1234567", &[]),
            ("", &[]),
        ] {
            assert_shown(&forms, "", &[("x-porla-token", value)], [found, &[]]);
            assert_shown(&forms, "", &[("authorization", value)], [found, &[]]);
        }
    }

    /// Rule W7.
    #[test]
    fn w7_only_types_that_need_a_preflight_are_declared() {
        let forged = |method, headers: &[(&str, &str)]| {
            may_be_forged(&call(method, "", headers), &["application/json"])
        };
        for browser in [("origin", "http://localhost"), ("cookie", "a=b")] {
            for fine in ["application/json", "Application/JSON; charset=utf-8"] {
                assert!(!forged(Method::POST, &[browser, ("content-type", fine)]), "{fine}");
            }
            for odd in ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"]
            {
                assert!(forged(Method::POST, &[browser, ("content-type", odd)]), "{odd}");
            }
            assert!(forged(Method::DELETE, &[browser]));
            assert!(!forged(Method::GET, &[browser]));
        }
        assert!(!forged(Method::POST, &[]), "no browser");
    }
}
