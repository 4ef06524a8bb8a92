//! What libtorrent counts of a torrent beside what the program itself needs: for metrics.

/// The figures of one torrent. Those that may be unknown are -1 then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TorrentFigures {
    /// Payload received since the process started.
    pub payload_download: i64,
    /// Payload sent since the process started.
    pub payload_upload: i64,
    /// Received, and thrown away since it did not fit its hash.
    pub failed_bytes: i64,
    /// Received, and thrown away since it was there already.
    pub redundant_bytes: i64,
    /// Bytes of all files.
    pub total_bytes: i64,
    /// Bytes/s received, protocol included.
    pub download_rate: i32,
    /// Bytes/s sent, protocol included.
    pub upload_rate: i32,
    /// Share of the current task, in millionths.
    pub progress_ppm: i32,
    /// Known peers that may be dialled.
    pub connect_candidates: i32,
    /// Pieces that are there.
    pub piece_count: i32,
    /// Whole copies among connected peers; -1 unknown.
    pub full_copies: i32,
    /// Thousandths of one more copy; -1 unknown.
    pub copies_fraction: i32,
    /// Bytes of a block; 0 before metadata.
    pub block_size: i32,
    /// Peers that are sent to.
    pub uploads: i32,
    /// Connections, half-open ones too.
    pub connections: i32,
    /// Peers that may be sent to.
    pub uploads_limit: i32,
    /// Connections that there may be.
    pub connections_limit: i32,
    /// Peers that wait for their turn to be sent to.
    pub upload_queue: i32,
    /// Peers that wait for their turn to be received from.
    pub download_queue: i32,
    /// How much a seed is needed; 0 for other torrents.
    pub seed_rank: i32,
    /// libtorrent's number of what it is doing.
    pub state: i32,
    /// Seconds spent with everything that is wanted, running.
    pub finished_s: i64,
}
