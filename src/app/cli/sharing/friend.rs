//! `cove friend`: who may have your shares, each with a key of their own.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use clap::Subcommand;

use crate::app::Exit;
use crate::app::cli::Context;
use crate::app::cli::Failure;
use crate::app::cli::client::Client;
use crate::app::cli::sharing::wire;
use crate::app::cli::sharing::wire::AccountRow;
use crate::app::cli::sharing::wire::FriendRow;
use crate::app::cli::sharing::wire::Invitation;
use crate::app::cli::sharing::wire::ShareAccountRow;
use crate::app::cli::table;
use crate::app::logging;
use crate::service::access::unix_now_s;
use crate::service::qr;

/// Seconds of a day.
const DAY_S: u64 = 86_400;
const HEADINGS: [&str; 8] =
    ["name", "key", "shares", "state", "last seen", "received", "sent on", "complete"];
const SHARE_HEADINGS: [&str; 6] =
    ["share", "says received", "from us", "says sent", "to us", "complete"];

/// Arguments of `cove friend`.
#[derive(Debug, Args)]
pub(in crate::app::cli) struct FriendArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Give somebody a key and a name
    Add(AddArgs),
    /// List them
    Ls,
    /// Show what one has received and sent: as claimed, and as seen here
    Show(NameArgs),
    /// Print a link, a magnet link and a QR code that let a friend have a share
    Invite(InviteArgs),
    /// Shut them out; their names stay in the list
    Revoke(NamesArgs),
    /// Shut them out and forget their names
    Rm(NamesArgs),
}

#[derive(Debug, Args)]
struct AddArgs {
    /// What to call them
    name: String,
    /// For how many days; for ever without this
    #[arg(long)]
    days: Option<u32>,
    /// Only these shares, by info-hash or name; may be repeated
    #[arg(long = "share", value_name = "SHARE")]
    shares: Vec<String>,
}

#[derive(Debug, Args)]
struct InviteArgs {
    /// Whom
    name: String,
    /// To what: an info-hash, a name or a path
    share: String,
    /// For how many days the link is good; as long as the key without this
    #[arg(long)]
    days: Option<u32>,
    /// How often the torrent may be taken by the link
    #[arg(long)]
    uses: Option<u32>,
    /// Write the friend's own .torrent here
    #[arg(long, value_name = "FILE")]
    torrent: Option<PathBuf>,
    /// Print no QR code
    #[arg(long)]
    no_qr: bool,
}

#[derive(Debug, Args)]
struct NameArgs {
    /// Whom
    name: String,
}

#[derive(Debug, Args)]
struct NamesArgs {
    /// Whom
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

/// Does what was asked for.
pub(in crate::app::cli) fn run(
    args: &FriendArgs,
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let client = Client::find(context)?;
    match &args.action {
        Action::Add(args) => add(args, &client, context, out),
        Action::Ls => list(&client, context, out),
        Action::Show(args) => show_friend(args, &client, context, out),
        Action::Invite(args) => invite(args, &client, context, out),
        Action::Revoke(args) => revoke(args, &client, context, out),
        Action::Rm(args) => remove(args, &client, context, out),
    }
}

fn add(
    args: &AddArgs,
    client: &Client,
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let shares = (!args.shares.is_empty()).then_some(&args.shares[..]);
    let body = wire::friend_body(&args.name, seconds(args.days), shares);
    let answer = client.post(&["friends"], body.as_bytes())?;
    if context.is_json {
        return Ok(writeln!(out, "{}", wire::pretty(&answer))?);
    }
    let name = logging::escape(&args.name);
    Ok(writeln!(out, "added {name}; now:  cove friend invite {name} SHARE")?)
}

fn list(client: &Client, context: &Context, out: &mut impl Write) -> Result<(), Failure> {
    let answer = client.get(&["friends"], &[])?;
    if context.is_json {
        return Ok(writeln!(out, "{}", wire::pretty(&answer))?);
    }
    let friends = wire::friends(&answer).ok_or_else(|| client.strange())?;
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(friends.iter().map(|friend| row(friend, unix_now_s())));
    Ok(table::write(out, &rows)?)
}

fn row(friend: &FriendRow, now_s: i64) -> [String; 8] {
    let shares = match &friend.shares {
        Some(shares) => shares.len().to_string(),
        None => "all".to_owned(),
    };
    let account = &friend.account;
    let mark = if account.excess > 0 { " (!)" } else { "" };
    [
        logging::escape(&friend.name).into_owned(),
        format!("{}..", friend.key_prefix),
        shares,
        state(friend, now_s),
        last_seen(account, now_s),
        table::size(account.claimed_downloaded.max(account.sent)),
        format!("{}{mark}", table::size(account.claimed_uploaded)),
        account.completed_shares.len().to_string(),
    ]
}

fn last_seen(account: &AccountRow, now_s: i64) -> String {
    match account.last_seen_at {
        None => "never".into(),
        // A table needs no seconds to say "just now".
        Some(at) => format!("{} ago", table::duration(now_s.saturating_sub(at).max(1) as f64)),
    }
}

fn state(friend: &FriendRow, now_s: i64) -> String {
    match (friend.revoked_at, friend.valid_until) {
        (Some(_), _) => "revoked".to_owned(),
        (_, Some(end)) if end < now_s => "expired".to_owned(),
        (_, Some(end)) => match table::duration((end - now_s) as f64) {
            none if none == "-" => "for over a year".to_owned(),
            left => format!("for {left}"),
        },
        _ => "for ever".to_owned(),
    }
}

fn show_friend(
    args: &NameArgs,
    client: &Client,
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let answer = client.get(&["friends", &args.name], &[])?;
    if context.is_json {
        return Ok(writeln!(out, "{}", wire::pretty(&answer))?);
    }
    let friend = wire::friend(&answer).ok_or_else(|| client.strange())?;
    let (account, now_s) = (&friend.account, unix_now_s());
    let (name, size) = (logging::escape(&friend.name), table::size);
    writeln!(out, "{name}: key {}.., {}", friend.key_prefix, state(&friend, now_s))?;
    writeln!(out, "last seen  {}", last_seen(account, now_s))?;
    let (says, seen) = (size(account.claimed_downloaded), size(account.sent));
    writeln!(out, "received   {says} by their own word, {seen} of it from here")?;
    let (says, seen) = (size(account.claimed_uploaded), size(account.received));
    writeln!(out, "sent       {says} by their own word, {seen} of it to here")?;
    let ratio = account.ratio.map_or("-".into(), |ratio| format!("{ratio:.2}"));
    writeln!(out, "ratio      {ratio}")?;
    if account.excess > 0 {
        let excess = size(account.excess);
        writeln!(out, "marked     {excess} are said to be sent that nobody can have received")?;
    }
    let mut rows = vec![SHARE_HEADINGS.map(str::to_owned)];
    rows.extend(account.shares.iter().flatten().map(share_row));
    Ok(table::write(out, &rows)?)
}

fn share_row(share: &ShareAccountRow) -> [String; 6] {
    let mark = if share.excess > 0 { " (!)" } else { "" };
    [
        share.share.clone(),
        table::size(share.claimed_downloaded),
        table::size(share.sent),
        format!("{}{mark}", table::size(share.claimed_uploaded)),
        table::size(share.received),
        if share.is_complete { "yes" } else { "no" }.to_owned(),
    ]
}

fn invite(
    args: &InviteArgs,
    client: &Client,
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let body = wire::invite_body(&args.share, seconds(args.days), args.uses);
    let answer = client.post(&["friends", &args.name, "invites"], body.as_bytes())?;
    let invitation = wire::invitation(&answer).ok_or_else(|| client.strange())?;
    if let Some(path) = &args.torrent {
        let file = client.get(&["friends", &args.name, "torrents", &invitation.share], &[])?;
        std::fs::write(path, file).map_err(|error| {
            let path = path.display();
            Failure::new(Exit::Error, format!("cannot write `{path}`: {error}"))
        })?;
    }
    if context.is_json {
        return Ok(writeln!(out, "{}", wire::pretty(&answer))?);
    }
    show(&invitation, args, out)
}

fn show(invitation: &Invitation, args: &InviteArgs, out: &mut impl Write) -> Result<(), Failure> {
    let best = invitation.links.first().unwrap_or(&invitation.magnet);
    if !args.no_qr
        && let Ok(code) = qr::terminal(best)
    {
        write!(out, "{code}")?;
    }
    for link in &invitation.links {
        writeln!(out, "link     {link}")?;
    }
    writeln!(out, "magnet   {}", invitation.magnet)?;
    if let Some(path) = &args.torrent {
        writeln!(out, "torrent  {}", path.display())?;
    }
    let name = logging::escape(&args.name);
    Ok(writeln!(out, "All of them hold the key of {name}: send them to nobody else.")?)
}

fn revoke(
    args: &NamesArgs,
    client: &Client,
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    for name in &args.names {
        client.post(&["friends", name, "revoke"], b"{}")?;
        if !context.is_json {
            writeln!(out, "revoked {}", logging::escape(name))?;
        }
    }
    Ok(())
}

fn remove(
    args: &NamesArgs,
    client: &Client,
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    for name in &args.names {
        client.delete(&["friends", name])?;
        if !context.is_json {
            writeln!(out, "removed {}", logging::escape(name))?;
        }
    }
    Ok(())
}

fn seconds(days: Option<u32>) -> Option<u64> {
    days.map(|days| u64::from(days) * DAY_S)
}
