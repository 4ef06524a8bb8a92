//! The program's own tracker: turned on, and opened to whom it should serve.

use crate::common::app::Home;
use crate::common::aria2::free_port;

/// A home whose tracker listens on loopback, over UDP and HTTP on one port.
pub(crate) struct OwnTracker {
    pub(crate) home: Home,
    pub(crate) port: u16,
}

impl OwnTracker {
    /// In `mode`: `public`, `listed`, `private` or `private_listed`.
    pub(crate) fn new(mode: &str) -> Self {
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let home = Home::new()
            .set("tracker.mode", mode)
            .set("tracker.udp.bind", &address)
            .set("tracker.http.bind", &address);
        Self { home, port }
    }

    /// Where to announce over `scheme`, `udp` or `http`.
    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}/announce", self.port)
    }
}
