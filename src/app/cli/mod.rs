//! The command line: one file per command, and here the tree of commands with the flags that all
//! of them have.

mod add;
mod client;
mod completions;
mod config;
mod doctor;
mod doctor_wire;
mod events;
mod key;
mod ls;
mod native_wire;
mod peers;
mod pinned;
mod progress;
mod rm;
mod serve;
mod settings;
mod sharing;
mod stats;
mod swarm;
mod table;
mod token;
mod whitelist;
mod wire;

use std::io;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ArgMatches;
use clap::Args;
use clap::CommandFactory;
use clap::FromArgMatches;
use clap::Parser;
use clap::Subcommand;

use crate::app::Exit;
use crate::app::cli::sharing::friend;
use crate::app::cli::sharing::share;
use crate::app::config::Loaded;
use crate::app::config_sources::Environment;
use crate::app::config_sources::Override;
use crate::app::config_sources::Wishes;
use crate::app::logging;
use crate::domain::error::Error;

const AFTER_HELP: &str = "\
Configuration comes from, each winning over those before it: defaults; the file of --config, else
cove.toml in the state directory; variables COVE_SECTION__KEY such as COVE_API__BIND; --set and
the other flags. `cove config` shows every key with its value and where it came from.

All commands but serve and config find the server of the same state directory by themselves (doctor
looks itself when there is none). For another server give --url and its token in COVE_API__TOKEN.

Exit codes:
  0  all went well
  1  something went wrong
  2  wrong usage or configuration
  3  the store cannot be read, or a newer version wrote it
  4  another process works on the state directory
  5  a port is in use
  6  the server cannot be reached
  7  the server refused the token
  8  nothing is named so
  9  the doctor found a fault";

/// A BitTorrent client and tracker in one process.
#[derive(Debug, Parser)]
#[command(name = "cove", version, about, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

// Flags that may stand before and after every command; see `tree`. Not clap's global flags: of those,
// `--set` before the command is lost when one stands after it. Nor a doc comment, which clap would
// show as the help of every command.
#[derive(Clone, Debug, Args)]
struct Flags {
    /// Directory of the program's own state
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One configuration value; may be repeated
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Where the server is, such as http://127.0.0.1:7373
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Download, seed and answer until told to stop
    Serve(serve::ServeArgs),
    /// Show every configuration value and where it came from
    Config,
    /// Look whether everything around the program is as it should be
    Doctor,
    /// Add torrents to the running server
    Add(add::AddArgs),
    /// List the torrents of the running server
    Ls(ls::LsArgs),
    /// Remove torrents from the running server
    Rm(rm::RmArgs),
    /// Share a file or folder as a private swarm of your own
    Share(share::ShareArgs),
    /// List what is shared
    Shares,
    /// End shares; the files stay
    Unshare(share::UnshareArgs),
    /// Let people have your shares: add, ls, show, invite, revoke, rm
    Friend(friend::FriendArgs),
    /// Show the connections of a torrent
    Peers(peers::PeersArgs),
    /// Show who is in the swarm of a share or torrent, and whether you can stop
    Swarm(swarm::SwarmArgs),
    /// Make, list and forget keys of the running server's own tracker
    #[command(subcommand)]
    Key(key::KeyAction),
    /// Change and print the whitelist of the running server's own tracker
    #[command(subcommand)]
    Whitelist(whitelist::WhitelistAction),
    /// Make, list and revoke the tokens of the running server
    Token(token::TokenArgs),
    /// Show figures of the running server
    Stats,
    /// Print what changes in the running server, as it changes
    Events(events::EventsArgs),
    /// List and change the running server's settings
    Settings(settings::SettingsArgs),
    /// Print the completions of a shell
    Completions(completions::CompletionsArgs),
}

/// What a command needs to know besides its own arguments.
struct Context {
    wishes: Wishes,
    environment: Environment,
    is_json: bool,
    url: Option<String>,
}

/// Why a command ends without having done its work.
#[derive(Debug)]
struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}

impl From<io::Error> for Failure {
    /// Writing to standard output failed. A reader that has seen enough (`cove ls | head`) closes
    /// the pipe, which is no error.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::Fine, ""),
            _ => Self::new(Exit::Error, format!("cannot write the answer: {error}")),
        }
    }
}

impl Flags {
    /// Both sets together: later single values win, `--set` adds up.
    fn and_then(mut self, later: &Self) -> Self {
        self.state_dir = later.state_dir.clone().or(self.state_dir);
        self.config = later.config.clone().or(self.config);
        self.set.extend_from_slice(&later.set);
        self.json |= later.json;
        self.url = later.url.clone().or(self.url);
        self
    }
}

/// The tree of commands, each of them with the flags.
fn tree() -> clap::Command {
    with_flags(Cli::command())
}

fn with_flags(command: clap::Command) -> clap::Command {
    Flags::augment_args(command).mut_subcommands(with_flags)
}

/// The flags before, between and after the commands.
fn flags_of(matches: &ArgMatches) -> Result<Flags, clap::Error> {
    let flags = Flags::from_arg_matches(matches)?;
    match matches.subcommand() {
        Some((_, later)) => Ok(flags.and_then(&flags_of(later)?)),
        None => Ok(flags),
    }
}

/// The command and its flags.
fn understood(matches: &ArgMatches) -> Result<(Cli, Flags), clap::Error> {
    Ok((Cli::from_arg_matches(matches)?, flags_of(matches)?))
}

impl Context {
    fn new(flags: &Flags) -> Result<Self, Failure> {
        let usage = |error: Error| Failure::new(Exit::Usage, error.message());
        let set = flags.set.iter().map(|argument| Override::parse(argument));
        let mut overrides = set.collect::<Result<Vec<_>, _>>().map_err(usage)?;
        if let Some(path) = &flags.state_dir {
            let text = path.to_str().ok_or_else(|| {
                Failure::new(Exit::Usage, "`--state-dir` is not UTF-8: choose another directory")
            })?;
            let key = "state_dir".into();
            overrides.push(Override { flag: "--state-dir", key, text: text.into() });
        }
        let wishes = Wishes { config_file: flags.config.clone(), overrides };
        let environment = Environment::of_process().map_err(usage)?;
        Ok(Self { wishes, environment, is_json: flags.json, url: flags.url.clone() })
    }

    /// The configuration as this command line and environment make it.
    fn load(&self) -> Result<Loaded, Failure> {
        Loaded::load(&self.wishes, &self.environment)
            .map_err(|error| Failure::new(Exit::Usage, error.message()))
    }
}

/// Reads the command line and runs the command. Ends the process for `--help` and wrong usage.
pub(super) fn main() -> ExitCode {
    let (cli, flags) = understood(&tree().get_matches()).unwrap_or_else(|error| error.exit());
    run(cli, &flags).unwrap_or_else(|failure| {
        if !failure.message.is_empty() {
            // With standard error gone, the exit code has to do.
            let _ = writeln!(io::stderr(), "cove: {}", logging::escape(&failure.message));
        }
        failure.exit.into()
    })
}

fn run(cli: Cli, flags: &Flags) -> Result<ExitCode, Failure> {
    let mut context = Context::new(flags)?;
    let mut out = io::stdout();
    match cli.command {
        Command::Serve(args) => return serve::run(&args, &mut context),
        Command::Config => config::run(&context, &mut out)?,
        Command::Doctor => doctor::run(&context, &mut out)?,
        Command::Add(args) => add::run(&args, &context, &mut out)?,
        Command::Ls(args) => ls::run(&args, &context, &mut out)?,
        Command::Peers(args) => peers::run(&args, &context, &mut out)?,
        Command::Swarm(args) => swarm::run(&args, &context, &mut out)?,
        Command::Key(action) => key::run(&action, &context, &mut out)?,
        Command::Whitelist(action) => whitelist::run(&action, &context, &mut out)?,
        Command::Rm(args) => rm::run(&args, &context, &mut out)?,
        Command::Token(args) => token::run(&args, &context, &mut out)?,
        Command::Share(args) => share::run(&args, &context, &mut out)?,
        Command::Shares => share::list(&context, &mut out)?,
        Command::Unshare(args) => share::end(&args, &context, &mut out)?,
        Command::Friend(args) => friend::run(&args, &context, &mut out)?,
        Command::Stats => stats::run(&context, &mut out)?,
        Command::Events(args) => events::run(&args, &context, &mut out)?,
        Command::Settings(args) => settings::run(&args, &context, &mut out)?,
        Command::Completions(args) => completions::run(&args, &mut out)?,
    }
    out.flush()?;
    Ok(Exit::Fine.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Flags, clap::Error> {
        let matches = tree().try_get_matches_from([&["cove"], arguments].concat())?;
        understood(&matches).map(|(_, flags)| flags)
    }

    /// The paths to all commands below `command`, groups of commands too.
    fn paths(command: &clap::Command) -> Vec<Vec<String>> {
        let below = |one: &clap::Command| {
            let inner = paths(one).into_iter();
            let all = inner.chain([Vec::new()]);
            all.map(|path| [vec![one.get_name().to_owned()], path].concat()).collect::<Vec<_>>()
        };
        command.get_subcommands().flat_map(below).collect()
    }

    #[test]
    fn the_tree_of_commands_is_sound_and_help_names_every_exit_code() {
        tree().debug_assert();
        let help = Cli::command().render_help().to_string();
        for code in 0..=9 {
            assert!(help.contains(&format!("\n  {code}  ")), "{code}");
        }
    }

    #[test]
    fn every_command_says_in_its_own_words_what_it_does() {
        fn abouts(command: &clap::Command, all: &mut Vec<(String, String)>) {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            all.push((command.get_name().to_owned(), about));
            command.get_subcommands().for_each(|inner| abouts(inner, all));
        }
        let mut all = Vec::new();
        abouts(&tree(), &mut all);
        for (name, about) in &all {
            assert!(!about.is_empty() && !about.contains("[`"), "{name}: {about:?}");
        }
        let words = |wish: &str| all.iter().filter(|(_, about)| about == wish).count();
        for (name, about) in &all {
            assert_eq!(words(about), 1, "{name} says the same as another: {about:?}");
        }
    }

    #[test]
    fn flags_count_before_between_and_after_commands() {
        let arguments =
            ["--set", "a=1", "--url=x", "settings", "--set", "b=2", "ls", "--set", "c=3", "--json"];
        let flags = parse(&arguments).unwrap();
        assert_eq!(flags.set, ["a=1", "b=2", "c=3"]);
        assert!(flags.json && flags.url.as_deref() == Some("x"));
        let flags = parse(&["--state-dir=a", "key", "ls", "--state-dir", "b"]).unwrap();
        assert_eq!(flags.state_dir, Some("b".into()), "the last one wins");
        assert_eq!(parse(&["rm"]).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn every_command_takes_the_flags() {
        let tree = tree();
        let paths = paths(&tree);
        for known in [&["serve"][..], &["settings"], &["settings", "ls"], &["friend", "invite"]] {
            assert!(paths.iter().any(|path| path == known), "{known:?}");
        }
        for path in paths {
            let start = Some(&tree);
            let command = path.iter().fold(start, |command, name| command?.find_subcommand(name));
            let has = |flag: &str| {
                command.unwrap().get_arguments().any(|one| one.get_long() == Some(flag))
            };
            for flag in ["state-dir", "config", "set", "json", "url"] {
                assert!(has(flag), "{path:?} --{flag}");
            }
        }
    }

    #[test]
    fn a_path_is_shared_and_a_word_does_something_with_a_share() {
        for arguments in [&["share", "x", "--json"][..], &["share", "republish", "x", "--json"]] {
            assert!(parse(arguments).unwrap().json, "{arguments:?}");
        }
        assert!(parse(&["--json", "share", "ls"]).unwrap().json);
        for wrong in [&["share"][..], &["share", "x", "check", "y"], &["share", "check"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_set_without_a_value_is_wrong_usage() {
        let failure = Context::new(&parse(&["--set", "api.bind", "ls"]).unwrap()).err().unwrap();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.message.contains("section.key=value"));
    }

    /// `cove ls | head` is no error.
    #[test]
    fn a_reader_that_has_seen_enough_is_no_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.exit, failure.message.as_str()), (Exit::Fine, ""));
    }
}
