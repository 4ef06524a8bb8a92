//! Whether the program does its work, for whoever restarts it (rule T9).

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::Mutex;

use crate::engine::Engine;
use crate::store::Store;

/// How long an answer is good for: asking is free to everybody.
const FRESH: Duration = Duration::from_secs(1);
/// How long the store may take to come to one small read.
const STORE_LIMIT: Duration = Duration::from_secs(5);

/// The handle; cheap to clone.
#[derive(Clone)]
pub struct Health {
    engine: Engine,
    store: Store,
    last: Arc<Mutex<Option<(Instant, bool)>>>,
}

impl Health {
    /// Over what runs.
    pub fn new(engine: Engine, store: Store) -> Self {
        Self { engine, store, last: Arc::default() }
    }

    /// Whether engine and store do their work. Those who ask at once share one look.
    pub async fn is_well(&self) -> bool {
        let mut last = self.last.lock().await;
        if let Some((_, is_well)) = last.filter(|(at, _)| at.elapsed() < FRESH) {
            return is_well;
        }
        let is_well = self.engine.is_alive() && self.store.is_alive(STORE_LIMIT).await;
        *last = Some((Instant::now(), is_well));
        is_well
    }
}
