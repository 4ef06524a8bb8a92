//! The OpenAPI document: the parts of all subjects put together, and what is the same for every
//! route (scopes, refusals) taken from the route table, so that it cannot differ from it.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use utoipa::OpenApi;

use crate::dialects::native::GROUPS;
use crate::dialects::native::Route;
use crate::dialects::native::problem::Kind;
use crate::dialects::native::routes;
use crate::dialects::native::wire::ProblemBody;

/// The name of the one way to show a token.
const SECURITY: &str = "token";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Cove",
        description = "A BitTorrent client and tracker in one process. This is its own API; those \
                       of Porla, Torrust Tracker, UDPT and Tribler are served beside it.",
        version = env!("CARGO_PKG_VERSION"),
        license(name = "MIT", identifier = "MIT"),
    ),
    components(schemas(ProblemBody)),
)]
struct Base;

/// The whole document.
pub(super) fn document() -> Value {
    let mut whole = Base::openapi();
    for group in GROUPS {
        whole.merge((group.document)());
    }
    let mut document = serde_json::to_value(whole).unwrap_or_default();
    document["components"]["securitySchemes"] = json!({SECURITY: {
        "type": "http",
        "scheme": "bearer",
        "description": "The token may also stand in the header X-Api-Key, in the query as `token`, \
                        or in the cookie `api_key`; all that are shown must be the same.",
    }});
    for route in routes() {
        let operation = &mut document["paths"][route.path][route.method.to_ascii_lowercase()];
        if let Value::Object(operation) = operation {
            complete(operation, route);
        }
    }
    document
}

/// Adds what follows from the route table.
fn complete(operation: &mut Map<String, Value>, route: &Route) {
    let scope = route.needs.name();
    operation.insert("security".to_owned(), json!([{SECURITY: [scope]}]));
    let own = operation.get("description").and_then(Value::as_str).unwrap_or_default();
    let description = format!("{own}\n\nNeeds a token that grants `{scope}`.");
    operation.insert("description".to_owned(), description.trim().into());
    let has_body = operation.contains_key("requestBody");
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    for (status, title) in refusals(route, has_body) {
        let schema = json!({"$ref": "#/components/schemas/Problem"});
        let content = json!({"application/problem+json": {"schema": schema}});
        responses[status.to_string()] = json!({"description": title, "content": content});
    }
}

/// The statuses that a route may refuse with. Changes may find the disk full or contradict the
/// present state; what has a body may be sent a wrong one.
fn refusals(route: &Route, has_body: bool) -> impl Iterator<Item = (u16, &'static str)> {
    let is_change = route.method != "GET";
    let has_place = route.path.contains('{');
    let is_range = route.path.ends_with("/content");
    let may = move |kind: Kind| match kind {
        Kind::BodyTimeout | Kind::BodyTooLarge => has_body,
        // A page's request is refused for its type even where there is no body (rule W7).
        Kind::UnsupportedMediaType | Kind::StorageFull => is_change,
        Kind::Conflict => is_change || is_range,
        Kind::NotFound => has_place,
        Kind::RangeNotSatisfiable => is_range,
        Kind::MethodNotAllowed | Kind::NoSuchPath | Kind::InvalidFilter => false,
        _ => true,
    };
    Kind::ALL.into_iter().filter(move |kind| may(*kind)).map(|kind| {
        let (status, _, title, _) = kind.words();
        (status, title)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The route table and the document name the same routes, with the same query parameters.
    #[test]
    fn routes_and_document_agree() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        let mut told = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let params = operation["parameters"].as_array().cloned().unwrap_or_default();
                let of = |place: &str| -> BTreeSet<String> {
                    let params = params.iter().filter(|param| param["in"] == place);
                    params.map(|param| param["name"].as_str().unwrap().to_owned()).collect()
                };
                told.insert((path.clone(), method.to_uppercase(), of("query"), of("path")));
            }
        }
        let places = |path: &str| -> BTreeSet<String> {
            let parts = path.split('/').filter_map(|part| part.strip_prefix('{'));
            parts.map(|part| part.trim_end_matches('}').to_owned()).collect()
        };
        let served: BTreeSet<_> = routes()
            .map(|route| {
                let query = route.query.iter().map(|name| (*name).to_owned()).collect();
                (route.path.to_owned(), route.method.to_owned(), query, places(route.path))
            })
            .collect();
        assert_eq!(told, served);
    }

    #[test]
    fn every_operation_has_a_name_of_its_own_a_scope_and_its_refusals() {
        let document = document();
        let mut names = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let name = operation["operationId"].as_str().unwrap();
                assert!(names.insert(name.to_owned()), "{name} is there twice");
                assert!(operation["summary"].is_string(), "{method} {path} has no summary");
                assert!(operation["security"][0]["token"][0].is_string(), "{method} {path}");
                assert!(operation["responses"]["401"].is_object(), "{method} {path}");
            }
        }
    }

    /// Whatever is referred to is there.
    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
