//! The page's HTML. Names are data: everything that comes from outside is escaped (rule W10).

use std::fmt::Write;

use crate::domain::share::InviteToken;
use crate::service::friends::InvitePage;

/// Files shown one by one.
const FILES_MAX: usize = 1000;

/// The page's looks, light or dark as the reader has it.
pub(super) const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}\
h1{font-size:1.5rem;overflow-wrap:anywhere}\
a.button{display:inline-block;padding:.5rem 1rem;margin:0 .5rem .5rem 0;border-radius:.4rem;\
background:#1b6ac9;color:#fff;text-decoration:none}\
a.second{background:#5a6270}\
table{border-collapse:collapse;width:100%;font-size:.9rem}\
td{padding:.2rem .4rem;border-top:1px solid #8884;overflow-wrap:anywhere}\
td+td{text-align:right;white-space:nowrap}\
small{opacity:.7}\n";

/// What somebody with a good link sees.
pub(super) fn invited(token: InviteToken, page: &InvitePage) -> String {
    let torrent = &page.view.torrent;
    let files: Vec<(&str, u64)> = torrent
        .metadata
        .iter()
        .flat_map(|metadata| &metadata.files)
        .filter(|file| !file.is_padding)
        .map(|file| (file.path.as_str(), file.size_bytes))
        .collect();
    let total: u64 = files.iter().map(|(_, bytes)| bytes).sum();
    let (name, friend) = (escape(&torrent.name), escape(page.friend.as_str()));
    let (token, magnet) = (token.as_str(), escape(&page.magnet));
    let count = match files.len() {
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    };
    let size = size(total);
    let rows = rows(&files);
    let body = format!(
        "<h1>{name}</h1>\n<p>Shared with {friend}: {count}, {size}.</p>\n\
         <p><a class=\"button\" href=\"/i/{token}/torrent\">Download the .torrent</a>\
         <a class=\"button second\" href=\"{magnet}\">Open as magnet link</a></p>\n\
         <p>Open it with a BitTorrent client such as qBittorrent, Transmission, Deluge or aria2. \
         It is made for you alone: it holds your own key, so please do not pass it on.</p>\n\
         <table>\n{rows}</table>\n"
    );
    whole(&name, &body)
}

/// What everybody else sees.
pub(super) fn gone() -> String {
    whole(
        "Not here",
        "<h1>This invitation is not, or no longer, good</h1>\n\
         <p>Ask whoever sent it to you for a new one.</p>\n",
    )
}

/// What is seen in the first moments after a start.
pub(super) fn later() -> String {
    whole("Not yet", "<h1>Not yet</h1>\n<p>Please try again in a few seconds.</p>\n")
}

fn whole(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<link rel=\"stylesheet\" href=\"/i/style.css\">\n</head>\n\
         <body>\n{body}</body>\n</html>\n"
    )
}

fn rows(files: &[(&str, u64)]) -> String {
    let mut rows = String::new();
    for (path, bytes) in files.iter().take(FILES_MAX) {
        // Writing to memory cannot fail.
        let _ = writeln!(rows, "<tr><td>{}</td><td>{}</td></tr>", escape(path), size(*bytes));
    }
    if let Some(more) = files.len().checked_sub(FILES_MAX).filter(|more| *more > 0) {
        let _ = writeln!(rows, "<tr><td><small>and {more} more</small></td><td></td></tr>");
    }
    rows
}

/// Text as it may stand in HTML and in its attributes.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// Bytes in decimal units, as browsers show them.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let power = (bytes.ilog10() / 3).min(6);
    let tenths = bytes / (10u64.pow(3 * power) / 10);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[power as usize - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule W10.
    #[test]
    fn w10_names_stay_text() {
        let hostile = "<script>alert(1)</script>\" onload='x'&\u{1b}";
        let safe = escape(hostile);
        assert!(!safe.contains(['<', '>', '"', '\'', '\u{1b}']), "{safe}");
        let rows = rows(&[(hostile, 1)]);
        assert!(!rows.contains("<script"));
    }

    #[test]
    fn long_lists_end_with_a_count() {
        let files = vec![("a", 1_500_000); FILES_MAX + 2];
        let rows = rows(&files);
        assert!(rows.contains("<td>1.5 MB</td>") && rows.contains("and 2 more"));
        assert_eq!(size(999), "999 B");
        assert_eq!(size(u64::MAX), "18.4 EB");
    }
}
