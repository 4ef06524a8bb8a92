//! `cove swarm`: who is in the swarm of a share or torrent; of any other info-hash, what our own
//! tracker knows of it.

use std::io::Write;

use clap::Args;

use crate::app::Exit;
use crate::app::cli::Context;
use crate::app::cli::Failure;
use crate::app::cli::client::Client;
use crate::app::cli::native_wire;
use crate::app::cli::native_wire::FriendInSwarm;
use crate::app::cli::native_wire::ParticipantLine;
use crate::app::cli::native_wire::Swarm;
use crate::app::cli::native_wire::SwarmPeerLine;
use crate::app::cli::native_wire::SwarmPeers;
use crate::app::cli::native_wire::SwarmView;
use crate::app::cli::table;
use crate::app::logging;
use crate::service::access::unix_now_s;

const HEADINGS: [&str; 10] = [
    "who",
    "address",
    "client",
    "where",
    "has",
    "state",
    "down / up",
    "says received / from us",
    "says sent / to us",
    "seen",
];

/// Arguments of `cove swarm`.
#[derive(Debug, Args)]
pub(super) struct SwarmArgs {
    /// The name, path or info-hash of a share, or the info-hash of any torrent or swarm
    #[arg(value_name = "SHARE")]
    share: String,
}

/// Prints who is in it.
pub(super) fn run(
    args: &SwarmArgs,
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let client = Client::find(context)?;
    match find_view(&client, &args.share)? {
        Some(body) if context.is_json => client.print_json(&body, out),
        Some(body) => print_view(&client.understood(&body)?, out),
        None => print_announced(&client, &args.share, context, out),
    }
}

/// The swarm of a share or torrent of ours; `None` when this is another one's info-hash.
fn find_view(client: &Client, share: &str) -> Result<Option<Vec<u8>>, Failure> {
    let is_hash = matches!(share.len(), 40 | 64) && share.bytes().all(|b| b.is_ascii_hexdigit());
    match client.get(&["shares", share, "swarm"], &[]) {
        Ok(body) => return Ok(Some(body)),
        Err(failure) if failure.exit != Exit::NotFound || !is_hash => return Err(failure),
        Err(_) => {}
    }
    match client.get(&["torrents", share, "swarm"], &[]) {
        Ok(body) => Ok(Some(body)),
        Err(failure) if failure.exit == Exit::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn print_view(view: &SwarmView, out: &mut impl Write) -> Result<(), Failure> {
    writeln!(out, "{}", logging::escape(&view.name))?;
    let SwarmView { seeders, leechers, completed, copies, .. } = view;
    writeln!(out, "{seeders} seeders, {leechers} leechers, completed {completed} times")?;
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(view.participants.iter().map(participant_row));
    table::write(out, &rows)?;
    let now_s = unix_now_s();
    let absent = |friend: &&FriendInSwarm| {
        !view.participants.iter().any(|one| one.friend.as_ref() == Some(&friend.name))
    };
    for friend in view.friends.iter().filter(absent) {
        let has = if friend.is_complete { "had all of it" } else { "was not done" };
        let ago = ago(now_s.saturating_sub(friend.last_seen_at));
        writeln!(out, "{} {has}, last seen {ago}", logging::escape(&friend.name))?;
    }
    for friend in view.friends.iter().filter(|friend| friend.excess > 0) {
        let (name, excess) = (logging::escape(&friend.name), table::size(friend.excess));
        writeln!(out, "{name} says to have sent {excess} that nobody can have received")?;
    }
    writeln!(out, "copies: {copies:.1}")?;
    let stop = match (view.can_stop, view.other_seed_seen_at) {
        (true, _) => format!("yes, {} others have all of it", view.other_seeds),
        (false, None) => "no, nobody else has all of it".to_owned(),
        (false, Some(at)) => {
            let ago = ago(now_s.saturating_sub(at));
            format!("no, the last other one that had all of it was seen {ago}")
        }
    };
    Ok(writeln!(out, "can you stop? {stop}")?)
}

#[expect(clippy::cast_precision_loss, reason = "an age in seconds")]
fn ago(seconds: i64) -> String {
    match table::duration(seconds.max(1) as f64) {
        none if none == "-" => "over a year ago".to_owned(),
        age => format!("{age} ago"),
    }
}

fn participant_row(one: &ParticipantLine) -> [String; 10] {
    let who = match (&one.friend, one.own) {
        (_, true) => "(this program)",
        (Some(name), _) => name,
        _ => "-",
    };
    let bytes = |bytes: Option<u64>| bytes.map_or("-".into(), table::size);
    let rate = |rate: Option<u64>| table::rate(rate.unwrap_or(0));
    let place = if one.inside { "LAN" } else { "outside" };
    [
        logging::escape(who).into_owned(),
        logging::escape(&one.ip).into_owned(),
        logging::escape(&one.client).into_owned(),
        place.to_owned(),
        table::percent(one.progress),
        if one.own { "here".to_owned() } else { logging::escape(&one.state).into_owned() },
        format!("{} / {}", rate(one.download_rate), rate(one.upload_rate)),
        format!("{} / {}", bytes(one.claimed_downloaded), bytes(one.sent)),
        format!("{} / {}", bytes(one.claimed_uploaded), bytes(one.received)),
        if one.seen_ago_s == 0 { "now".into() } else { ago(one.seen_ago_s.into()) },
    ]
}

/// What the tracker knows of a swarm that is none of our client's.
fn print_announced(
    client: &Client,
    hash: &str,
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let swarm_body = client.get(&["swarms", hash], &[])?;
    let peers_body = client.get(&["swarms", hash, "peers"], &[])?;
    if context.is_json {
        let parts: [(&str, &[u8]); 2] = [("swarm", &swarm_body), ("peers", &peers_body)];
        let text = native_wire::joined_json(&parts).ok_or_else(|| client.strange())?;
        writeln!(out, "{text}")?;
        return Ok(());
    }
    let swarm: Swarm = client.understood(&swarm_body)?;
    let peers: SwarmPeers = client.understood(&peers_body)?;
    if let Some(name) = &swarm.name {
        writeln!(out, "{}", logging::escape(name))?;
    }
    let Swarm { seeders, leechers, completed, .. } = swarm;
    writeln!(out, "{seeders} seeders, {leechers} leechers, completed {completed} times")?;
    if let Some(mode) = &swarm.mode {
        writeln!(out, "its own mode: {}", logging::escape(mode))?;
    }
    for (is_so, text) in [(swarm.is_listed, "on the whitelist"), (swarm.is_flagged, "flagged")] {
        if is_so {
            writeln!(out, "{text}")?;
        }
    }
    let mut rows = vec![["peer", "sent", "received", "missing", "age"].map(str::to_owned)];
    rows.extend(peers.peers.iter().map(row));
    Ok(table::write(out, &rows)?)
}

#[expect(clippy::cast_precision_loss, reason = "an age in seconds")]
fn row(peer: &SwarmPeerLine) -> [String; 5] {
    let own = if peer.is_own { " (this program)" } else { "" };
    [
        format!("{}{own}", logging::escape(&peer.address)),
        table::size(peer.uploaded),
        table::size(peer.downloaded),
        table::size(peer.left),
        table::duration(peer.age as f64),
    ]
}
