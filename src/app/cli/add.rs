//! `cove add`: hands torrents to the running server, and waits for them if told to.

use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;

use crate::app::Exit;
use crate::app::cli::Context;
use crate::app::cli::Failure;
use crate::app::cli::client::Client;
use crate::app::cli::native_wire::NewTorrent;
use crate::app::cli::progress;
use crate::app::cli::wire;

/// The largest torrent file that is sent, in bytes (rule F4: the server takes no larger one).
const MAX_TORRENT_BYTES: u64 = 10 << 20;

/// Arguments of `cove add`.
#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// Magnet links, http(s) addresses of torrents, or torrent files
    #[arg(required = true, value_name = "URI|FILE")]
    sources: Vec<String>,
    /// Wait until everything is downloaded, showing progress
    #[arg(long)]
    wait: bool,
    /// Where the files go, on the server
    #[arg(long, value_name = "DIR")]
    dest: Option<PathBuf>,
    /// Only these files, by their numbers from 0, with commas
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    files: Vec<u32>,
    /// One word for their kind
    #[arg(long, value_name = "WORD")]
    category: Option<String>,
    /// Words to find them by, with commas; may be repeated
    #[arg(long = "tag", value_name = "WORDS", value_delimiter = ',')]
    tags: Vec<String>,
}

/// Adds one after the other; stops at the first that fails.
pub(super) fn run(args: &AddArgs, context: &Context, out: &mut impl Write) -> Result<(), Failure> {
    let options = options(args)?;
    let client = Client::find(context)?;
    let mut added = Vec::new();
    for source in &args.sources {
        let hash = add(&client, source, &options)?;
        if !context.is_json {
            writeln!(out, "added {hash}")?;
            out.flush()?;
        }
        added.push((source.clone(), hash));
    }
    if args.wait {
        let hashes: Vec<&str> = added.iter().map(|(_, hash)| hash.as_str()).collect();
        progress::wait(&client, &hashes, &mut io::stderr())?;
    }
    if context.is_json {
        writeln!(out, "{}", wire::added_json(&added))?;
    }
    Ok(())
}

fn options(args: &AddArgs) -> Result<NewTorrent, Failure> {
    let destination = args.dest.as_ref().map(|path| {
        let absolute = std::path::absolute(path).ok();
        absolute.and_then(|path| path.into_os_string().into_string().ok()).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("`--dest {}` is no usable path", path.display()))
        })
    });
    Ok(NewTorrent {
        save_path: destination.transpose()?,
        files: (!args.files.is_empty()).then(|| args.files.clone()),
        category: args.category.clone(),
        tags: (!args.tags.is_empty()).then(|| args.tags.clone()),
    })
}

fn add(client: &Client, source: &str, options: &NewTorrent) -> Result<String, Failure> {
    let added = match is_uri(source) {
        true => client.add_uri(source, options),
        false => client.add_file(&read_torrent(Path::new(source))?, options),
    };
    // The argument of a magnet link may hold a passkey, but whoever typed it knows it.
    added.map_err(|failure| match failure.exit {
        Exit::Error => Failure::new(failure.exit, format!("{source}: {}", failure.message)),
        _ => failure,
    })
}

/// Whether the server gets the text itself, not the content of the file it names.
fn is_uri(source: &str) -> bool {
    let scheme = source.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("magnet" | "http" | "https" | "file"))
}

fn read_torrent(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |why: &dyn std::fmt::Display| {
        Failure::new(Exit::Error, format!("cannot read the torrent `{}`: {why}", path.display()))
    };
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let mut content = Vec::new();
    file.take(MAX_TORRENT_BYTES + 1)
        .read_to_end(&mut content)
        .map_err(|error| unreadable(&error))?;
    if content.len() as u64 > MAX_TORRENT_BYTES {
        return Err(unreadable(&"it is larger than 10 MiB"));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_a_colon_is_still_a_path() {
        for uri in ["magnet:?xt=urn:btih:00", "HTTPS://example.org/a.torrent", "file:///a"] {
            assert!(is_uri(uri), "{uri}");
        }
        for path in ["a.torrent", "./magnet", "a:b.torrent", "C:x", "/http/x"] {
            assert!(!is_uri(path), "{path}");
        }
    }

    /// Rule F4: nothing larger than the server takes is read into memory.
    #[test]
    fn f4_a_file_that_is_too_large_is_not_sent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big.torrent");
        File::create(&path).unwrap().set_len(MAX_TORRENT_BYTES + 1).unwrap();
        assert!(read_torrent(&path).unwrap_err().message.contains("10 MiB"));
        assert!(read_torrent(&dir.path().join("none")).unwrap_err().message.contains("none"));
    }
}
