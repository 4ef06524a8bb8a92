//! `GET /health`, for containers and supervisors: no token, no details (rule T9).

use crate::http::Call;
use crate::http::Reply;
use crate::service::health::Health;

/// 200 while the program does its work, else 503.
pub async fn answer(health: &Health, call: &Call) -> Reply {
    if !matches!(call.method().as_str(), "GET" | "HEAD") {
        return Reply::new(405).header("allow", "GET, HEAD");
    }
    let (status, text) = match health.is_well().await {
        true => (200, "ok\n"),
        false => (503, "not ok\n"),
    };
    Reply::new(status).header("content-type", "text/plain").bytes(text)
}
