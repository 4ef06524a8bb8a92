//! `cove rm`: removes torrents that are named by info-hash or by the beginning of their name.

use std::io::Write;

use clap::Args;

use crate::app::Exit;
use crate::app::cli::Context;
use crate::app::cli::Failure;
use crate::app::cli::client::Client;
use crate::app::cli::native_wire::Download;
use crate::app::cli::wire;
use crate::app::logging;

/// The shortest beginning of an info-hash that is taken for one; a name may look the same.
const MIN_HASH_DIGITS: usize = 6;

/// Arguments of `cove rm`.
#[derive(Debug, Args)]
pub(super) struct RmArgs {
    /// Info-hashes or names, or beginnings of them that fit one torrent only
    #[arg(required = true, value_name = "HASH|NAME")]
    torrents: Vec<String>,
    /// Delete the downloaded files too
    #[arg(long)]
    data: bool,
}

/// Removes them; nothing is removed when one of the names fits no torrent, or several.
pub(super) fn run(args: &RmArgs, context: &Context, out: &mut impl Write) -> Result<(), Failure> {
    let client = Client::find(context)?;
    let list = client.downloads()?.torrents;
    let mut chosen: Vec<Download> = Vec::new();
    for wish in &args.torrents {
        let download = choose(wish, &list)?;
        if !chosen.iter().any(|other| other.info_hash == download.info_hash) {
            chosen.push(download.clone());
        }
    }
    for download in &chosen {
        client.remove(&download.info_hash, args.data)?;
        if !context.is_json {
            let name = logging::escape(&download.name);
            writeln!(out, "removed {} {name}", download.info_hash)?;
            out.flush()?;
        }
    }
    if context.is_json {
        writeln!(out, "{}", wire::removed_json(&chosen, args.data))?;
    }
    Ok(())
}

/// The one torrent that `wish` means. A whole name wins over names that only begin so.
fn choose<'a>(wish: &str, list: &'a [Download]) -> Result<&'a Download, Failure> {
    let hash = wish.to_ascii_lowercase();
    let begins_hash = |one: &&Download| {
        hash.len() >= MIN_HASH_DIGITS && one.info_hash.to_ascii_lowercase().starts_with(&hash)
    };
    let whole: Vec<&Download> = list
        .iter()
        .filter(|one| one.name == wish || one.info_hash.eq_ignore_ascii_case(wish))
        .collect();
    let fitting = match whole.is_empty() {
        true => list.iter().filter(|one| begins_hash(one) || one.name.starts_with(wish)).collect(),
        false => whole,
    };
    match fitting[..] {
        [one] if !wish.is_empty() => Ok(one),
        [] => Err(Failure::new(Exit::NotFound, format!("no torrent is named `{wish}`"))),
        _ => {
            let shown = fitting.iter().take(5).map(|one| format!("{} {}", one.info_hash, one.name));
            let names: Vec<String> = shown.collect();
            let (count, names) = (fitting.len(), names.join(", "));
            let message = format!("`{wish}` fits {count} torrents, among them {names}");
            Err(Failure::new(Exit::Error, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_must_fit_one_torrent() {
        let one = |hash: &str, name: &str| Download {
            info_hash: hash.repeat(20),
            name: name.into(),
            ..Download::default()
        };
        let list = [one("ab", "film"), one("cd", "film 2"), one("ce", "song")];
        let chosen = |wish: &str| {
            let chosen = choose(wish, &list).map(|one| one.name.as_str());
            chosen.map_err(|failure| failure.exit)
        };
        assert_eq!(chosen("film"), Ok("film"), "a whole name wins");
        assert_eq!(chosen("so"), Ok("song"));
        assert_eq!(chosen(&"CD".repeat(20)), Ok("film 2"));
        assert_eq!(chosen("cdcdcd"), Ok("film 2"));
        assert_eq!(chosen("cd"), Err(Exit::NotFound), "too short for a hash");
        assert_eq!(chosen("fil"), Err(Exit::Error));
        assert_eq!(chosen(""), Err(Exit::Error));
        assert_eq!(chosen("nothing"), Err(Exit::NotFound));
    }
}
