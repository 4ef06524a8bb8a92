//! The page behind an invitation's link, served beside the tracker: what is shared, the friend's
//! own .torrent and magnet link. Nothing else of the program can be reached from it.
//!
//! The link is the secret: who has it is taken for the friend. A link that is wrong, used up,
//! expired or revoked gets one and the same answer.

mod page;

use crate::domain::error::ErrorKind;
use crate::domain::share::InviteToken;
use crate::http::Reply;
use crate::service::friends::Friends;

/// What a browser may load for the page (rule W10).
const POLICY: &str = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

enum Route {
    Page(InviteToken),
    Torrent(InviteToken),
    Style,
}

fn route(path: &str) -> Option<Route> {
    let mut segments = path.strip_prefix("/i/")?.split('/');
    let (first, second, rest) = (segments.next()?, segments.next(), segments.next());
    if first == "style.css" && second.is_none() {
        return Some(Route::Style);
    }
    let token = InviteToken::from_bytes(first.as_bytes())?;
    match (second, rest) {
        (None, _) => Some(Route::Page(token)),
        (Some("torrent"), None) => Some(Route::Torrent(token)),
        _ => None,
    }
}

/// Answers a GET or HEAD; `None` when the path is not one of invitations.
pub fn answer(friends: &Friends, path: &str, is_head: bool) -> Option<Reply> {
    if !path.starts_with("/i/") {
        return None;
    }
    let reply = match route(path) {
        Some(Route::Style) => Reply::new(200).header("content-type", "text/css").bytes(page::STYLE),
        Some(Route::Page(token)) => match friends.page(token) {
            Ok(invited) => html(200, page::invited(token, &invited)),
            Err(_) => html(404, page::gone()),
        },
        Some(Route::Torrent(token)) => torrent(friends, token, is_head),
        None => html(404, page::gone()),
    };
    Some(safe(reply))
}

fn torrent(friends: &Friends, token: InviteToken, is_head: bool) -> Reply {
    // To ask whether it is there uses nothing up.
    let taken = match is_head {
        true => friends.page(token).map(|page| (page.view.torrent.name.to_string(), Vec::new())),
        false => friends.take(token),
    };
    match taken {
        Ok((name, file)) => Reply::new(200)
            .header("content-type", "application/x-bittorrent")
            .header("content-disposition", &disposition(&name))
            .bytes(file),
        Err(error) if error.kind() == ErrorKind::NotFound => html(404, page::gone()),
        Err(_) => html(503, page::later()).header("retry-after", "5"),
    }
}

/// The name of the file to be saved (RFC 6266).
fn disposition(name: &str) -> String {
    use percent_encoding::NON_ALPHANUMERIC;
    let name = percent_encoding::utf8_percent_encode(name, NON_ALPHANUMERIC);
    format!("attachment; filename*=UTF-8''{name}.torrent")
}

fn html(status: u16, text: String) -> Reply {
    Reply::new(status).header("content-type", "text/html; charset=utf-8").bytes(text)
}

/// With the headers of rule W10; the address holds a secret, which goes to nobody.
fn safe(reply: Reply) -> Reply {
    reply
        .header("content-security-policy", POLICY)
        .header("x-frame-options", "DENY")
        .header("x-content-type-options", "nosniff")
        .header("referrer-policy", "no-referrer")
        .header("cache-control", "no-store")
        .header("x-robots-tag", "noindex, nofollow")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "2cjvmxYTzG1ESiJBSAn5dxNornXB5CeD";

    #[test]
    fn only_links_are_routes() {
        let kind = |path: &str| match route(path) {
            Some(Route::Page(_)) => "page",
            Some(Route::Torrent(_)) => "torrent",
            Some(Route::Style) => "style",
            None => "",
        };
        assert_eq!(kind(&format!("/i/{TOKEN}")), "page");
        assert_eq!(kind(&format!("/i/{TOKEN}/torrent")), "torrent");
        assert_eq!(kind("/i/style.css"), "style");
        for path in ["/i/", "/i/short", "/i", "/x", &format!("/i/{TOKEN}/"), "/i/../announce"] {
            assert_eq!(kind(path), "", "{path}");
        }
        assert_eq!(kind(&format!("/i/{TOKEN}/torrent/x")), "");
    }

    #[test]
    fn a_name_cannot_break_out_of_a_header() {
        let text = disposition("a\"\r\nset-cookie: x; ü");
        assert!(text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "{text}");
    }
}
