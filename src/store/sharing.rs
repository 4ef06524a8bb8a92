//! The handle's part for shares, friends and invites.

use crate::domain::account::Account;
use crate::domain::account::AccountId;
use crate::domain::error::Result;
use crate::domain::share::Friend;
use crate::domain::share::Invite;
use crate::domain::share::InviteToken;
use crate::domain::share::Share;
use crate::store::Store;
use crate::store::accounts;
use crate::store::friends;
use crate::store::shares;

impl Store {
    /// Keeps a share of a torrent that is kept already.
    ///
    /// # Errors
    /// Those of every change.
    pub async fn put_share(&self, share: Share) -> Result<()> {
        self.change(0, move |conn| shares::put(conn, &share)).await
    }

    /// All shares, the first made first. One goes when the removal of its torrent begins.
    ///
    /// # Errors
    /// Those of every change; `Internal` also when a record is damaged.
    pub async fn shares(&self) -> Result<Vec<Share>> {
        self.change(0, shares::all).await
    }

    /// Keeps a friend with the key, or without it when it is revoked; then the links go too.
    ///
    /// # Errors
    /// Those of every change.
    pub async fn put_friend(&self, friend: Friend) -> Result<()> {
        self.change(0, move |conn| friends::put(conn, &friend)).await
    }

    /// Forgets a friend, the key and the links.
    ///
    /// # Errors
    /// Those of every change.
    pub async fn remove_friend(&self, friend: Friend) -> Result<()> {
        self.change(0, move |conn| friends::remove(conn, &friend)).await
    }

    /// All friends, by name.
    ///
    /// # Errors
    /// Those of every change; `Internal` also when a record is damaged.
    pub async fn friends(&self) -> Result<Vec<Friend>> {
        self.change(0, friends::all).await
    }

    /// Keeps accounts, in place of those of the same ids; forgets those that are `None`.
    ///
    /// # Errors
    /// Those of every change; nothing is kept then.
    pub async fn put_accounts(&self, changes: Vec<(AccountId, Option<Account>)>) -> Result<()> {
        let size = changes.iter().map(|(_, account)| accounts::size_bytes(account.as_ref())).sum();
        self.change(size, move |conn| {
            changes.iter().try_for_each(|(id, account)| accounts::put(conn, id, account.as_ref()))
        })
        .await
    }

    /// All accounts.
    ///
    /// # Errors
    /// Those of every change; `Internal` also when a record is damaged.
    pub async fn accounts(&self) -> Result<Vec<(AccountId, Account)>> {
        self.change(0, accounts::all).await
    }

    /// Keeps an invite.
    ///
    /// # Errors
    /// Those of every change.
    pub async fn put_invite(&self, invite: Invite) -> Result<()> {
        self.change(0, move |conn| friends::put_invite(conn, &invite)).await
    }

    /// Forgets an invite; tells whether it was there.
    ///
    /// # Errors
    /// Those of every change.
    pub async fn remove_invite(&self, token: InviteToken) -> Result<bool> {
        self.change(0, move |conn| friends::remove_invite(conn, &token)).await
    }

    /// All invites, the first made first.
    ///
    /// # Errors
    /// Those of every change; `Internal` also when a record is damaged.
    pub async fn invites(&self) -> Result<Vec<Invite>> {
        self.change(0, friends::invites).await
    }
}
