//! The JSON of shares and friends between the command line and the server.

use serde::Deserialize;
use serde_json::json;

use crate::app::cli::native_wire::shown_json;
use crate::app::cli::sharing::share::ShareArgs;

/// A share in the making.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Job {
    pub(super) number: u64,
    pub(super) state: String,
    pub(super) pieces_done: u32,
    pub(super) pieces: u32,
    pub(super) info_hash: Option<String>,
    pub(super) error: Option<String>,
    pub(super) hashed_bytes: u64,
}

/// A share.
#[derive(Debug, Deserialize)]
pub(super) struct ShareRow {
    pub(super) info_hash: String,
    pub(super) name: String,
    pub(super) size_bytes: u64,
    pub(super) file_count: usize,
    pub(super) public: bool,
    pub(super) members_only: bool,
    pub(super) seeders: u32,
    pub(super) leechers: u32,
    pub(super) announce_urls: Vec<Vec<String>>,
    pub(super) magnet: String,
    pub(super) state: String,
    pub(super) change: Option<String>,
    pub(super) changed_files: Vec<ChangedFile>,
    pub(super) changed_count: usize,
}

/// A file of a share that is not as it was.
#[derive(Debug, Deserialize)]
pub(super) struct ChangedFile {
    pub(super) path: String,
    pub(super) change: String,
}

#[derive(Deserialize)]
struct Shares {
    shares: Vec<ShareRow>,
}

/// A friend in the list.
#[derive(Debug, Deserialize)]
pub(super) struct FriendRow {
    pub(super) name: String,
    pub(super) key_prefix: String,
    pub(super) valid_until: Option<i64>,
    pub(super) revoked_at: Option<i64>,
    pub(super) shares: Option<Vec<String>>,
    pub(super) account: AccountRow,
}

/// What a friend's clients claim, and what the server's client saw of it.
#[derive(Debug, Deserialize)]
pub(super) struct AccountRow {
    pub(super) claimed_uploaded: u64,
    pub(super) claimed_downloaded: u64,
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) ratio: Option<f64>,
    pub(super) last_seen_at: Option<i64>,
    pub(super) completed_shares: Vec<String>,
    pub(super) excess: u64,
    pub(super) shares: Option<Vec<ShareAccountRow>>,
}

/// The same for one share.
#[derive(Debug, Deserialize)]
pub(super) struct ShareAccountRow {
    pub(super) share: String,
    pub(super) claimed_uploaded: u64,
    pub(super) claimed_downloaded: u64,
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) is_complete: bool,
    pub(super) excess: u64,
}

#[derive(Deserialize)]
struct Friends {
    friends: Vec<FriendRow>,
}

/// An invitation that was just made.
#[derive(Debug, Deserialize)]
pub(super) struct Invitation {
    pub(super) share: String,
    pub(super) links: Vec<String>,
    pub(super) magnet: String,
}

/// The body of `POST /v1/shares`.
pub(super) fn share_body(path: &str, args: &ShareArgs) -> String {
    json!({
        "path": path,
        "name": args.name(),
        "format": args.format(),
        "piece_bytes": args.piece_size(),
        "public": args.is_public(),
        "members_only": args.is_members_only(),
        "comment": args.comment(),
        "skip": args.skip(),
    })
    .to_string()
}

/// The body of `POST /v1/friends`.
pub(super) fn friend_body(name: &str, valid_s: Option<u64>, shares: Option<&[String]>) -> String {
    json!({ "name": name, "valid_s": valid_s, "shares": shares }).to_string()
}

/// The body of `POST /v1/friends/NAME/invites`.
pub(super) fn invite_body(share: &str, valid_s: Option<u64>, uses: Option<u32>) -> String {
    json!({ "share": share, "valid_s": valid_s, "uses": uses }).to_string()
}

/// A share in the making.
pub(super) fn job(body: &[u8]) -> Option<Job> {
    serde_json::from_slice(body).ok()
}

/// One share.
pub(super) fn share(body: &[u8]) -> Option<ShareRow> {
    serde_json::from_slice(body).ok()
}

/// All shares.
pub(super) fn shares(body: &[u8]) -> Option<Vec<ShareRow>> {
    serde_json::from_slice::<Shares>(body).ok().map(|list| list.shares)
}

/// All friends.
pub(super) fn friends(body: &[u8]) -> Option<Vec<FriendRow>> {
    serde_json::from_slice::<Friends>(body).ok().map(|list| list.friends)
}

/// One friend.
pub(super) fn friend(body: &[u8]) -> Option<FriendRow> {
    serde_json::from_slice(body).ok()
}

/// An invitation that was just made.
pub(super) fn invitation(body: &[u8]) -> Option<Invitation> {
    serde_json::from_slice(body).ok()
}

/// An answer of the server as it is, for people and programs.
pub(super) fn pretty(body: &[u8]) -> String {
    shown_json(body).unwrap_or_default()
}
