//! The JSON of the tokens.

use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::token::Scope;
use crate::domain::token::Scopes;
use crate::service::tokens::NewToken;
use crate::service::tokens::Token;

/// A part of what the program can do.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ScopeName {
    /// Looking at everything but secrets.
    Read,
    /// Changing torrents and reading their files.
    Client,
    /// Changing swarms, the whitelist and keys.
    Tracker,
    /// Everything: settings, tokens, ending the program.
    Admin,
}

/// All tokens.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenList {
    /// How many there are.
    pub(super) total: usize,
    /// Each of them, without its secret.
    pub(super) tokens: Vec<TokenRow>,
}

/// A token in a list.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenRow {
    /// What names it in addresses: 16 hex digits, or `first`.
    id: String,
    /// What people call it; no two have the same.
    name: String,
    /// What it grants. Whoever may change may also look, and `admin` is everything.
    scopes: Vec<ScopeName>,
    /// Where it stands: `configuration` (as `api.token`) or `file` (`api-token` in the state
    /// directory) for the first token, `store` for all others.
    #[schema(pattern = "^(configuration|file|store)$")]
    source: &'static str,
    /// When it was made, Unix seconds; null for the first token.
    created_at: Option<i64>,
    /// The first second in which it is no longer good, Unix seconds; null = never.
    expires_at: Option<i64>,
    /// Whether that is over.
    is_expired: bool,
    /// Its last use since the program started, Unix seconds; null = not used.
    used_at: Option<i64>,
}

/// A token that was just made.
#[derive(Serialize, ToSchema)]
pub(super) struct NewTokenShown {
    /// The secret: 64 hex digits.
    pub(super) token: String,
    #[serde(flatten)]
    pub(super) row: TokenRow,
}

/// What a token is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTokenBody {
    /// What people call it: 1 to 64 characters without a blank at either end.
    #[schema(
        pattern = "^[^\\u0000-\\u0020\\u007f-\\u009f]([^\\u0000-\\u001f\\u007f-\\u009f]{0,62}[^\\u0000-\\u0020\\u007f-\\u009f])?$"
    )]
    name: String,
    /// What it grants.
    #[schema(min_items = 1)]
    scopes: Vec<ScopeName>,
    /// For how many seconds from now on it is good; null or absent = for ever.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 3_155_760_000_u64)]
    valid_s: Option<u64>,
}

impl NewTokenBody {
    pub(super) fn wish(self) -> NewToken {
        let scopes: Vec<Scope> = self.scopes.into_iter().map(ScopeName::scope).collect();
        NewToken { name: self.name, scopes: Scopes::of(&scopes), valid_s: self.valid_s }
    }
}

impl ScopeName {
    fn of(scope: Scope) -> Self {
        match scope {
            Scope::Read => Self::Read,
            Scope::Client => Self::Client,
            Scope::Tracker => Self::Tracker,
            Scope::Admin => Self::Admin,
        }
    }

    fn scope(self) -> Scope {
        match self {
            Self::Read => Scope::Read,
            Self::Client => Scope::Client,
            Self::Tracker => Scope::Tracker,
            Self::Admin => Scope::Admin,
        }
    }
}

impl TokenRow {
    pub(super) fn of(token: &Token, now_s: i64) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name.to_string(),
            scopes: token.scopes.named().map(ScopeName::of).collect(),
            source: token.source.name(),
            created_at: token.created_at,
            expires_at: token.expires_at,
            is_expired: token.expires_at.is_some_and(|end| end <= now_s),
            used_at: token.used_at,
        }
    }
}
