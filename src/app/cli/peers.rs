//! `cove peers`: the connections of one torrent.

use std::io::Write;

use clap::Args;

use crate::app::cli::Context;
use crate::app::cli::Failure;
use crate::app::cli::client::Client;
use crate::app::cli::native_wire::PeerLine;
use crate::app::cli::native_wire::Peers;
use crate::app::cli::table;
use crate::app::logging;

/// Arguments of `cove peers`.
#[derive(Debug, Args)]
pub(super) struct PeersArgs {
    /// The info-hash of the torrent
    #[arg(value_name = "HASH")]
    hash: String,
}

/// Prints them.
pub(super) fn run(
    args: &PeersArgs,
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let client = Client::find(context)?;
    let body = client.get(&["torrents", &args.hash, "peers"], &[])?;
    if context.is_json {
        return client.print_json(&body, out);
    }
    let peers: Peers = client.understood(&body)?;
    let mut rows = vec![["peer", "client", "has", "down", "up", "by"].map(str::to_owned)];
    rows.extend(peers.peers.iter().map(row));
    Ok(table::write(out, &rows)?)
}

fn row(peer: &PeerLine) -> [String; 6] {
    let direction = if peer.is_outgoing { "out" } else { "in" };
    [
        logging::escape(&peer.address).into_owned(),
        logging::escape(&peer.client).into_owned(),
        table::percent(peer.progress),
        table::rate(peer.download_rate),
        table::rate(peer.upload_rate),
        logging::escape(&format!("{} {direction}", peer.transport)).into_owned(),
    ]
}
