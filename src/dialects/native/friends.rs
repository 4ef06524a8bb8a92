//! Friends, who are keys with names, and the links that invite them.

use utoipa::OpenApi;

use crate::dialects::native::Group;
use crate::dialects::native::Outcome;
use crate::dialects::native::Route;
use crate::dialects::native::friends_wire::FriendBody;
use crate::dialects::native::friends_wire::FriendList;
use crate::dialects::native::friends_wire::FriendRow;
use crate::dialects::native::friends_wire::InviteBody;
use crate::dialects::native::friends_wire::InviteList;
use crate::dialects::native::friends_wire::InviteRow;
use crate::dialects::native::friends_wire::NewFriend;
use crate::dialects::native::friends_wire::NewInvite;
use crate::dialects::native::problem::Problem;
use crate::dialects::native::request::Request;
use crate::dialects::native::wire;
use crate::domain::account::Balance;
use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::domain::share::Friend;
use crate::domain::share::FriendName;
use crate::domain::token::Scope;
use crate::http::Reply;
use crate::service::access::unix_now_s;
use crate::service::friends::FriendWish;
use crate::service::friends::InviteWish;
use crate::service::qr;

pub(super) const GROUP: Group = Group { routes: ROUTES, document: Document::openapi };

const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        path: "/v1/friends",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(list_friends(request)),
    },
    Route {
        method: "POST",
        path: "/v1/friends",
        needs: Scope::Tracker,
        query: &[],
        run: |request| Box::pin(add_friend(request)),
    },
    Route {
        method: "GET",
        path: "/v1/friends/{name}",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(show_friend(request)),
    },
    Route {
        method: "DELETE",
        path: "/v1/friends/{name}",
        needs: Scope::Tracker,
        query: &[],
        run: |request| Box::pin(remove_friend(request)),
    },
    Route {
        method: "POST",
        path: "/v1/friends/{name}/revoke",
        needs: Scope::Tracker,
        query: &[],
        run: |request| Box::pin(revoke_friend(request)),
    },
    Route {
        method: "POST",
        path: "/v1/friends/{name}/invites",
        needs: Scope::Tracker,
        query: &[],
        run: |request| Box::pin(invite_friend(request)),
    },
    Route {
        method: "GET",
        path: "/v1/friends/{name}/torrents/{share}",
        needs: Scope::Tracker,
        query: &[],
        run: |request| Box::pin(friend_torrent(request)),
    },
    Route {
        method: "GET",
        path: "/v1/invites",
        needs: Scope::Read,
        query: &[],
        run: |request| Box::pin(list_invites(request)),
    },
    Route {
        method: "DELETE",
        path: "/v1/invites/{token}",
        needs: Scope::Tracker,
        query: &[],
        run: |request| Box::pin(remove_invite(request)),
    },
];

#[derive(OpenApi)]
#[openapi(
    paths(
        list_friends,
        add_friend,
        show_friend,
        remove_friend,
        revoke_friend,
        invite_friend,
        friend_torrent,
        list_invites,
        remove_invite
    ),
    tags((name = "friends", description = "Who may have your shares, each with a key of their own"))
)]
struct Document;

/// All friends
///
/// A key is a secret: a list shows only how it begins. `account` is what a friend's clients claim in
/// your private shares, and what your own client saw of it.
#[utoipa::path(get, path = "/v1/friends", tag = "friends",
    responses((status = 200, description = "By name, revoked ones too", body = FriendList)))]
async fn list_friends(request: Request<'_>) -> Outcome {
    let now_s = unix_now_s();
    let services = request.services();
    let (balances, nothing) = (services.accounts.balances().await, Balance::default());
    let row = |one: &Friend| FriendRow::of(one, balances.get(&one.name).unwrap_or(&nothing), now_s);
    let friends: Vec<FriendRow> = services.friends.list().iter().map(row).collect();
    Ok(wire::reply(200, &FriendList { total: friends.len(), friends }))
}

/// Gives somebody a key and a name
///
/// The whole key is shown here and never again; an invitation holds it.
#[utoipa::path(post, path = "/v1/friends", tag = "friends", request_body = FriendBody,
    responses((status = 201, description = "The friend", body = NewFriend)))]
async fn add_friend(mut request: Request<'_>) -> Outcome {
    let body: FriendBody = request.json().await?;
    let services = request.services();
    // What is missing is named by the body, not by the path.
    let missing = |error: Error| match error.kind() {
        ErrorKind::NotFound => Problem::invalid(error.public_message()),
        _ => Problem::from(error),
    };
    let find =
        |wish: &String| services.shares.find(wish).map(|view| view.share.id).map_err(missing);
    let shares =
        body.shares.as_ref().map(|all| all.iter().map(find).collect::<Result<Vec<_>, _>>());
    let wish = FriendWish { seconds: body.valid_s, shares: shares.transpose()? };
    let friend = services.friends.add(body.name.parse().map_err(Problem::from)?, wish).await?;
    Ok(wire::reply(201, &NewFriend::of(&friend)))
}

/// One friend
///
/// With the account share by share.
#[utoipa::path(get, path = "/v1/friends/{name}", tag = "friends",
    params(("name" = String, Path, description = "The friend's name")),
    responses((status = 200, description = "The friend", body = FriendRow)))]
async fn show_friend(request: Request<'_>) -> Outcome {
    let (services, name) = (request.services(), name(&request)?);
    let friend = services.friends.get(&name)?;
    let balance = services.accounts.balance(&name).await;
    Ok(wire::reply(200, &FriendRow::in_full(&friend, &balance, unix_now_s())))
}

/// Shuts a friend out and forgets the name
#[utoipa::path(delete, path = "/v1/friends/{name}", tag = "friends",
    params(("name" = String, Path, description = "The friend's name")),
    responses((status = 204, description = "The friend is gone")))]
async fn remove_friend(request: Request<'_>) -> Outcome {
    request.services().friends.remove(&name(&request)?).await?;
    Ok(Reply::new(204))
}

/// Shuts a friend out
///
/// The key is dead from the next packet on, the friend's peers leave the swarms, our client
/// disconnects them, and the links are gone. Other friends notice nothing.
#[utoipa::path(post, path = "/v1/friends/{name}/revoke", tag = "friends",
    params(("name" = String, Path, description = "The friend's name")),
    responses((status = 200, description = "The friend as it is now", body = FriendRow)))]
async fn revoke_friend(request: Request<'_>) -> Outcome {
    let services = request.services();
    let friend = services.friends.revoke(&name(&request)?).await?;
    let balance = services.accounts.balance(&friend.name).await;
    Ok(wire::reply(200, &FriendRow::of(&friend, &balance, unix_now_s())))
}

/// Invites a friend to a share
///
/// The answer holds the friend's key in all its forms: hand it to nobody else.
#[utoipa::path(post, path = "/v1/friends/{name}/invites", tag = "friends",
    request_body = InviteBody,
    params(("name" = String, Path, description = "The friend's name")),
    responses((status = 201, description = "The invitation", body = NewInvite)))]
async fn invite_friend(mut request: Request<'_>) -> Outcome {
    let body: InviteBody = request.json().await?;
    let services = request.services();
    let share = services.shares.find(&body.share)?.share.id;
    let wish = InviteWish { seconds: body.valid_s, uses: body.uses };
    let invitation = services.friends.invite(&name(&request)?, share, wish).await?;
    let drawn = invitation.links.first().unwrap_or(&invitation.magnet);
    let drawn = qr::svg(drawn).ok();
    Ok(wire::reply(201, &NewInvite::of(&invitation, drawn)))
}

/// A friend's own .torrent file
#[utoipa::path(get, path = "/v1/friends/{name}/torrents/{share}", tag = "friends",
    params(("name" = String, Path, description = "The friend's name"),
           ("share" = String, Path, description = "The share's info-hash, or its whole name")),
    responses((status = 200, description = "The file, with the friend's key",
               content_type = "application/x-bittorrent")))]
async fn friend_torrent(request: Request<'_>) -> Outcome {
    let services = request.services();
    let share = services.shares.find(request.param(1))?.share.id;
    let file = services.friends.torrent_file(&name(&request)?, share).await?;
    Ok(Reply::new(200).header("content-type", "application/x-bittorrent").bytes(file))
}

/// All links
///
/// A link is a secret: a list shows only how its token begins.
#[utoipa::path(get, path = "/v1/invites", tag = "friends",
    responses((status = 200, description = "The first made first", body = InviteList)))]
async fn list_invites(request: Request<'_>) -> Outcome {
    let now_s = unix_now_s();
    let invites = request.services().friends.invites();
    let invites: Vec<InviteRow> = invites.iter().map(|one| InviteRow::of(one, now_s)).collect();
    Ok(wire::reply(200, &InviteList { total: invites.len(), invites }))
}

/// Takes a link back
#[utoipa::path(delete, path = "/v1/invites/{token}", tag = "friends",
    params(("token" = String, Path, min_length = 4,
            description = "The link's token, or enough of its beginning to mean only this one")),
    responses((status = 204, description = "It leads nowhere any more")))]
async fn remove_invite(request: Request<'_>) -> Outcome {
    let friends = &request.services().friends;
    let token = friends.find_invite(request.param(0))?;
    match friends.remove_invite(token).await? {
        true => Ok(Reply::new(204)),
        false => Err(Error::not_found("there is no such link").into()),
    }
}

fn name(request: &Request<'_>) -> Result<FriendName, Problem> {
    request.param(0).parse().map_err(Problem::from)
}
