//! The tokens of the API: listed, made, revoked. Each change is durable before it is in force, and
//! in force before it is answered (rule D1).
//!
//! A secret is shown once, to whoever made the token; only its digest is kept. The first token is
//! the administrator's. It stands in the configuration or in a file and is changed there, so that
//! nobody locks himself out through the API.

use std::sync::Arc;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::token::Scopes;
use crate::domain::token::TokenId;
use crate::domain::token::TokenRecord;
use crate::service::access::unix_now_s;
use crate::service::secret;
use crate::service::token_table::TokenTable;
use crate::store::Store;

/// Tokens there may be, the first one aside.
const TOKENS_MAX: usize = 1000;
/// Characters of a name.
const NAME_CHARS_MAX: usize = 64;
/// The name of the first token.
const FIRST_NAME: &str = "first";
/// Seconds that a token with an end may be good for: a hundred years.
const VALID_S_MAX: u64 = 100 * 31_557_600;

/// The first token, and where it stands.
pub struct FirstToken {
    /// The secret.
    pub secret: String,
    /// Where it is changed: [`Source::Configuration`] or [`Source::File`].
    pub source: Source,
}

/// Where a token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the configuration, as `api.token`.
    Configuration,
    /// In the file `api-token` of the state directory.
    File,
    /// In the store: it was made through the API.
    Store,
}

impl Source {
    /// Its name in APIs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::File => "file",
            Self::Store => "store",
        }
    }
}

/// A token as lists show it; never with its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What names it.
    pub id: TokenId,
    /// What people call it.
    pub name: Arc<str>,
    /// What it grants.
    pub scopes: Scopes,
    /// Where it stands.
    pub source: Source,
    /// When it was made, Unix seconds; `None` for the first one, of which that is not known.
    pub created_at: Option<i64>,
    /// The first second in which it is no longer good, Unix seconds; `None` = never.
    pub expires_at: Option<i64>,
    /// Its last use since the start of the program, Unix seconds; `None` = not used.
    pub used_at: Option<i64>,
}

/// What a new token is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// What people call it; no other token may have it.
    pub name: String,
    /// What it grants; not nothing.
    pub scopes: Scopes,
    /// For how many seconds from now on it is good, wall time; `None` = for ever.
    pub valid_s: Option<u64>,
}

/// The handle; cheap to clone.
#[derive(Clone)]
pub struct Tokens {
    store: Store,
    table: TokenTable,
    first_source: Source,
}

impl Tokens {
    /// The tokens of the store, and the first one.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn load(store: Store, first: &FirstToken) -> Result<Self> {
        let record = TokenRecord {
            id: TokenId::First,
            name: FIRST_NAME.into(),
            digest: secret::digest(&first.secret),
            scopes: Scopes::ADMIN,
            created_at: 0,
            expires_at: None,
        };
        // Last, so that no other token takes its place should somebody configure the same secret.
        let records = store.tokens().await?.into_iter().chain([record]);
        Ok(Self { table: TokenTable::new(records), store, first_source: first.source })
    }

    /// What calls are judged by.
    pub fn table(&self) -> TokenTable {
        self.table.clone()
    }

    /// All tokens, the first one first, then in the order of making; expired ones too.
    pub fn list(&self) -> Vec<Token> {
        let mut all = self.table.all();
        all.sort_by(|(a, _), (b, _)| {
            let key = |record: &TokenRecord| (record.id != TokenId::First, record.created_at);
            key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
        });
        all.iter().map(|(record, used_at)| self.shown(record, *used_at)).collect()
    }

    /// Makes a token; returns it with its secret, which nobody will be shown again.
    ///
    /// # Errors
    /// Invalid, for a name, an end or scopes that cannot be; Conflict, when the name is taken or
    /// there are too many tokens; those of the store.
    pub async fn create(&self, wish: NewToken) -> Result<(Token, String)> {
        let now_s = unix_now_s();
        check(&wish)?;
        if self.table.all().len() > TOKENS_MAX {
            let message = format!("there are {TOKENS_MAX} tokens already: revoke some");
            return Err(Error::conflict(message));
        }
        let secret = secret::new_token()?;
        let record = TokenRecord {
            id: TokenId::Made(secret::random()?),
            name: wish.name.into(),
            digest: secret::digest(&secret),
            scopes: wish.scopes,
            created_at: now_s,
            expires_at: wish.valid_s.map(|valid_s| now_s.saturating_add_unsigned(valid_s)),
        };
        self.store.add_token(record.clone()).await?;
        let shown = self.shown(&record, None);
        self.table.put(record);
        Ok((shown, secret))
    }

    /// Revokes a token: whoever shows it is refused from here on, and streams that it opened end.
    ///
    /// # Errors
    /// NotFound; Conflict, for the first token; those of the store.
    pub async fn revoke(&self, id: TokenId) -> Result<()> {
        if id == TokenId::First {
            let how = match self.first_source {
                Source::Configuration => "change `api.token` in the configuration and restart",
                _ => "remove the file `api-token` in the state directory and restart",
            };
            return Err(Error::conflict(format!("the first token cannot be revoked here: {how}")));
        }
        let was_kept = self.store.remove_token(id).await?;
        self.table.remove(id);
        match was_kept {
            true => Ok(()),
            false => Err(Error::not_found(format!("no token has the id `{id}`"))),
        }
    }

    fn shown(&self, record: &TokenRecord, used_at: Option<i64>) -> Token {
        let is_first = record.id == TokenId::First;
        Token {
            id: record.id,
            name: Arc::clone(&record.name),
            scopes: record.scopes,
            source: if is_first { self.first_source } else { Source::Store },
            created_at: (!is_first).then_some(record.created_at),
            expires_at: record.expires_at,
            used_at,
        }
    }
}

fn check(wish: &NewToken) -> Result<()> {
    let name = &wish.name;
    let has_blank_end = name.starts_with(' ') || name.ends_with(' ');
    let has_length = (1..=NAME_CHARS_MAX).contains(&name.chars().count());
    if !has_length || has_blank_end || name.chars().any(char::is_control) {
        let message = format!(
            "a token's name has 1 to {NAME_CHARS_MAX} characters, no control characters and no \
             blank at either end"
        );
        return Err(Error::invalid(message));
    }
    if name == FIRST_NAME {
        return Err(Error::conflict(format!("there is a token named `{name}` already")));
    }
    if wish.scopes.is_empty() {
        return Err(Error::invalid("a token needs a scope: read, client, tracker or admin"));
    }
    if wish.valid_s.is_some_and(|valid_s| !(1..=VALID_S_MAX).contains(&valid_s)) {
        let message = "a token with an end is good for a second to a hundred years";
        return Err(Error::invalid(message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::error::ErrorKind;
    use crate::domain::token::Scope;
    use tempfile::TempDir;

    async fn tokens(dir: &TempDir) -> Tokens {
        let store = Store::open(&dir.path().join("state.db"), "boot").unwrap().store;
        let first = FirstToken { secret: "secret".into(), source: Source::File };
        Tokens::load(store, &first).await.unwrap()
    }

    fn wish(name: &str) -> NewToken {
        NewToken { name: name.into(), scopes: Scopes::of(&[Scope::Read]), valid_s: None }
    }

    /// Rules D1 and W2: kept by its digest alone, in force at once, listed without the secret.
    #[tokio::test]
    async fn a_token_is_in_force_from_its_making_to_its_revocation() {
        let dir = TempDir::new().unwrap();
        let made = {
            let tokens = tokens(&dir).await;
            let (token, secret) = tokens.create(wish("ci")).await.unwrap();
            assert_eq!(secret.len(), 64);
            let grant = tokens.table().grant(&secret::digest(&secret), 5).unwrap();
            assert_eq!(
                grant.holder,
                crate::domain::token::Holder::Token { id: token.id, name: "ci".into() }
            );
            let names: Vec<_> = tokens.list().iter().map(|t| (t.name.clone(), t.used_at)).collect();
            assert_eq!(names, [("first".into(), None), ("ci".into(), Some(5))]);
            (token.id, secret)
        };
        let bytes = std::fs::read(dir.path().join("state.db-wal")).unwrap_or_default();
        let bytes = [bytes, std::fs::read(dir.path().join("state.db")).unwrap()].concat();
        assert!(!bytes.windows(64).any(|window| window == made.1.as_bytes()));

        let tokens = tokens(&dir).await;
        let digest = secret::digest(&made.1);
        assert!(tokens.table().grant(&digest, 5).is_some());
        tokens.revoke(made.0).await.unwrap();
        assert!(tokens.table().grant(&digest, 5).is_none());
        assert_eq!(tokens.revoke(made.0).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(tokens.list().len(), 1);
    }

    #[tokio::test]
    async fn names_ends_and_scopes_are_checked_before_anything_is_kept() {
        let dir = TempDir::new().unwrap();
        let tokens = tokens(&dir).await;
        tokens.create(wish("ci")).await.unwrap();
        let refused = |wish: NewToken| {
            let tokens = tokens.clone();
            async move { tokens.create(wish).await.unwrap_err().kind() }
        };
        for name in ["", " ci", "a\nb", &"x".repeat(65)] {
            assert_eq!(refused(wish(name)).await, ErrorKind::Invalid, "{name}");
        }
        for taken in ["ci", "first"] {
            assert_eq!(refused(wish(taken)).await, ErrorKind::Conflict);
        }
        let none = NewToken { scopes: Scopes::default(), ..wish("a") };
        assert_eq!(refused(none).await, ErrorKind::Invalid);
        for valid_s in [0, VALID_S_MAX + 1, u64::MAX] {
            let odd = NewToken { valid_s: Some(valid_s), ..wish("a") };
            assert_eq!(refused(odd).await, ErrorKind::Invalid, "{valid_s}");
        }
        assert_eq!(tokens.list().len(), 2);
        let first = tokens.revoke(TokenId::First).await.unwrap_err();
        assert_eq!(first.kind(), ErrorKind::Conflict);
        assert!(first.message().contains("`api-token`"), "{first}");
    }
}
