//! What describes this API: the OpenAPI document for programs and a page of it for people.
//!
//! The page is plain HTML made from the document; it loads nothing and runs no script.

mod json;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha2::Digest;
use sha2::Sha256;
use utoipa::OpenApi;

use crate::dialects::native::Group;
use crate::dialects::native::Outcome;
use crate::dialects::native::Route;
use crate::dialects::native::openapi;
use crate::dialects::native::request::Request;
use crate::domain::token::Scope;
use crate::http::Reply;

pub(super) const GROUP: Group = Group { routes: ROUTES, document: Document::openapi };

const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        path: "/v1/openapi.json",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(openapi_document(request)),
    },
    Route {
        method: "GET",
        path: "/v1/docs",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(docs_page(request)),
    },
];

#[derive(OpenApi)]
#[openapi(
    paths(openapi_document, docs_page),
    tags((name = "documents", description = "What describes this API"))
)]
struct Document;

/// Both documents as they are sent.
pub(super) struct Documents {
    openapi: Bytes,
    page: Bytes,
    policy: String,
}

impl Documents {
    pub(super) fn new() -> Self {
        let document = openapi::document();
        let page = json::page(&document);
        let digest = STANDARD.encode(Sha256::digest(json::STYLE));
        // Rule W10; of styles only the page's own is taken, known by its digest.
        let policy = format!(
            "default-src 'self'; style-src 'sha256-{digest}'; frame-ancestors 'none'; \
             base-uri 'none'; form-action 'self'"
        );
        Self { openapi: document.to_string().into(), page: page.into(), policy }
    }
}

/// The OpenAPI document
///
/// OpenAPI 3.1, for generators of clients and for testers.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "documents",
    responses((status = 200, description = "This document", body = Object,
               content_type = "application/json")))]
async fn openapi_document(request: Request<'_>) -> Outcome {
    let body = request.native.documents().openapi.clone();
    Ok(Reply::new(200).header("content-type", "application/json").bytes(body))
}

/// The manual
///
/// The OpenAPI document as a page, with every kind of problem.
#[utoipa::path(get, path = "/v1/docs", tag = "documents",
    responses((status = 200, description = "HTML", body = String, content_type = "text/html")))]
async fn docs_page(request: Request<'_>) -> Outcome {
    let documents = request.native.documents();
    Ok(Reply::new(200)
        .header("content-type", "text/html; charset=utf-8")
        .header("content-security-policy", &documents.policy)
        .header("x-frame-options", "DENY")
        .bytes(documents.page.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::native::problem::Kind;
    use crate::dialects::native::routes;

    /// Everything that is served is on the page, and the page loads nothing (rule W10).
    #[test]
    fn w10_the_page_names_every_route_and_problem_and_needs_nothing_else() {
        let documents = Documents::new();
        let page = String::from_utf8(documents.page.to_vec()).unwrap();
        for route in routes() {
            assert!(page.contains(route.path), "{}", route.path);
        }
        for kind in Kind::ALL {
            let slug = kind.words().1;
            assert!(page.contains(&format!("id=\"{slug}\"")), "{slug}");
        }
        for foreign in ["<script", "<link", "<img", "@import", "url(", "style="] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        assert!(page.contains(json::STYLE) && documents.policy.contains("sha256-"));
    }
}
