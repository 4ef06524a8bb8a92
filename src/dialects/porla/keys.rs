//! Keys of the API as methods of the later line: tokens of this program.
//!
//! A key lets do what the methods for torrents do. It can make no further keys, as in the original.

use crate::dialects::porla::Porla;
use crate::dialects::porla::errors::Failure;
use crate::dialects::porla::json::Outcome;
use crate::dialects::porla::json::Params;
use crate::dialects::porla::json::answer;
use crate::dialects::porla::json::empty;
use crate::dialects::porla::users_wire::Key;
use crate::dialects::porla::users_wire::KeyId;
use crate::dialects::porla::users_wire::Keys;
use crate::dialects::porla::users_wire::MadeKey;
use crate::dialects::porla::users_wire::NewKey;
use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::domain::token::Scope;
use crate::domain::token::Scopes;
use crate::service::access::unix_now_s;
use crate::service::tokens::NewToken;

impl Porla {
    pub(super) async fn create_key(&self, params: Params) -> Outcome {
        let wish: NewKey = params.read()?;
        let now_s = unix_now_s();
        // An end that has passed is refused as one that is no time away.
        let valid_s = |end: i64| u64::try_from(end.saturating_sub(now_s)).unwrap_or(0);
        let wish = NewToken {
            name: wish.name,
            scopes: Scopes::of(&[Scope::Client]),
            valid_s: wish.expires_at.map(valid_s),
        };
        let (token, key) = self.services.tokens.create(wish).await.map_err(said)?;
        answer(&MadeKey { id: token.id.to_string(), key })
    }

    pub(super) async fn list_keys(&self, _: Params) -> Outcome {
        let tokens = self.services.tokens.list().into_iter();
        // The first token was not made by anybody, and cannot be removed here.
        let keys = tokens.filter_map(|token| {
            Some(Key {
                created_at: token.created_at?,
                expires_at: token.expires_at,
                id: token.id.to_string(),
                name: token.name.to_string(),
            })
        });
        answer(&Keys { keys: keys.collect() })
    }

    pub(super) async fn remove_key(&self, params: Params) -> Outcome {
        let wish: KeyId = params.read()?;
        let id = wish.id.parse().map_err(|_| Failure::of(-1, "Key not found"))?;
        self.services.tokens.revoke(id).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound => Failure::of(-1, "Key not found"),
            _ => said(error),
        })?;
        empty()
    }
}

fn said(error: Error) -> Failure {
    match error.kind() {
        ErrorKind::Conflict => Failure::of(-1, error.public_message()),
        _ => Failure::from(error),
    }
}
