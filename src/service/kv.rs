//! Values that API clients keep here under names of their own, and what keeps them.

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::store::Store;

/// Before the names of the clients' values, so that they are no settings of ours.
const PREFIX: &str = "kv.";
/// Bytes of a name.
const KEY_BYTES_MAX: usize = 256;
/// Bytes of a value.
const VALUE_BYTES_MAX: usize = 64 << 10;

/// The clients' values; a cheap handle.
#[derive(Clone)]
pub struct Kv {
    store: Store,
}

impl Kv {
    /// Over a store.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// The value of a name; `None` when it was never set.
    ///
    /// # Errors
    /// Invalid, when the name is too long; those of the store.
    pub async fn get(&self, key: &str) -> Result<Option<String>> {
        self.store.setting(&named(key)?).await
    }

    /// Keeps a value under a name, in place of the one before it.
    ///
    /// # Errors
    /// Invalid, when either is too long; those of the store.
    pub async fn set(&self, key: &str, value: &str) -> Result<()> {
        if value.len() > VALUE_BYTES_MAX {
            return Err(Error::invalid(format!("a value has at most {VALUE_BYTES_MAX} bytes")));
        }
        self.store.set_setting(&named(key)?, Some(value)).await
    }

    /// The version of the store's library, and the sources it was made of.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn store_versions(&self) -> Result<[String; 2]> {
        self.store.library_versions().await
    }
}

fn named(key: &str) -> Result<String> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(Error::invalid(format!("a key has 1 to {KEY_BYTES_MAX} bytes")));
    }
    Ok(format!("{PREFIX}{key}"))
}
