//! Shares and friends at the start: what was kept of them, before the first peer comes.

use crate::app::config_tracker::TrackerConfig;
use crate::app::state_dir::Addresses;
use crate::domain::account::Account;
use crate::domain::account::AccountId;
use crate::domain::error::Result;
use crate::domain::share::Friend;
use crate::domain::share::Invite;
use crate::domain::share::Share;
use crate::domain::share::ShareWish;
use crate::engine::Engine;
use crate::service::accounts::Accounts;
use crate::service::accounts::EndedLinks;
use crate::service::authoring::Authoring;
use crate::service::friends::Friends;
use crate::service::members::Members;
use crate::service::reach::Reach;
use crate::service::share_jobs::ShareJobs;
use crate::service::shares::Shares;
use crate::service::torrents::Torrents;
use crate::store::Opened;
use crate::store::Store;
use crate::tracker::Tracker;

/// What was kept.
pub(crate) struct Sharing {
    pub(crate) members: Members,
    shares: Vec<Share>,
    friends: Vec<Friend>,
    invites: Vec<Invite>,
    jobs: Vec<(u64, ShareWish)>,
    accounts: Vec<(AccountId, Account)>,
}

/// Reads it, and has the engine's gate know whom the shares are for.
pub(crate) async fn load(tracker: &Tracker, opened: &Opened) -> Result<Sharing> {
    let (store, members) = (&opened.store, Members::new(tracker.clone()));
    let shares = store.shares().await?;
    for share in &shares {
        let torrent = opened.torrents.iter().find(|torrent| torrent.id == share.id);
        let second = torrent.and_then(|torrent| torrent.v2).map(|v2| v2.truncated());
        members.keep(share, second);
    }
    Ok(Sharing {
        members,
        shares,
        friends: store.friends().await?,
        invites: store.invites().await?,
        jobs: store.share_jobs().await?,
        accounts: store.accounts().await?,
    })
}

/// Where our tracker is reached, as far as configured and bound.
pub(crate) fn reach(config: &TrackerConfig, addresses: &Addresses, tracker: Tracker) -> Reach {
    let http = (addresses.tracker_http.clone(), config.http.tls.scheme());
    Reach::new(tracker, config.names.clone(), addresses.tracker_udp.clone(), http)
}

/// The services of shares and friends.
pub(crate) struct SharingServices {
    pub(crate) authoring: Authoring,
    pub(crate) shares: Shares,
    pub(crate) share_jobs: ShareJobs,
    pub(crate) friends: Friends,
    pub(crate) accounts: Accounts,
}

impl Sharing {
    /// The services over it.
    pub(crate) fn start(
        self,
        authoring: Authoring,
        torrents: Torrents,
        engine: &Engine,
        (store, tracker): (Store, Tracker),
        (reach, ended): (Reach, EndedLinks),
    ) -> SharingServices {
        let Self { members, shares, friends, invites, jobs, accounts } = self;
        let both = (members.clone(), reach);
        let known = (store.clone(), tracker.clone());
        let shares = Shares::new(authoring.clone(), torrents, known, both, shares);
        tokio::spawn(shares.clone().follow(engine.clone()));
        let parts = (store.clone(), tracker, engine.clone());
        let known = (members, shares.clone());
        let friends = Friends::new(parts.clone(), known, friends, invites);
        tokio::spawn(friends.clone().read_files());
        let named = (shares.clone(), friends.clone());
        let accounts = Accounts::new(parts, named, ended, accounts);
        let known = (friends.clone(), accounts.clone());
        let share_jobs = ShareJobs::new(shares.clone(), known, store, jobs);
        SharingServices { authoring, shares, share_jobs, friends, accounts }
    }
}
