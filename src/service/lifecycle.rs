//! The end of the program, asked for from inside: an API's word for what SIGTERM says (rule D16).
//!
//! The wish is only noted here. `app` waits for it beside the signals and stops everything in its
//! order, in which the call that asked is answered first.

use tokio::sync::watch;

/// The handle; cheap to clone.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    wish: watch::Sender<bool>,
}

impl Lifecycle {
    /// Nobody asked yet.
    pub fn new() -> Self {
        Self { wish: watch::Sender::new(false) }
    }

    /// Asks the program to end. It takes no new calls then, and answers those it has.
    pub fn ask_to_stop(&self) {
        tracing::info!("asked to stop by an API");
        self.wish.send_replace(true);
    }

    /// Waits until somebody asked.
    pub async fn stop_asked(&self) {
        let mut wish = self.wish.subscribe();
        // The sender lives as long as this handle, so the wait has no other end.
        let _ = wish.wait_for(|asked| *asked).await;
    }
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}
