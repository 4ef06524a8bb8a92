//! What is asked about single torrents: files, peers, remote trackers, properties.

use crate::dialects::porla::Porla;
use crate::dialects::porla::errors::Failure;
use crate::dialects::porla::json::Object;
use crate::dialects::porla::json::Outcome;
use crate::dialects::porla::json::Params;
use crate::dialects::porla::json::answer;
use crate::dialects::porla::torrents_wire::Announce;
use crate::dialects::porla::torrents_wire::ByHash;
use crate::dialects::porla::torrents_wire::Endpoint;
use crate::dialects::porla::torrents_wire::File;
use crate::dialects::porla::torrents_wire::FileProgress;
use crate::dialects::porla::torrents_wire::Files;
use crate::dialects::porla::torrents_wire::MetadataList;
use crate::dialects::porla::torrents_wire::Peer;
use crate::dialects::porla::torrents_wire::Peers;
use crate::dialects::porla::torrents_wire::Pieces;
use crate::dialects::porla::torrents_wire::Priorities;
use crate::dialects::porla::torrents_wire::Properties;
use crate::dialects::porla::torrents_wire::Tracker;
use crate::dialects::porla::torrents_wire::TrackerEndpoint;
use crate::dialects::porla::torrents_wire::Trackers;
use crate::domain::metadata;
use crate::domain::metadata::Metadata;
use crate::domain::peer;
use crate::domain::torrent::Torrent;
use crate::domain::tracker_report::AnnounceReport;
use crate::domain::tracker_report::TrackerReport;

/// Bytes of a block, the unit of v2's hash trees (BEP 52).
const BLOCK_BYTES: u64 = 16 << 10;
/// The priority of a file of which nothing was said.
const USUAL: u8 = 4;

impl Porla {
    pub(super) async fn files(&self, params: Params) -> Outcome {
        let wish: ByHash = params.read()?;
        let torrent = self.find(&wish.info_hash)?;
        let metadata = metadata_of(&torrent)?;
        let flags = self.services.torrents.file_flags(torrent.id).await?;
        let rows = metadata.files.iter().enumerate().map(|(index, one)| {
            let flags = flags.get(index).copied().unwrap_or_default();
            file(&torrent, metadata, one, flags)
        });
        answer(&Files { files: rows.collect() })
    }

    pub(super) async fn priorities(&self, params: Params) -> Outcome {
        let wish: ByHash = params.read()?;
        let torrent = self.find(&wish.info_hash)?;
        let count = metadata_of(&torrent)?.files.len();
        let known = &torrent.file_priorities;
        let priority = |index: usize| known.get(index).copied().unwrap_or(USUAL);
        answer(&Priorities { priorities: (0..count).map(priority).collect() })
    }

    pub(super) async fn file_progress(&self, params: Params) -> Outcome {
        let wish: ByHash = params.read()?;
        let torrent = self.find(&wish.info_hash)?;
        let metadata = metadata_of(&torrent)?;
        let done = metadata.files.iter().map(|one| metadata.verified_bytes(one, &torrent.pieces));
        answer(&FileProgress { progress: done.collect() })
    }

    pub(super) async fn pieces(&self, params: Params) -> Outcome {
        let wish: ByHash = params.read()?;
        let torrent = self.find(&wish.info_hash)?;
        let count = metadata_of(&torrent)?.piece_count;
        let pieces = (0..count).map(|piece| u8::from(torrent.pieces.has(piece))).collect();
        answer(&Pieces { pieces })
    }

    pub(super) async fn metadata(&self, params: Params) -> Outcome {
        let wish: ByHash = params.read()?;
        let labels = self.services.labels.get(self.find(&wish.info_hash)?.id);
        answer(&MetadataList { metadata: Object::from_text(&labels.metadata) })
    }

    pub(super) async fn properties(&self, params: Params) -> Outcome {
        let wish: ByHash = params.read()?;
        let id = self.find(&wish.info_hash)?.id;
        let found = self.services.torrents.properties(id).await?;
        answer(&Properties {
            download_limit: found.download_limit,
            flags: found.flags.each().collect(),
            max_connections: found.max_connections,
            max_uploads: found.max_uploads,
            upload_limit: found.upload_limit,
        })
    }

    pub(super) async fn peers(&self, params: Params) -> Outcome {
        let wish: ByHash = params.read()?;
        let id = self.find(&wish.info_hash)?.id;
        let peers = self.services.torrents.peers(id).await?;
        answer(&Peers { peers: peers.iter().map(peer).collect() })
    }

    pub(super) async fn trackers(&self, params: Params) -> Outcome {
        let wish: ByHash = params.read()?;
        let id = self.find(&wish.info_hash)?.id;
        let reports = self.services.torrents.tracker_reports(id).await?;
        answer(&Trackers { trackers: reports.iter().map(tracker).collect() })
    }
}

fn metadata_of(torrent: &Torrent) -> Result<&Metadata, Failure> {
    torrent.metadata.as_deref().ok_or_else(|| Failure::of(-2, "Failed to lock torrent file"))
}

fn file<'a>(
    torrent: &Torrent,
    metadata: &Metadata,
    from: &'a metadata::File,
    flags: u8,
) -> File<'a> {
    let num_pieces = from.size_bytes.div_ceil(u64::from(metadata.piece_length.max(1)));
    let num_blocks = from.size_bytes.div_ceil(BLOCK_BYTES);
    File {
        absolute_path: format!("{}/{}", torrent.save_path.trim_end_matches('/'), from.path),
        first_block_node: first_leaf(num_blocks),
        first_piece_node: first_leaf(num_pieces),
        flags: flags | u8::from(from.is_padding),
        name: from.path.rsplit('/').next().unwrap_or_default(),
        num_blocks,
        num_pieces,
        offset: from.offset_bytes,
        path: &from.path,
        size: from.size_bytes,
    }
}

/// The number of the first leaf in a hash tree with so many: the nodes above it come before it.
fn first_leaf(leaves: u64) -> u64 {
    leaves.max(1).next_power_of_two() - 1
}

fn peer(from: &peer::Peer) -> Peer<'_> {
    let details = &from.details;
    Peer {
        busy_requests: details.busy_requests,
        client: &from.client,
        // libtorrent's flags: 1 BitTorrent, 2 web seed, 4 http seed.
        connection_type: 1 << from.connection_kind.min(2),
        down_speed: details.download_rate,
        download_queue_length: details.queue_length,
        download_queue_time: details.queue_s,
        flags: from.flags,
        ip: Endpoint::of(from.address),
        last_active: details.last_active_s,
        last_request: details.last_request_s,
        local_endpoint: details.local.map_or_else(|| Endpoint::new("", 0), Endpoint::of),
        progress: f64::from(from.progress),
        rtt: details.rtt_ms,
        source: from.source,
        total_download: from.downloaded_bytes,
        total_upload: from.uploaded_bytes,
        up_speed: details.upload_rate,
    }
}

fn tracker(from: &TrackerReport) -> Tracker<'_> {
    let endpoints = from.endpoints.iter().map(|endpoint| TrackerEndpoint {
        enabled: endpoint.is_enabled,
        info_hashes: [announce(&endpoint.by_version[0]), announce(&endpoint.by_version[1])],
        local_endpoint: Endpoint::new(&endpoint.ip, endpoint.port),
    });
    Tracker {
        endpoints: endpoints.collect(),
        fail_limit: from.fail_limit,
        source: from.source,
        tier: from.tier,
        trackerid: &from.tracker_id,
        url: &from.url,
        verified: from.is_verified,
    }
}

fn announce(from: &AnnounceReport) -> Announce<'_> {
    Announce {
        complete_sent: from.complete_sent,
        fails: from.fails,
        last_error: from.last_error.as_deref(),
        message: &from.message,
        min_announce: from.min_announce,
        next_announce: from.next_announce,
        scrape_complete: from.scrape_complete,
        scrape_downloaded: from.scrape_downloaded,
        scrape_incomplete: from.scrape_incomplete,
        start_sent: from.start_sent,
        updating: from.is_updating,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tracker_report;

    /// Section 5, to the byte.
    #[test]
    fn a_tracker_is_told_as_in_the_contract() {
        let told = AnnounceReport {
            next_announce: 5512,
            min_announce: 5512,
            scrape_complete: 3,
            scrape_incomplete: 1,
            start_sent: true,
            ..AnnounceReport::default()
        };
        let endpoint = tracker_report::TrackerEndpoint {
            ip: "192.0.2.10".into(),
            port: 6881,
            is_enabled: true,
            by_version: [told, AnnounceReport::default()],
        };
        let report = TrackerReport {
            url: "http://192.0.2.1:7070/announce".into(),
            source: 1,
            is_verified: true,
            endpoints: vec![endpoint],
            ..TrackerReport::default()
        };
        let result = answer(&Trackers { trackers: vec![tracker(&report)] });
        let id = crate::dialects::porla::json::Request::read(b"{\"id\":1,\"method\":\"x\"}");
        let id = id.unwrap_or_else(|_| panic!("a request")).into_parts().0;
        let text = crate::dialects::porla::json::success(&id, &result.unwrap_or_else(|_| panic!()));
        let expected = concat!(
            r#"{"id":1,"jsonrpc":"2.0","result":{"trackers":[{"endpoints":[{"enabled":true,"#,
            r#""info_hashes":[{"complete_sent":false,"fails":0,"last_error":null,"message":"","#,
            r#""min_announce":5512,"next_announce":5512,"scrape_complete":3,"#,
            r#""scrape_downloaded":-1,"scrape_incomplete":1,"start_sent":true,"updating":false},"#,
            r#"{"complete_sent":false,"fails":0,"last_error":null,"message":"","#,
            r#""min_announce":-2147483648,"next_announce":-2147483648,"scrape_complete":-1,"#,
            r#""scrape_downloaded":-1,"scrape_incomplete":-1,"start_sent":false,"#,
            r#""updating":false}],"local_endpoint":["192.0.2.10",6881]}],"fail_limit":0,"#,
            r#""source":1,"tier":0,"trackerid":"","url":"http://192.0.2.1:7070/announce","#,
            r#""verified":true}]}}"#,
        );
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn trees_begin_where_libtorrent_says() {
        assert_eq!([0, 1, 2, 3, 4, 5].map(first_leaf), [0, 0, 1, 3, 3, 7]);
    }
}
