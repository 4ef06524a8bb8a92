//! The parts of one torrent: its files, remote trackers, web seeds, peers and pieces.

use std::net::SocketAddr;
use std::net::ToSocketAddrs;
use std::path::Path;
use std::sync::Arc;

use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::utf8_percent_encode;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::domain::metadata::Metadata;
use crate::domain::torrent::Torrent;
use crate::service::fetch_guard::is_public;
use crate::service::torrents::Torrents;
use crate::service::torrents::check_tracker;

/// libtorrent's highest file priority.
const PRIORITY_MAX: u8 = 7;
/// The priority of a file of which nothing was said.
const PRIORITY_NORMAL: u8 = 4;
/// Announce URLs of one torrent.
const TRACKERS_MAX: usize = 256;

impl Torrents {
    /// Gives files of these indices a priority, 0 = not wanted to 7; the others keep theirs.
    ///
    /// # Errors
    /// `NotFound` for a torrent or a file; Invalid; Conflict before the metadata is known.
    pub async fn set_priorities(&self, id: TorrentId, wishes: &[(u32, u8)]) -> Result<()> {
        let torrent = self.get(id)?;
        let metadata = metadata_of(&torrent)?;
        let present = |index| torrent.file_priorities.get(index).copied();
        let mut priorities: Vec<u8> = (0..metadata.files.len())
            .map(|index| present(index).unwrap_or(PRIORITY_NORMAL))
            .collect();
        for (index, priority) in wishes {
            if *priority > PRIORITY_MAX {
                return Err(Error::invalid(format!("a priority is 0 to {PRIORITY_MAX}")));
            }
            file_of(metadata, *index)?;
            priorities[*index as usize] = *priority;
        }
        self.inner.engine.prioritize_files(id, priorities).await?;
        self.inner.engine.save(id).await
    }

    /// Renames a file, below the save path. Nothing that is there already is written over.
    ///
    /// # Errors
    /// `NotFound` for a torrent or a file; Invalid; Forbidden (rule F1); Conflict when something
    /// has the name, or before the metadata is known.
    pub async fn rename_file(&self, id: TorrentId, index: u32, path: &str) -> Result<()> {
        let torrent = self.get(id)?;
        let file = file_of(metadata_of(&torrent)?, index)?;
        if file.path == path {
            return Ok(());
        }
        let (roots, wish) = (self.inner.roots.clone(), path.to_owned());
        let save_path = Arc::clone(&torrent.save_path);
        let check = move || {
            let save_path = Path::new(save_path.as_ref());
            roots.check_files(save_path, [wish.as_str()].into_iter())?;
            match save_path.join(&wish).symlink_metadata() {
                Ok(_) => Err(Error::conflict(format!("`{wish}` is there already"))),
                Err(_) => Ok(()),
            }
        };
        let checked = tokio::task::spawn_blocking(check).await;
        checked.map_err(|_| Error::internal("looking at a path panicked"))??;
        self.inner.engine.rename_file(id, index, path.to_owned()).await?;
        self.inner.engine.save(id).await
    }

    /// Has these announce URLs and no others, each in its tier. Refused for private torrents
    /// (rule F10).
    ///
    /// # Errors
    /// `NotFound`; Invalid; Forbidden.
    pub async fn replace_trackers(&self, id: TorrentId, trackers: Vec<(String, u8)>) -> Result<()> {
        refuse_private(&*self.get(id)?, "trackers")?;
        if trackers.len() > TRACKERS_MAX {
            return Err(Error::invalid(format!("a torrent has at most {TRACKERS_MAX} trackers")));
        }
        trackers.iter().try_for_each(|(url, _)| check_tracker(url))?;
        self.inner.engine.replace_trackers(id, trackers).await?;
        self.inner.engine.save(id).await
    }

    /// Announces now to every tracker.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn announce(&self, id: TorrentId) -> Result<()> {
        self.get(id)?;
        self.inner.engine.reannounce(id, String::new()).await
    }

    /// The URLs of web servers that have the files.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn web_seeds(&self, id: TorrentId) -> Result<Vec<String>> {
        self.get(id)?;
        self.inner.engine.web_seeds(id).await
    }

    /// Adds the URL of a web server that has the files; one in a private network only for a
    /// torrent that was made here (rule F7).
    ///
    /// # Errors
    /// `NotFound`; Invalid; Forbidden.
    pub async fn add_web_seed(&self, id: TorrentId, url: &str) -> Result<()> {
        self.get(id)?;
        let made_here = self.options(id).is_some_and(|options| options.made_here);
        let parsed = url::Url::parse(url).ok().filter(|url| url.scheme().starts_with("http"));
        let parsed = parsed
            .ok_or_else(|| Error::invalid("a web seed's URL begins with http:// or https://"))?;
        if !made_here {
            let checked = tokio::task::spawn_blocking(move || check_public(&parsed)).await;
            checked.map_err(|_| Error::internal("looking up a host panicked"))??;
        }
        self.inner.engine.add_web_seed(id, url.to_owned()).await?;
        self.inner.engine.save(id).await
    }

    /// Removes the URL of a web server.
    ///
    /// # Errors
    /// `NotFound`, also when it is not there; Busy.
    pub async fn remove_web_seed(&self, id: TorrentId, url: &str) -> Result<()> {
        if !self.web_seeds(id).await?.iter().any(|known| known == url) {
            return Err(Error::not_found("the torrent has no such web seed"));
        }
        self.inner.engine.remove_web_seed(id, url.to_owned()).await?;
        self.inner.engine.save(id).await
    }

    /// Connects to a peer that somebody names. Refused for private torrents (rule F10).
    ///
    /// # Errors
    /// `NotFound`; Invalid; Forbidden; Busy.
    pub async fn connect(&self, id: TorrentId, peer: SocketAddr) -> Result<()> {
        refuse_private(&*self.get(id)?, "peers")?;
        self.inner.engine.connect_peer(id, peer).await
    }

    /// How many connected peers have each piece; empty while it seeds.
    ///
    /// # Errors
    /// `NotFound`; Busy.
    pub async fn piece_availability(&self, id: TorrentId) -> Result<Vec<u32>> {
        self.get(id)?;
        self.inner.engine.piece_availability(id).await
    }
}

/// The magnet link of a torrent, with its trackers (BEP 9).
pub fn magnet_of(torrent: &Torrent) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let v1 = torrent.hashes.v1().map(|v1| format!("xt=urn:btih:{v1}"));
    let v2 = torrent.hashes.v2().map(|v2| format!("xt=urn:btmh:1220{v2}"));
    let name = Some(format!("dn={}", encoded(&torrent.name)));
    let trackers = torrent.trackers.iter().map(|tracker| format!("tr={}", encoded(&tracker.url)));
    let parts: Vec<String> = [v1, v2, name].into_iter().flatten().chain(trackers).collect();
    format!("magnet:?{}", parts.join("&"))
}

fn metadata_of(torrent: &Torrent) -> Result<&Metadata> {
    let metadata = torrent.metadata.as_deref();
    metadata.ok_or_else(|| Error::conflict("the files are not known before the metadata is"))
}

fn file_of(metadata: &Metadata, index: u32) -> Result<&crate::domain::metadata::File> {
    let file = metadata.files.get(index as usize).filter(|file| !file.is_padding);
    file.ok_or_else(|| Error::not_found(format!("there is no file {index}")))
}

fn refuse_private(torrent: &Torrent, what: &str) -> Result<()> {
    let is_private = torrent.metadata.as_ref().is_some_and(|metadata| metadata.is_private);
    if is_private {
        return Err(Error::forbidden(format!("a private torrent keeps the {what} it came with")));
    }
    Ok(())
}

/// Every address of the host must be one of the public Internet. Asks the system's resolver.
fn check_public(url: &url::Url) -> Result<()> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(80);
    let addresses = (host, port).to_socket_addrs();
    let mut addresses =
        addresses.map_err(|_| Error::invalid("the host of this URL has no address"))?;
    match addresses.all(|address| is_public(address.ip())) {
        true => Ok(()),
        false => Err(Error::forbidden("web seeds in private networks are refused")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule F7.
    #[test]
    fn f7_private_hosts_are_no_web_seeds() {
        for url in [
            "http://127.0.0.1/a",
            "http://[::1]:8080/",
            "http://192.168.1.1/",
            "http://169.254.169.254/",
        ] {
            let refusal = check_public(&url.parse().unwrap()).unwrap_err();
            assert_eq!(refusal.kind(), crate::domain::error::ErrorKind::Forbidden, "{url}");
        }
        assert!(check_public(&"http://1.1.1.1/a".parse().unwrap()).is_ok());
    }
}
