//! The progress of torrents that `cove add --wait` waits for: one line redrawn on a terminal,
//! a line at every tenth otherwise.

use std::io;
use std::io::IsTerminal;
use std::io::Write;
use std::time::Duration;

use crate::app::Exit;
use crate::app::cli::Failure;
use crate::app::cli::client::Client;
use crate::app::cli::native_wire::Download;
use crate::app::cli::native_wire::Downloads;
use crate::app::cli::table;
use crate::app::logging;

/// How often the server is asked.
const INTERVAL: Duration = Duration::from_secs(1);

/// Columns that a redrawn line may take: a longer one would wrap and not be redrawn.
const LINE_COLUMNS: usize = 79;

/// What one look at a torrent says about waiting for it.
#[derive(Debug, PartialEq)]
enum Verdict {
    Goes,
    Done,
}

/// Draws progress in the way that fits the target.
struct Display<'a, W: Write> {
    target: &'a mut W,
    is_terminal: bool,
    /// What was printed last for each torrent: tenths done, and state.
    printed: Vec<(u32, String)>,
}

/// Waits until every torrent of `hashes` is complete.
pub(super) fn wait(
    client: &Client,
    hashes: &[&str],
    target: &mut (impl Write + IsTerminal),
) -> Result<(), Failure> {
    let is_terminal = target.is_terminal();
    let printed = vec![(u32::MAX, String::new()); hashes.len()];
    let mut display = Display { target, is_terminal, printed };
    loop {
        let list = client.downloads()?;
        match look(&list, hashes, &mut display)? {
            Verdict::Done => return Ok(display.finish()?),
            Verdict::Goes => std::thread::sleep(INTERVAL),
        }
    }
}

/// Shows how far the torrents are and tells whether all are done.
fn look<W: Write>(
    list: &Downloads,
    hashes: &[&str],
    display: &mut Display<'_, W>,
) -> Result<Verdict, Failure> {
    let mut waiting = None;
    for (index, hash) in hashes.iter().enumerate() {
        let Some(download) = list.torrents.iter().find(|one| one.info_hash == *hash) else {
            let message = format!("torrent {hash} was removed while waiting for it");
            return Err(Failure::new(Exit::NotFound, message));
        };
        let verdict = judge(download)?;
        display.lines(index, download)?;
        if verdict == Verdict::Goes {
            waiting = waiting.or(Some(download));
        }
    }
    let Some(download) = waiting else {
        return Ok(Verdict::Done);
    };
    display.redraw(download)?;
    Ok(Verdict::Goes)
}

fn judge(download: &Download) -> Result<Verdict, Failure> {
    let stopped = |why: &str| {
        let message = format!("{}: {why}", download.name);
        Err(Failure::new(Exit::Error, message))
    };
    let is_whole = download.progress >= 1.0;
    match download.state.as_str() {
        "seeding" | "finished" => Ok(Verdict::Done),
        "stopped" | "queued" if is_whole => Ok(Verdict::Done),
        "error" => stopped(download.error.as_deref().unwrap_or("stopped by an error")),
        "stopped" => stopped("was stopped before it was complete"),
        _ => Ok(Verdict::Goes),
    }
}

impl<W: Write> Display<'_, W> {
    /// On a terminal: replaces the last line.
    fn redraw(&mut self, download: &Download) -> io::Result<()> {
        if !self.is_terminal {
            return Ok(());
        }
        let line: String = describe(download).chars().take(LINE_COLUMNS).collect();
        write!(self.target, "\r\x1b[K{line}")?;
        self.target.flush()
    }

    /// Elsewhere: a line when the torrent's state changed or another tenth is there.
    fn lines(&mut self, index: usize, download: &Download) -> io::Result<()> {
        if self.is_terminal {
            return Ok(());
        }
        let tenths = (0..10).filter(|tenth| download.progress * 10.0 >= f64::from(tenth + 1));
        let now = (u32::try_from(tenths.count()).unwrap_or_default(), download.state.clone());
        if self.printed[index] == now {
            return Ok(());
        }
        self.printed[index] = now;
        writeln!(self.target, "{}", describe(download))
    }

    fn finish(&mut self) -> io::Result<()> {
        match self.is_terminal {
            true => write!(self.target, "\r\x1b[K"),
            false => self.target.flush(),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds for people")]
fn describe(download: &Download) -> String {
    let name: String = logging::escape(&download.name).chars().take(32).collect();
    format!(
        "{name}: {} {}, {}/s down, {} peers, {} left",
        table::percent(download.progress),
        logging::escape(&download.state),
        table::size(download.download_rate),
        download.connected_peers,
        table::duration(download.eta.unwrap_or_default() as f64),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn download(state: &str, progress: f64) -> Downloads {
        let one = Download {
            info_hash: "aa".into(),
            name: "na\x1bme".into(),
            state: state.into(),
            progress,
            ..Download::default()
        };
        Downloads { torrents: vec![one] }
    }

    fn shown(is_terminal: bool) -> String {
        let mut target = Vec::new();
        let printed = vec![(u32::MAX, String::new())];
        let mut display = Display { target: &mut target, is_terminal, printed };
        for (state, progress) in
            [("metadata", 0.0), ("downloading", 0.1), ("downloading", 0.15), ("seeding", 1.0)]
        {
            look(&download(state, progress), &["aa"], &mut display).unwrap();
        }
        String::from_utf8(target).unwrap()
    }

    #[test]
    fn a_terminal_gets_one_line_and_a_file_gets_one_a_tenth() {
        assert!(!shown(true).contains('\n'));
        assert_eq!(shown(true).matches("\r\x1b[K").count(), 3);
        assert_eq!(shown(false).lines().count(), 3);
        assert!(!shown(false).contains('\x1b'), "rule W11: names move no terminal");
    }

    #[test]
    fn waiting_ends_with_the_torrent_or_with_its_trouble() {
        let mut target = Vec::new();
        let printed = vec![(u32::MAX, String::new())];
        let mut display = Display { target: &mut target, is_terminal: false, printed };
        let mut of = |state, progress| {
            let looked = look(&download(state, progress), &["aa"], &mut display);
            looked.map_err(|failure| failure.exit)
        };
        assert_eq!(of("checking", 1.0), Ok(Verdict::Goes));
        assert_eq!(of("seeding", 1.0), Ok(Verdict::Done));
        assert_eq!(of("error", 0.5), Err(Exit::Error));
        assert_eq!(of("stopped", 0.5), Err(Exit::Error));
        assert_eq!(of("finished", 1.0), Ok(Verdict::Done), "all that is wanted is there");
        assert_eq!(of("queued", 1.0), Ok(Verdict::Done));
        let nothing = Downloads { torrents: Vec::new() };
        assert_eq!(look(&nothing, &["aa"], &mut display).unwrap_err().exit, Exit::NotFound);
    }
}
