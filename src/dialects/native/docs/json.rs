//! The OpenAPI document as HTML. Whatever comes from it is text and never markup.

use std::fmt::Write;

use serde_json::Value;

use crate::dialects::native::problem::Kind;

/// The page's style.
pub(super) const STYLE: &str = include_str!("style.css");

/// The whole page.
pub(super) fn page(document: &Value) -> String {
    let mut page = String::new();
    let title = words(&document["info"]["title"]);
    let about = words(&document["info"]["description"]);
    let version = words(&document["info"]["version"]);
    page += "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n";
    page += "<meta name=\"viewport\" content=\"width=device-width\">\n";
    put(&mut page, format_args!("<title>{title} API</title>\n<style>{STYLE}</style>\n"));
    put(&mut page, format_args!("<h1>{title} {version}</h1>\n<p>{about}</p>\n"));
    page += "<p>For programs: <code>/v1/openapi.json</code>.</p>\n";
    contents(&mut page, document);
    for tag in list(&document["tags"]) {
        let (name, about) = (words(&tag["name"]), words(&tag["description"]));
        put(&mut page, format_args!("<h2>{name}</h2>\n<p>{about}</p>\n"));
        for (path, method, operation) in operations(document) {
            if operation["tags"][0] == tag["name"] {
                section(&mut page, path, method, operation);
            }
        }
    }
    schemas(&mut page, document);
    problems(&mut page);
    page
}

/// Writing to memory cannot fail.
fn put(page: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = page.write_fmt(text);
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

fn contents(page: &mut String, document: &Value) {
    *page += "<nav><ul>\n";
    for (path, method, operation) in operations(document) {
        let (id, method) = (words(&operation["operationId"]), method.to_uppercase());
        let path = escaped(path);
        put(page, format_args!("<li><a href=\"#{id}\"><code>{method} {path}</code></a>\n"));
    }
    *page += "<li><a href=\"#problems\">Problems</a>\n</ul></nav>\n";
}

fn section(page: &mut String, path: &str, method: &str, operation: &Value) {
    let (id, method) = (words(&operation["operationId"]), method.to_uppercase());
    let (summary, path) = (words(&operation["summary"]), escaped(path));
    put(page, format_args!("<h3 id=\"{id}\"><b>{method}</b> {path}</h3>\n"));
    put(page, format_args!("<p>{summary}.</p>\n"));
    for paragraph in operation["description"].as_str().unwrap_or_default().split("\n\n") {
        put(page, format_args!("<p>{}</p>\n", marked(paragraph)));
    }
    *page += "<table>\n";
    for param in list(&operation["parameters"]) {
        let (name, place) = (words(&param["name"]), words(&param["in"]));
        let about = marked(param["description"].as_str().unwrap_or_default());
        let kind = kind(&param["schema"]);
        let cells = format_args!("<tr><td><code>{name}</code><td>{place}, {kind}<td>{about}\n");
        put(page, cells);
    }
    let bodies = operation["requestBody"]["content"].as_object().into_iter().flatten();
    for (kind_of, content) in bodies {
        let (kind_of, kind) = (escaped(kind_of), kind(&content["schema"]));
        put(page, format_args!("<tr><td>body<td>{kind_of}<td>{kind}\n"));
    }
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let about = marked(response["description"].as_str().unwrap_or_default());
        let contents = response["content"].as_object().into_iter().flatten();
        let kinds: Vec<String> = contents.map(|(_, content)| kind(&content["schema"])).collect();
        let (status, kinds) = (escaped(status), kinds.join(" or "));
        put(page, format_args!("<tr><td>{status}<td>{kinds}<td>{about}\n"));
    }
    *page += "</table>\n";
}

fn schemas(page: &mut String, document: &Value) {
    *page += "<h2>JSON</h2>\n";
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let name = escaped(name);
        let about = marked(schema["description"].as_str().unwrap_or_default());
        put(page, format_args!("<h3 id=\"json-{name}\">{name}</h3>\n<p>{about}</p>\n<table>\n"));
        let needed = list(&schema["required"]);
        for (member, schema) in schema["properties"].as_object().into_iter().flatten() {
            let about = marked(schema["description"].as_str().unwrap_or_default());
            let may = if needed.iter().any(|one| one == member) { "" } else { ", may be absent" };
            let (member, kind) = (escaped(member), kind(schema));
            let cells = format_args!("<tr><td><code>{member}</code><td>{kind}{may}<td>{about}\n");
            put(page, cells);
        }
        for value in list(&schema["enum"]) {
            put(page, format_args!("<tr><td><code>{}</code>\n", words(value)));
        }
        *page += "</table>\n";
    }
}

fn problems(page: &mut String) {
    *page += "<h2 id=\"problems\">Problems</h2>\n";
    *page += "<p>Every refusal is a problem document (RFC 9457); its <code>type</code> leads here.";
    *page += "</p>\n";
    for kind in Kind::ALL {
        let (status, slug, title, remedy) = kind.words();
        let remedy = marked(remedy);
        put(page, format_args!("<h3 id=\"{slug}\">{status} {title}</h3>\n<p>{remedy}</p>\n"));
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A schema in a few words, with a link to one that has a name.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = escaped(reference.rsplit('/').next().unwrap_or_default());
        return format!("<a href=\"#json-{name}\">{name}</a>");
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if let Some(parts) = schema[several].as_array() {
            return parts.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(words).collect::<Vec<_>>().join(" or "),
        kind_of if kind_of == "array" => format!("list of {}", kind(&schema["items"])),
        kind_of => words(kind_of),
    }
}

fn words(value: &Value) -> String {
    escaped(value.as_str().unwrap_or_default())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text with what stands between backticks as code.
fn marked(text: &str) -> String {
    let parts = escaped(text);
    let parts = parts.split('`').enumerate().map(|(place, part)| match place % 2 {
        0 => part.to_owned(),
        _ => format!("<code>{part}</code>"),
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_the_document_is_text() {
        assert_eq!(marked("a `b<c` & \"d\""), "a <code>b&lt;c</code> &amp; &quot;d&quot;");
        let schema = serde_json::json!({"type": "array", "items": {"$ref": "#/a/b/Torrent"}});
        assert_eq!(kind(&schema), "list of <a href=\"#json-Torrent\">Torrent</a>");
        let schema = serde_json::json!({"type": ["string", "null"]});
        assert_eq!(kind(&schema), "string or null");
    }
}
