//! `cove swarm`: what our own tracker knows of one info-hash.

use std::io::Write;

use clap::Args;

use crate::app::cli::Context;
use crate::app::cli::Failure;
use crate::app::cli::client::Client;
use crate::app::cli::native_wire;
use crate::app::cli::native_wire::Swarm;
use crate::app::cli::native_wire::SwarmPeerLine;
use crate::app::cli::native_wire::SwarmPeers;
use crate::app::cli::table;
use crate::app::logging;

/// Arguments of `cove swarm`.
#[derive(Debug, Args)]
pub(super) struct SwarmArgs {
    /// The info-hash of the swarm
    #[arg(value_name = "HASH")]
    hash: String,
}

/// Prints its numbers, its marks and its peers.
pub(super) fn run(
    args: &SwarmArgs,
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let client = Client::find(context)?;
    let swarm_body = client.get(&["swarms", &args.hash], &[])?;
    let peers_body = client.get(&["swarms", &args.hash, "peers"], &[])?;
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
