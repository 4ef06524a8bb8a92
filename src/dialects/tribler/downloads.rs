//! What is there: the list, the files of one download, its torrent file.

use std::sync::Arc;

use crate::dialects::tribler::Generation;
use crate::dialects::tribler::Tribler;
use crate::dialects::tribler::details;
use crate::dialects::tribler::errors::Refusal;
use crate::dialects::tribler::json;
use crate::dialects::tribler::json_reply;
use crate::dialects::tribler::listing::ListKey;
use crate::dialects::tribler::listing::Listed;
use crate::dialects::tribler::listing::mark_of;
use crate::dialects::tribler::row;
use crate::dialects::tribler::row::Around;
use crate::dialects::tribler::wire::Checkpoints;
use crate::dialects::tribler::wire::FilesAnswer;
use crate::domain::hash::TorrentId;
use crate::domain::peer::Peer;
use crate::domain::torrent::Torrent;
use crate::http::Call;
use crate::http::Reply;
use crate::service::settings::SessionFacts;
use crate::service::stream_plan::StreamProgress;
use crate::service::torrents::TorrentOptions;

/// What a list should show beyond the usual.
struct Wish {
    has_peers: bool,
    has_pieces: bool,
    has_files: bool,
    /// The extra detail only for this one.
    only: Option<String>,
    /// Left out.
    excluded: Option<String>,
}

impl Wish {
    fn of(call: &Call) -> Self {
        // `true` is off in the original although it declares booleans; both are accepted here.
        let is_on = |name| matches!(call.query(name), Some("1" | "true"));
        let hash = |name| call.query(name).map(str::to_ascii_lowercase);
        Self {
            has_peers: is_on("get_peers"),
            has_pieces: is_on("get_pieces"),
            has_files: is_on("get_files"),
            only: hash("infohash"),
            excluded: hash("excluded"),
        }
    }

    fn is_plain(&self) -> bool {
        !(self.has_peers || self.has_pieces || self.has_files || self.excluded.is_some())
    }

    fn is_detailed(&self, torrent: &Torrent) -> bool {
        self.only.as_ref().is_none_or(|only| is_named(torrent, only))
    }
}

impl Tribler {
    /// `GET /downloads`
    pub(super) async fn list(&self, generation: Generation, call: &Call) -> Result<Reply, Refusal> {
        let wish = Wish::of(call);
        let loading = self.services.torrents.load_progress();
        let is_hidden = generation == Generation::Seven && loading.1 < loading.0;
        let body = match (is_hidden, wish.is_plain()) {
            (true, _) => [b"{\"downloads\": []".as_slice(), &tail(loading)].concat().into(),
            (false, true) => self.plain_list(generation, loading),
            (false, false) => self.detailed_list(generation, loading, &wish).await?.into(),
        };
        Ok(json_reply(body))
    }

    fn plain_list(&self, generation: Generation, loading: (usize, usize)) -> bytes::Bytes {
        let torrents = &self.services.torrents;
        // Read before the torrents: a change in between makes the text look older than it is.
        let key = ListKey {
            torrents: torrents.revision(),
            streams: self.services.files.revision(),
            loading,
            facts: self.services.settings.facts(),
        };
        self.listings.of(generation, key).unwrap_or_else(|| {
            let list = torrents.list();
            let rows = list.iter().map(|torrent| self.entry(generation, key.facts, torrent));
            self.listings.render(generation, key, rows, &tail(loading))
        })
    }

    fn entry<'a>(
        &'a self,
        generation: Generation,
        facts: SessionFacts,
        torrent: &'a Torrent,
    ) -> Entry<'a> {
        let options = self.services.torrents.options(torrent.id).unwrap_or_default();
        let stream = self.services.files.progress(torrent);
        Entry { tribler: self, facts, generation, torrent, options, stream }
    }

    async fn detailed_list(
        &self,
        generation: Generation,
        loading: (usize, usize),
        wish: &Wish,
    ) -> Result<Vec<u8>, Refusal> {
        let facts = self.services.settings.facts();
        let mut body = b"{\"downloads\": [".to_vec();
        let empty = body.len();
        for torrent in self.services.torrents.list() {
            if wish.excluded.as_ref().is_some_and(|excluded| is_named(&torrent, excluded)) {
                continue;
            }
            if body.len() > empty {
                body.extend_from_slice(b", ");
            }
            let peers = self.peers(&torrent, wish).await;
            let entry = self.entry(generation, facts, &torrent);
            append_detailed(&mut body, &entry, wish, peers.as_deref());
        }
        body.push(b']');
        body.extend_from_slice(&tail(loading));
        Ok(body)
    }

    /// The peers, if asked for. A torrent without connections is not worth a question, and one
    /// that vanished meanwhile has none.
    async fn peers(&self, torrent: &Torrent, wish: &Wish) -> Option<Arc<[Peer]>> {
        if !wish.has_peers || !wish.is_detailed(torrent) {
            return None;
        }
        if torrent.status.connected_peers == 0 {
            return Some(Arc::new([]));
        }
        Some(self.services.torrents.peers(torrent.id).await.unwrap_or_else(|_| Arc::new([])))
    }

    /// `GET /downloads/{infohash}/files`
    pub(super) fn files(&self, generation: Generation, hash: &str) -> Result<Reply, Refusal> {
        let torrent = self.find(hash)?;
        let infohash = (generation == Generation::Eight).then(|| torrent.id.to_string());
        let answer = FilesAnswer { infohash, files: details::files(&torrent) };
        Ok(json_reply(json::text(&answer)))
    }

    /// `GET /downloads/{infohash}/torrent`
    pub(super) async fn torrent_file(&self, hash: &str) -> Result<Reply, Refusal> {
        let id = self.find(hash)?.id;
        let file = self.services.torrents.torrent_file(id).await?;
        let disposition = format!("attachment; filename={id}.torrent");
        Ok(Reply::new(200)
            .header("content-type", "application/x-bittorrent")
            .header("content-disposition", &disposition)
            .bytes(file))
    }
}

fn append_detailed(body: &mut Vec<u8>, entry: &Entry<'_>, wish: &Wish, peers: Option<&[Peer]>) {
    let (torrent, around) = (entry.torrent, entry.around());
    let mut row = row::download(torrent, &around);
    row.peers = peers.map(|peers| peers.iter().map(details::peer).collect());
    if wish.is_detailed(torrent) {
        row.pieces = wish.has_pieces.then(|| details::pieces(torrent));
        row.files = wish.has_files.then(|| details::files(torrent));
    }
    json::append(body, &row);
}

/// A torrent on its way into the list.
struct Entry<'a> {
    tribler: &'a Tribler,
    facts: SessionFacts,
    generation: Generation,
    torrent: &'a Torrent,
    options: TorrentOptions,
    stream: Option<StreamProgress>,
}

impl Entry<'_> {
    fn around(&self) -> Around<'_> {
        Around {
            generation: self.generation,
            facts: self.facts,
            options: &self.options,
            stream: self.stream,
        }
    }
}

impl Listed for Entry<'_> {
    fn id(&self) -> TorrentId {
        self.torrent.id
    }

    fn mark(&self) -> u64 {
        let options = &self.options;
        // The progress of a stream follows from the pieces, which the torrent's revision covers.
        mark_of((
            self.torrent.revision,
            self.facts,
            self.stream.is_some(),
            self.stream.map(|_| self.tribler.services.files.revision()),
            (options.is_stopped, options.anon_hops, options.safe_seeding),
            (&options.completed_dir, options.seed_ratio),
        ))
    }

    fn write(&self, out: &mut Vec<u8>) {
        json::append(out, &row::download(self.torrent, &self.around()));
    }
}

fn is_named(torrent: &Torrent, hash: &str) -> bool {
    hash.parse().is_ok_and(|hash| torrent.hashes.matches(&hash))
}

/// What follows the array of downloads.
fn tail((total, loaded): (usize, usize)) -> Vec<u8> {
    let mut tail = b", \"checkpoints\": ".to_vec();
    json::append(&mut tail, &Checkpoints { total, loaded, all_loaded: loaded >= total });
    tail.push(b'}');
    tail
}
