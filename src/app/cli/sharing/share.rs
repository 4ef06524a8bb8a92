//! `cove share PATH`: from a folder to a tracked, seeded swarm; `cove shares`, `cove unshare`.

use std::io;
use std::io::IsTerminal;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;
use clap::Subcommand;

use crate::app::Exit;
use crate::app::cli::Context;
use crate::app::cli::Failure;
use crate::app::cli::client::Client;
use crate::app::cli::sharing::wire;
use crate::app::cli::sharing::wire::Job;
use crate::app::cli::sharing::wire::ShareRow;
use crate::app::cli::table;
use crate::app::logging;

/// How often the server is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Cells of the progress bar.
const BAR_CELLS: u32 = 40;
const HEADINGS: [&str; 6] = ["name", "size", "peers", "for", "files", "info-hash"];

/// Arguments of `cove share`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(in crate::app::cli) struct ShareArgs {
    #[command(subcommand)]
    action: Option<ShareAction>,
    /// The file or folder, under one of the server's download roots; `./ls` for one named ls
    #[arg(required = true)]
    path: Option<PathBuf>,
    /// Another name than that of the file or folder
    #[arg(long)]
    name: Option<String>,
    /// For old and new clients: a v1 and a v2 torrent in one
    #[arg(long, conflicts_with = "v2")]
    hybrid: bool,
    /// For clients that speak v2 only
    #[arg(long)]
    v2: bool,
    /// Bytes of a piece, a power of two; by size without this
    #[arg(long, value_name = "BYTES")]
    piece_size: Option<u32>,
    /// For everybody who knows of it, without a key
    #[arg(long)]
    public: bool,
    /// Do not refuse who has not announced with a good key; the tracker still does
    #[arg(long)]
    open_door: bool,
    /// For people
    #[arg(long, default_value = "")]
    comment: String,
    /// Leave out such names, `*` for anything, in place of the usual ones; may be repeated
    #[arg(long, value_name = "PATTERN")]
    skip: Vec<String>,
    /// Leave out nothing
    #[arg(long, conflicts_with = "skip")]
    skip_nothing: bool,
}

/// What can be done with shares that are there.
#[derive(Debug, Subcommand)]
enum ShareAction {
    /// List what is shared, as `cove shares` does
    Ls,
    /// Look whether the files of a share are still what its torrent says
    Check(OneShare),
    /// Publish a share anew whose files have changed: same name, friends and links
    Republish(OneShare),
}

/// Which share is meant.
#[derive(Debug, Args)]
struct OneShare {
    /// Its info-hash, name or path
    share: String,
}

/// Arguments of `cove unshare`.
#[derive(Debug, Args)]
pub(in crate::app::cli) struct UnshareArgs {
    /// Info-hashes, names or paths of shares
    #[arg(required = true, value_name = "SHARE")]
    shares: Vec<String>,
}

/// Shares, showing how far it is; Ctrl-C cancels. Or does something with a share that is there.
pub(in crate::app::cli) fn run(
    args: &ShareArgs,
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    match (&args.action, &args.path) {
        (Some(ShareAction::Ls), _) => list(context, out),
        (Some(ShareAction::Check(one)), _) => check(&one.share, context, out),
        (Some(ShareAction::Republish(one)), _) => republish(&one.share, context, out),
        (None, Some(path)) => share(path, args, context, out),
        (None, None) => Err(Failure::new(Exit::Usage, "name a file or folder to share")),
    }
}

fn share(
    path: &Path,
    args: &ShareArgs,
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let path = absolute(path)?;
    let client = Client::find(context)?;
    let is_interrupted = watch_for_interrupt();
    let answer = client.post(&["shares"], wire::share_body(&path, args).as_bytes())?;
    let begun = wire::job(&answer).ok_or_else(|| client.strange())?;
    let (hash, _) = wait(&client, &begun, &is_interrupted)?;
    let answer = client.get(&["shares", &hash], &[])?;
    if context.is_json {
        return Ok(writeln!(out, "{}", wire::pretty(&answer))?);
    }
    let share = wire::share(&answer).ok_or_else(|| client.strange())?;
    Ok(show(&share, out)?)
}

fn check(wish: &str, context: &Context, out: &mut impl Write) -> Result<(), Failure> {
    let client = Client::find(context)?;
    let answer = client.post(&["shares", wish, "check"], b"{}")?;
    if context.is_json {
        return Ok(writeln!(out, "{}", wire::pretty(&answer))?);
    }
    let share = wire::share(&answer).ok_or_else(|| client.strange())?;
    let name = logging::escape(&share.name);
    let Some(change) = &share.change else {
        return Ok(writeln!(out, "{name} is as its torrent says")?);
    };
    if share.changed_files.is_empty() {
        writeln!(out, "{name} has changed: {}", logging::escape(change))?;
    } else {
        writeln!(out, "{name} has changed:")?;
    }
    for file in &share.changed_files {
        // A share of one file is that file, without a folder to be below.
        let path = if file.path.is_empty() { &share.name } else { &file.path };
        let [change, path] = [&file.change, path].map(|text| logging::escape(text));
        writeln!(out, "  {change:7}  {path}")?;
    }
    let more = share.changed_count - share.changed_files.len();
    if more > 0 {
        writeln!(out, "  and {more} files more")?;
    }
    writeln!(out, "Nobody is sent anything of it. Put the files back, or publish it anew:")?;
    Ok(writeln!(out, "  cove share republish {}", share.info_hash)?)
}

fn republish(wish: &str, context: &Context, out: &mut impl Write) -> Result<(), Failure> {
    let client = Client::find(context)?;
    let is_interrupted = watch_for_interrupt();
    let answer = client.post(&["shares", wish, "republish"], b"{}")?;
    let begun = wire::job(&answer).ok_or_else(|| client.strange())?;
    let (hash, hashed_bytes) = wait(&client, &begun, &is_interrupted)?;
    let answer = client.get(&["shares", &hash], &[])?;
    if context.is_json {
        return Ok(writeln!(out, "{}", wire::pretty(&answer))?);
    }
    let share = wire::share(&answer).ok_or_else(|| client.strange())?;
    let [hashed, size] = [hashed_bytes, share.size_bytes].map(table::size);
    writeln!(out, "hashed {hashed} of {size}; friends and links stay")?;
    Ok(show(&share, out)?)
}

impl ShareArgs {
    /// `v1`, `hybrid` or `v2`.
    pub(super) fn format(&self) -> &'static str {
        match (self.hybrid, self.v2) {
            (true, _) => "hybrid",
            (_, true) => "v2",
            _ => "v1",
        }
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(super) fn piece_size(&self) -> Option<u32> {
        self.piece_size
    }

    pub(super) fn is_public(&self) -> bool {
        self.public
    }

    /// `None` leaves it to the server.
    pub(super) fn is_members_only(&self) -> Option<bool> {
        self.open_door.then_some(false)
    }

    pub(super) fn comment(&self) -> &str {
        &self.comment
    }

    /// `None` = the usual ones.
    pub(super) fn skip(&self) -> Option<&[String]> {
        (self.skip_nothing || !self.skip.is_empty()).then_some(&self.skip)
    }
}

fn absolute(path: &Path) -> Result<String, Failure> {
    let unusable = || Failure::new(Exit::Usage, format!("`{}` is no usable path", path.display()));
    let absolute = std::path::absolute(path).map_err(|_| unusable())?;
    absolute.into_os_string().into_string().map_err(|_| unusable())
}

/// Turns true at Ctrl-C; a second one ends the process as ever.
fn watch_for_interrupt() -> Arc<AtomicBool> {
    let is_interrupted = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_interrupted);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                if told.swap(true, Ordering::SeqCst) {
                    std::process::exit(i32::from(Exit::Error as u8));
                }
            }
        });
    });
    is_interrupted
}

/// Waits until the share is made; returns its info-hash, and how many bytes were hashed.
fn wait(
    client: &Client,
    begun: &Job,
    is_interrupted: &AtomicBool,
) -> Result<(String, u64), Failure> {
    let number = begun.number.to_string();
    let place = ["shares", "jobs", &number];
    let (mut errors, is_terminal) = (io::stderr(), io::stderr().is_terminal());
    let mut is_cancelled = false;
    loop {
        let job = wire::job(&client.get(&place, &[])?).ok_or_else(|| client.strange())?;
        if is_terminal {
            let _ = write!(errors, "\r\x1b[K{}", bar(&job));
            let _ = errors.flush();
        }
        if job.state != "hashing" && is_terminal {
            let _ = write!(errors, "\r\x1b[K");
        }
        match (job.state.as_str(), job.info_hash, job.error) {
            ("done", Some(hash), _) => return Ok((hash, job.hashed_bytes)),
            ("failed", _, why) => {
                return Err(Failure::new(Exit::Error, why.unwrap_or_else(|| "failed".into())));
            }
            _ => {}
        }
        if is_interrupted.load(Ordering::SeqCst) && !is_cancelled {
            client.delete(&place)?;
            is_cancelled = true;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn bar(job: &Job) -> String {
    if job.pieces == 0 {
        return "waiting for its turn".into();
    }
    let share = f64::from(job.pieces_done) / f64::from(job.pieces);
    let full = (f64::from(BAR_CELLS) * share) as usize;
    let cells = format!("{}{}", "#".repeat(full), "-".repeat(BAR_CELLS as usize - full));
    format!("hashing [{cells}] {}", table::percent(share))
}

fn show(share: &ShareRow, out: &mut impl Write) -> io::Result<()> {
    let name = logging::escape(&share.name);
    let size = table::size(share.size_bytes);
    writeln!(out, "shared {name} ({} files, {size})", share.file_count)?;
    writeln!(out, "info-hash  {}", share.info_hash)?;
    for url in share.announce_urls.iter().flatten() {
        writeln!(out, "announce   {url}")?;
    }
    writeln!(out, "magnet     {}", share.magnet)?;
    if share.public {
        return Ok(());
    }
    writeln!(out, "It is private. Let somebody in:  cove friend add NAME")?;
    writeln!(out, "                           then  cove friend invite NAME {}", share.info_hash)
}

/// Lists the shares.
pub(in crate::app::cli) fn list(context: &Context, out: &mut impl Write) -> Result<(), Failure> {
    let client = Client::find(context)?;
    let answer = client.get(&["shares"], &[])?;
    if context.is_json {
        return Ok(writeln!(out, "{}", wire::pretty(&answer))?);
    }
    let shares = wire::shares(&answer).ok_or_else(|| client.strange())?;
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(shares.iter().map(row));
    Ok(table::write(out, &rows)?)
}

fn row(share: &ShareRow) -> [String; 6] {
    let whom = match (share.public, share.members_only) {
        (true, _) => "everybody",
        (_, true) => "members",
        _ => "keys",
    };
    [
        logging::escape(&share.name).into_owned(),
        table::size(share.size_bytes),
        (share.seeders + share.leechers).to_string(),
        whom.to_owned(),
        logging::escape(&share.state).into_owned(),
        share.info_hash.clone(),
    ]
}

/// Ends shares; the files stay.
pub(in crate::app::cli) fn end(
    args: &UnshareArgs,
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let client = Client::find(context)?;
    for share in &args.shares {
        let answer = client.get(&["shares", share], &[])?;
        let ended = wire::share(&answer).ok_or_else(|| client.strange())?;
        client.delete(&["shares", &ended.info_hash])?;
        if !context.is_json {
            writeln!(out, "unshared {} {}", ended.info_hash, logging::escape(&ended.name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_full_only_when_all_is_hashed() {
        let job = |pieces_done, pieces| Job { pieces_done, pieces, ..Job::default() };
        assert_eq!(bar(&job(0, 0)), "waiting for its turn");
        assert!(bar(&job(999, 1000)).contains("#-] 99.9 %"));
        assert!(bar(&job(1000, 1000)).contains("##] 100.0 %"));
    }
}
