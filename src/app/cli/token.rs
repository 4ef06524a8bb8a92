//! `cove token`: the tokens that let in to the running server.

use std::io::Write;

use clap::Args;
use clap::Subcommand;

use crate::app::Exit;
use crate::app::cli::Context;
use crate::app::cli::Failure;
use crate::app::cli::client::Client;
use crate::app::cli::native_wire;
use crate::app::cli::native_wire::NewToken;
use crate::app::cli::native_wire::TokenLine;
use crate::app::cli::native_wire::TokenWish;
use crate::app::cli::native_wire::Tokens;
use crate::app::cli::table;
use crate::app::logging;
use crate::domain::token::Scope;

/// Seconds of a day.
const DAY_S: u64 = 86_400;
const HEADINGS: [&str; 5] = ["name", "id", "grants", "ends", "used"];

/// Arguments of `cove token`.
#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token and print it; it is not shown again
    Add(AddArgs),
    /// List the tokens, without their secrets
    Ls,
    /// Revoke tokens
    Rm(RmArgs),
}

#[derive(Debug, Args)]
struct AddArgs {
    /// What to call it
    name: String,
    /// What it grants: read, client, tracker, admin; may be repeated
    #[arg(long = "scope", value_name = "SCOPE", default_value = "read", value_delimiter = ',')]
    scopes: Vec<Scope>,
    /// For how many days it is good; for ever without this
    #[arg(long)]
    days: Option<u32>,
}

#[derive(Debug, Args)]
struct RmArgs {
    /// Names or ids
    #[arg(required = true, value_name = "NAME|ID")]
    tokens: Vec<String>,
}

/// Makes, lists or revokes.
pub(super) fn run(
    args: &TokenArgs,
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let client = Client::find(context)?;
    match &args.action {
        Action::Add(args) => add(args, &client, context, out),
        Action::Ls => list(&client, context, out),
        Action::Rm(args) => remove(args, &client, context, out),
    }
}

/// The secret alone goes to standard output, so that a script can take it.
fn add(
    args: &AddArgs,
    client: &Client,
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let valid_s = args.days.map(|days| u64::from(days) * DAY_S);
    let scopes = args.scopes.iter().map(|scope| scope.name()).collect();
    let wish = TokenWish { name: &args.name, scopes, valid_s };
    let answer = client.post(&["tokens"], &native_wire::token_body(&wish))?;
    if context.is_json {
        return client.print_json(&answer, out);
    }
    let made: NewToken = client.understood(&answer)?;
    Ok(writeln!(out, "{}", logging::escape(&made.token))?)
}

fn list(client: &Client, context: &Context, out: &mut impl Write) -> Result<(), Failure> {
    let answer = client.get(&["tokens"], &[])?;
    if context.is_json {
        return client.print_json(&answer, out);
    }
    let Tokens { tokens } = client.understood(&answer)?;
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(tokens.iter().map(|token| row(token, now_s())));
    Ok(table::write(out, &rows)?)
}

fn row(token: &TokenLine, now_s: i64) -> [String; 5] {
    let time = |seconds: i64| match table::duration(seconds as f64) {
        none if none == "-" => "more than a year".to_owned(),
        some => some,
    };
    let ends = match token.expires_at {
        None => "never".to_owned(),
        Some(end) if end <= now_s => "expired".to_owned(),
        Some(end) => format!("in {}", time(end - now_s)),
    };
    let used = match token.used_at {
        None => "-".to_owned(),
        Some(at) if at >= now_s => "now".to_owned(),
        Some(at) => format!("{} ago", time(now_s - at)),
    };
    let name = logging::escape(&token.name).into_owned();
    [
        name,
        logging::escape(&token.id).into_owned(),
        logging::escape(&token.scopes.join(" ")).into_owned(),
        ends,
        used,
    ]
}

/// Revokes them; none is revoked when one of the names is nobody's.
fn remove(
    args: &RmArgs,
    client: &Client,
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let Tokens { tokens: all } = client.understood(&client.get(&["tokens"], &[])?)?;
    let find = |wish: &String| {
        let found = all.iter().find(|token| token.name == *wish || token.id == *wish);
        found.ok_or_else(|| Failure::new(Exit::NotFound, format!("no token is named `{wish}`")))
    };
    let chosen = args.tokens.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    for token in &chosen {
        client.delete(&["tokens", &token.id])?;
        if !context.is_json {
            writeln!(out, "revoked {}", logging::escape(&token.name))?;
        }
    }
    if context.is_json {
        writeln!(out, "{}", native_wire::revoked_json(&chosen))?;
    }
    Ok(())
}

fn now_s() -> i64 {
    crate::service::access::unix_now_s()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_until_when_and_shows_no_foreign_escape_sequence() {
        let token = TokenLine {
            id: "first".into(),
            name: "a\u{1b}[2J".into(),
            scopes: vec!["read".into(), "client".into()],
            expires_at: Some(100 + 3600),
            used_at: Some(40),
        };
        let shown = row(&token, 100).join("|");
        assert_eq!(shown, "a\\u{1b}[2J|first|read client|in 1 h 0 min|1 min 0 s ago");
        let endless = TokenLine { expires_at: None, used_at: None, ..token };
        assert!(row(&endless, 100).join("|").ends_with("|never|-"));
        let over = TokenLine { expires_at: Some(100), used_at: Some(100), ..endless };
        assert!(row(&over, 100).join("|").ends_with("|expired|now"));
    }
}
