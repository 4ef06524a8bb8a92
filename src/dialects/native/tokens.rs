//! The tokens that let in: listed, made, revoked.

use utoipa::OpenApi;

use crate::dialects::native::Group;
use crate::dialects::native::Outcome;
use crate::dialects::native::Route;
use crate::dialects::native::problem::Problem;
use crate::dialects::native::request::Request;
use crate::dialects::native::tokens_wire::NewTokenBody;
use crate::dialects::native::tokens_wire::NewTokenShown;
use crate::dialects::native::tokens_wire::TokenList;
use crate::dialects::native::tokens_wire::TokenRow;
use crate::dialects::native::wire;
use crate::domain::error::Error;
use crate::domain::token::Scope;
use crate::domain::token::TokenId;
use crate::http::Reply;
use crate::service::access::unix_now_s;

pub(super) const GROUP: Group = Group { routes: ROUTES, document: Document::openapi };

const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        path: "/v1/tokens",
        needs: Scope::Admin,
        query: &[],
        run: |request| Box::pin(list_tokens(request)),
    },
    Route {
        method: "POST",
        path: "/v1/tokens",
        needs: Scope::Admin,
        query: &[],
        run: |request| Box::pin(make_token(request)),
    },
    Route {
        method: "DELETE",
        path: "/v1/tokens/{id}",
        needs: Scope::Admin,
        query: &[],
        run: |request| Box::pin(revoke_token(request)),
    },
];

#[derive(OpenApi)]
#[openapi(
    paths(list_tokens, make_token, revoke_token),
    tags((name = "tokens", description = "What lets in to every API of this server"))
)]
struct Document;

/// All tokens
///
/// Expired ones too. A token itself is a secret and is shown only when it is made.
#[utoipa::path(get, path = "/v1/tokens", tag = "tokens",
    responses((status = 200, description = "The first token, then in the order of making",
               body = TokenList)))]
async fn list_tokens(request: Request<'_>) -> Outcome {
    let now_s = unix_now_s();
    let tokens = request.services().tokens.list();
    let tokens: Vec<TokenRow> = tokens.iter().map(|token| TokenRow::of(token, now_s)).collect();
    Ok(wire::reply(200, &TokenList { total: tokens.len(), tokens }))
}

/// Makes a token
///
/// The token is shown here and never again: only its digest is kept.
#[utoipa::path(post, path = "/v1/tokens", tag = "tokens", request_body = NewTokenBody,
    responses((status = 201, description = "The token", body = NewTokenShown)))]
async fn make_token(mut request: Request<'_>) -> Outcome {
    let body: NewTokenBody = request.json().await?;
    let (token, secret) = request.services().tokens.create(body.wish()).await?;
    let row = TokenRow::of(&token, unix_now_s());
    Ok(wire::reply(201, &NewTokenShown { token: secret, row }))
}

/// Revokes a token
///
/// Whoever shows it is refused from here on, and event streams that it opened end. The first token
/// cannot be revoked here: it is changed in the configuration, or by removing the file `api-token`.
#[utoipa::path(delete, path = "/v1/tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "The token's `id`",
            pattern = "^(first|[0-9a-fA-F]{16})$")),
    responses((status = 204, description = "It lets in nobody any more")))]
async fn revoke_token(request: Request<'_>) -> Outcome {
    let id: TokenId = request.param(0).parse().map_err(|error: Error| Problem::from(error))?;
    request.services().tokens.revoke(id).await?;
    Ok(Reply::new(204))
}
