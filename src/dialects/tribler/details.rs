//! What a list shows only on request: peers, pieces, files.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::dialects::tribler::wire::FileRow;
use crate::dialects::tribler::wire::Number;
use crate::dialects::tribler::wire::PeerRow;
use crate::domain::hash::TorrentId;
use crate::domain::metadata::File;
use crate::domain::metadata::Metadata;
use crate::domain::peer::Peer;
use crate::domain::torrent::Torrent;

/// The files but for padding; none before the metadata.
pub(super) fn files(torrent: &Torrent) -> Vec<FileRow<'_>> {
    let Some(metadata) = &torrent.metadata else {
        return Vec::new();
    };
    visible(metadata).map(|(index, file)| row(torrent, metadata, index, file)).collect()
}

/// Index, name and size of each file that is shown.
pub(super) fn named_files(metadata: &Metadata) -> impl Iterator<Item = (usize, &str, u64)> {
    visible(metadata).map(|(index, file)| (index, shown_name(metadata, file), file.size_bytes))
}

fn visible(metadata: &Metadata) -> impl Iterator<Item = (usize, &File)> {
    metadata.files.iter().enumerate().filter(|(_, file)| !file.is_padding)
}

fn row<'a>(torrent: &Torrent, metadata: &Metadata, index: usize, file: &'a File) -> FileRow<'a> {
    FileRow {
        index,
        name: shown_name(metadata, file),
        size: file.size_bytes,
        included: torrent.wants_file(index),
        progress: progress(torrent, metadata, file),
    }
}

/// The path without the torrent's top folder.
fn shown_name<'a>(metadata: &Metadata, file: &'a File) -> &'a str {
    match file.path.split_once('/') {
        Some((_, rest)) if metadata.has_folder => rest,
        _ => &file.path,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn progress(torrent: &Torrent, metadata: &Metadata, file: &File) -> Number {
    if file.size_bytes == 0 {
        return Number::Real(1.0);
    }
    let verified = metadata.verified_bytes(file, &torrent.pieces);
    Number::Real(verified as f64 / file.size_bytes as f64)
}

/// The bitmap of pieces, most significant bit first, in base64.
pub(super) fn pieces(torrent: &Torrent) -> String {
    STANDARD.encode(torrent.pieces.as_bytes())
}

/// A connected peer. The engine does not say whether requests wait (`uhasqueries`, `uflushed`), so
/// a peer that is being sent to counts as one.
pub(super) fn peer(peer: &Peer) -> PeerRow<'_> {
    let state = &peer.state;
    PeerRow {
        id: TorrentId(peer.id),
        extended_version: &peer.client,
        ip: peer.address.ip(),
        port: peer.address.port(),
        optimistic: state.is_optimistic,
        direction: if state.is_outgoing { "L" } else { "R" },
        uprate: peer.upload_rate,
        uinterested: state.is_interested,
        uchoked: state.we_choke,
        uhasqueries: peer.upload_rate > 0,
        uflushed: peer.upload_rate > 0,
        downrate: peer.download_rate,
        dinterested: state.we_are_interested,
        dchoked: state.chokes_us,
        snubbed: state.is_snubbed,
        utotal: peer.uploaded_bytes,
        dtotal: peer.downloaded_bytes,
        completed: if peer.progress.is_finite() { peer.progress } else { 0.0 },
        speed: 0,
        connection_type: peer.connection_kind,
        seed: state.is_seed,
        upload_only: state.is_upload_only,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::dialects::tribler::json;
    use crate::domain::bitfield::Bitfield;
    use crate::domain::hash::InfoHashes;
    use crate::domain::hash::Sha1Hash;
    use crate::domain::peer::PeerDetails;
    use crate::domain::peer::PeerState;
    use crate::domain::torrent::Status;

    fn file(path: &str, offset_bytes: u64, size_bytes: u64, is_padding: bool) -> File {
        File { path: path.into(), size_bytes, offset_bytes, is_padding }
    }

    fn torrent(metadata: Option<Metadata>) -> Torrent {
        let hashes = InfoHashes::new(Some(Sha1Hash([1; 20])), None).unwrap();
        Torrent {
            id: hashes.id(),
            hashes,
            session: "default".into(),
            name: "t".into(),
            save_path: "/srv".into(),
            metadata: metadata.map(Arc::new),
            file_priorities: Arc::new([4, 0, 0, 7]),
            pieces: Arc::new(Bitfield::from_bytes(vec![0b1010_0000], 3)),
            trackers: Arc::new([]),
            status: Status::default(),
            revision: 1,
        }
    }

    fn shown(torrent: &Torrent) -> String {
        String::from_utf8(json::text(&files(torrent))).unwrap()
    }

    #[test]
    fn files_are_named_below_the_folder_and_padding_is_hidden() {
        let metadata = Metadata {
            files: vec![
                file("t/dir/a.mp4", 0, 10, false),
                file("t/b", 10, 10, false),
                file("t/.pad/10", 20, 0, true),
                file("t/empty", 20, 0, false),
            ],
            piece_length: 8,
            piece_count: 3,
            total_bytes: 20,
            has_folder: true,
            ..Metadata::default()
        };
        assert_eq!(
            shown(&torrent(Some(metadata))),
            concat!(
                r#"[{"index": 0, "name": "dir/a.mp4", "size": 10, "included": true, "progress": 0.8}, "#,
                r#"{"index": 1, "name": "b", "size": 10, "included": false, "progress": 0.4}, "#,
                r#"{"index": 3, "name": "empty", "size": 0, "included": true, "progress": 1.0}]"#
            )
        );
    }

    #[test]
    fn a_single_file_keeps_its_name_and_no_metadata_is_no_files() {
        let metadata = Metadata {
            files: vec![file("a.bin", 0, 24, false)],
            piece_length: 8,
            piece_count: 3,
            total_bytes: 24,
            ..Metadata::default()
        };
        assert!(shown(&torrent(Some(metadata))).contains(r#""name": "a.bin""#));
        assert_eq!(shown(&torrent(None)), "[]");
        assert_eq!(pieces(&torrent(None)), "oA==");
    }

    #[test]
    fn a_peer_has_the_members_of_the_contract() {
        let one = Peer {
            address: "[2001:db8::1]:6881".parse().unwrap(),
            id: [0xcd; 20],
            client: "x".into(),
            progress: 0.5,
            download_rate: 7,
            upload_rate: 0,
            downloaded_bytes: 1,
            uploaded_bytes: 2,
            source: 0,
            flags: 0,
            connection_kind: 0,
            state: PeerState { is_outgoing: true, chokes_us: true, ..PeerState::default() },
            details: PeerDetails::default(),
        };
        let row: serde_json::Value = serde_json::from_slice(&json::text(&peer(&one))).unwrap();
        let names: Vec<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "id",
                "extended_version",
                "ip",
                "port",
                "optimistic",
                "direction",
                "uprate",
                "uinterested",
                "uchoked",
                "uhasqueries",
                "uflushed",
                "downrate",
                "dinterested",
                "dchoked",
                "snubbed",
                "utotal",
                "dtotal",
                "completed",
                "speed",
                "connection_type",
                "seed",
                "upload_only",
            ]
        );
        assert_eq!((&row["id"], &row["ip"]), (&"cd".repeat(20).into(), &"2001:db8::1".into()));
        assert_eq!((&row["direction"], &row["dchoked"]), (&"L".into(), &true.into()));
    }
}
