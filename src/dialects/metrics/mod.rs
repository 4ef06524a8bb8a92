//! `GET /metrics` for Prometheus: the process, the client and the tracker under our own names,
//! libtorrent's statistics and, when asked for, every torrent under the names that Porla gave
//! them (section 8). Text format 0.0.4. `docs/api/metrics.md` is the manual.

mod own;
mod porla;

use crate::domain::error::Error;
use crate::domain::token::Scope;
use crate::http::Call;
use crate::http::Reply;
use crate::http::credentials::Credentials;
use crate::http::credentials::Form;
use crate::http::credentials::HEADERS;
use crate::service::Services;
use crate::service::auth::Denied;

/// Whether a token is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsAccess {
    /// One that grants `read`.
    Token,
    /// None; but names of torrents are told only to who shows one.
    Open,
}

/// What a caller may see.
#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    /// Sums alone.
    Sums,
    /// Torrents too.
    All,
}

/// Answers a call of `/metrics`.
pub async fn answer(services: &Services, access: MetricsAccess, call: &Call) -> Reply {
    let view = match authorize(services, access, call) {
        Ok(view) => view,
        Err(refused) => return *refused,
    };
    if !matches!(call.method().as_str(), "GET" | "HEAD") {
        return plain(405, "this path takes GET").header("allow", "GET, HEAD");
    }
    let wants_torrents = match call.query("torrents") {
        None | Some("" | "0" | "false") => false,
        Some("1" | "true") => true,
        Some(_) => return plain(400, "`torrents` is 1 or 0"),
    };
    if wants_torrents && view == View::Sums {
        return unauthorized("torrents are told only to who shows a token");
    }
    match text(services, wants_torrents).await {
        Ok(text) => Reply::new(200)
            .header("content-type", "text/plain; version=0.0.4; charset=utf-8")
            .bytes(text.into_bytes()),
        Err(error) => plain(503, error.message()).header("retry-after", "2"),
    }
}

async fn text(services: &Services, with_torrents: bool) -> Result<String, Error> {
    let engine = services.stats.engine().await?;
    let mut text = own::text(&services.stats);
    porla::sessions(&mut text, &engine);
    if with_torrents {
        porla::torrents(&mut text, &services.torrents.list());
    }
    Ok(text)
}

/// Before anything else is looked at (rule W4).
fn authorize(services: &Services, access: MetricsAccess, call: &Call) -> Result<View, Box<Reply>> {
    let shown = Credentials::of(call, HEADERS.into_iter().chain([Form::Query("token")]));
    if shown.is_empty() && access == MetricsAccess::Open {
        return Ok(View::Sums);
    }
    let from = call.peer().ip();
    let granted = services.auth.check(from, &shown.in_headers, &shown.others, Scope::Read);
    Err(Box::new(match granted {
        Ok(_) => return Ok(View::All),
        Err(Denied::Unauthorized) => unauthorized("show a token that grants read"),
        Err(Denied::TooMany { retry_after_s }) => {
            let wait = retry_after_s.to_string();
            plain(429, "too many wrong tokens").header("retry-after", &wait)
        }
        Err(Denied::Forbidden { .. }) => plain(403, "this token does not grant read"),
    }))
}

fn unauthorized(message: &str) -> Reply {
    plain(401, message).header("www-authenticate", "Bearer")
}

fn plain(status: u16, message: &str) -> Reply {
    let text = format!("{message}\n").into_bytes();
    Reply::new(status).header("content-type", "text/plain; charset=utf-8").bytes(text)
}
