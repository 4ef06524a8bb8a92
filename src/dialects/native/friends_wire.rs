//! The JSON of friends and their invitations.

use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;

use crate::dialects::native::account_wire::AccountFigures;
use crate::domain::account::Balance;
use crate::domain::account::ShareBalance;
use crate::domain::share::Friend;
use crate::domain::share::Invite;
use crate::service::friends::Invitation;

/// Whom to let in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FriendBody {
    /// 1 to 64 bytes of text without a slash.
    pub(super) name: String,
    /// For how many seconds from now on; null or absent = for ever.
    #[serde(default)]
    pub(super) valid_s: Option<u64>,
    /// Info-hashes or names of the shares; null or absent = all, also those to come.
    #[serde(default)]
    pub(super) shares: Option<Vec<String>>,
}

/// All friends.
#[derive(Serialize, ToSchema)]
pub(super) struct FriendList {
    /// How many there are.
    pub(super) total: usize,
    /// Each of them.
    pub(super) friends: Vec<FriendRow>,
}

/// A friend in a list.
#[derive(Serialize, ToSchema)]
pub(super) struct FriendRow {
    name: String,
    /// How the key begins.
    key_prefix: String,
    /// Unix seconds.
    made_at: i64,
    /// The last second in which the key lets in, Unix seconds; null = for ever.
    valid_until: Option<i64>,
    /// When the friend was shut out, Unix seconds.
    revoked_at: Option<i64>,
    /// Info-hashes of the shares that the key lets in to; null = all.
    shares: Option<Vec<String>>,
    /// Whether the key lets in now.
    is_good: bool,
    /// What their clients claim, and what was seen of it.
    account: AccountRow,
}

/// What a friend's clients claim in private shares, and what our own client saw of it. A claim is
/// what they tell the tracker; bytes are payload.
#[derive(Serialize, ToSchema)]
pub(super) struct AccountRow {
    /// Bytes they say they sent to anybody.
    claimed_uploaded: u64,
    /// Bytes they say they received from anybody.
    claimed_downloaded: u64,
    /// Bytes that our own client sent to them.
    sent: u64,
    /// Bytes that our own client received from them.
    received: u64,
    /// Claimed bytes sent for each received; null when none was received.
    ratio: Option<f64>,
    /// When they were last heard of, Unix seconds; null = never.
    last_seen_at: Option<i64>,
    /// Info-hashes of the shares that they say they have in full.
    completed_shares: Vec<String>,
    /// Bytes they say they sent and that nobody can have received.
    excess: u64,
    /// Whether there are such bytes. They are no proof of bad will, but of wrong numbers.
    is_marked: bool,
    /// Share by share; null in lists.
    shares: Option<Vec<ShareAccountRow>>,
}

/// An account in one share.
#[derive(Serialize, ToSchema)]
struct ShareAccountRow {
    /// Info-hash of the share, which may have ended.
    share: String,
    #[serde(flatten)]
    figures: AccountFigures,
}

/// A friend that was just added.
#[derive(Serialize, ToSchema)]
pub(super) struct NewFriend {
    name: String,
    /// The whole key: 32 letters and digits.
    key: String,
    /// The last second in which the key lets in, Unix seconds; null = for ever.
    valid_until: Option<i64>,
}

/// To what, and for how long.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InviteBody {
    /// The share's info-hash, or its whole name.
    pub(super) share: String,
    /// For how many seconds the link is good; null or absent = as long as the key is.
    #[serde(default)]
    pub(super) valid_s: Option<u64>,
    /// How often the torrent may be taken by the link; null or absent = any number of times.
    #[serde(default)]
    pub(super) uses: Option<u32>,
}

/// An invitation that was just made.
#[derive(Serialize, ToSchema)]
pub(super) struct NewInvite {
    friend: String,
    /// Info-hash of the share.
    share: String,
    /// The secret part of the links.
    token: String,
    /// Links to the page, the best one first.
    links: Vec<String>,
    /// With the friend's key.
    magnet: String,
    /// With the friend's key, in tiers.
    announce_urls: Vec<Vec<String>>,
    /// The first link as a QR code.
    qr_svg: Option<String>,
    /// The last second in which the link is good, Unix seconds.
    valid_until: Option<i64>,
    /// How often the torrent may be taken.
    uses_left: Option<u32>,
}

/// All links.
#[derive(Serialize, ToSchema)]
pub(super) struct InviteList {
    /// How many there are.
    pub(super) total: usize,
    /// Each of them.
    pub(super) invites: Vec<InviteRow>,
}

/// A link in a list.
#[derive(Serialize, ToSchema)]
pub(super) struct InviteRow {
    /// How its token begins.
    token_prefix: String,
    friend: String,
    /// Info-hash of the share.
    share: String,
    /// Unix seconds.
    made_at: i64,
    /// The last second in which it is good, Unix seconds.
    valid_until: Option<i64>,
    /// How often the torrent may still be taken.
    uses_left: Option<u32>,
    /// Whether it is used up or expired.
    is_over: bool,
}

impl FriendRow {
    /// In a list, or after a change.
    pub(super) fn of(friend: &Friend, balance: &Balance, now_s: i64) -> Self {
        let is_over = friend.valid_until.is_some_and(|last| last < now_s);
        let hex = |shares: &Vec<_>| shares.iter().map(ToString::to_string).collect();
        Self {
            name: friend.name.to_string(),
            key_prefix: friend.key.prefix().to_owned(),
            made_at: friend.made_at,
            valid_until: friend.valid_until,
            revoked_at: friend.revoked_at,
            shares: friend.shares.as_ref().map(hex),
            is_good: !is_over && friend.revoked_at.is_none(),
            account: AccountRow::of(balance),
        }
    }

    /// With the account share by share.
    pub(super) fn in_full(friend: &Friend, balance: &Balance, now_s: i64) -> Self {
        let mut row = Self::of(friend, balance, now_s);
        row.account.shares = Some(balance.shares.iter().map(ShareAccountRow::of).collect());
        row
    }
}

impl AccountRow {
    fn of(balance: &Balance) -> Self {
        Self {
            claimed_uploaded: balance.claimed_up,
            claimed_downloaded: balance.claimed_down,
            sent: balance.sent,
            received: balance.received,
            ratio: balance.ratio(),
            last_seen_at: balance.seen_at,
            completed_shares: balance.complete.iter().map(ToString::to_string).collect(),
            excess: balance.excess,
            is_marked: balance.excess > 0,
            shares: None,
        }
    }
}

impl ShareAccountRow {
    fn of(one: &ShareBalance) -> Self {
        Self { share: one.share.to_string(), figures: AccountFigures::of(one) }
    }
}

impl NewFriend {
    pub(super) fn of(friend: &Friend) -> Self {
        Self {
            name: friend.name.to_string(),
            key: friend.key.as_str().to_owned(),
            valid_until: friend.valid_until,
        }
    }
}

impl NewInvite {
    pub(super) fn of(invitation: &Invitation, qr_svg: Option<String>) -> Self {
        let invite = &invitation.invite;
        Self {
            friend: invite.friend.to_string(),
            share: invite.share.to_string(),
            token: invite.token.as_str().to_owned(),
            links: invitation.links.clone(),
            magnet: invitation.magnet.clone(),
            announce_urls: invitation.announce_urls.clone(),
            qr_svg,
            valid_until: invite.valid_until,
            uses_left: invite.uses_left,
        }
    }
}

impl InviteRow {
    pub(super) fn of(invite: &Invite, now_s: i64) -> Self {
        let is_late = invite.valid_until.is_some_and(|last| last < now_s);
        Self {
            token_prefix: invite.token.prefix().to_owned(),
            friend: invite.friend.to_string(),
            share: invite.share.to_string(),
            made_at: invite.made_at,
            valid_until: invite.valid_until,
            uses_left: invite.uses_left,
            is_over: is_late || invite.uses_left == Some(0),
        }
    }
}
