//! `cove settings`: the running server's configuration, and changes of it.

use std::io::Write;

use clap::Args;
use clap::Subcommand;

use crate::app::Exit;
use crate::app::cli::Context;
use crate::app::cli::Failure;
use crate::app::cli::client::Client;
use crate::app::cli::native_wire;
use crate::app::cli::native_wire::SettingLine;
use crate::app::cli::native_wire::SettingLines;
use crate::app::cli::table;
use crate::app::logging;

/// Arguments of `cove settings`.
#[derive(Debug, Args)]
pub(super) struct SettingsArgs {
    #[command(subcommand)]
    action: SettingsAction,
}

#[derive(Debug, Subcommand)]
enum SettingsAction {
    /// List every setting with its value and where that comes from
    Ls {
        /// Only those that can be changed now
        #[arg(long)]
        changeable: bool,
    },
    /// Print the value of a setting
    Get {
        /// Such as client.limits.upload_bytes_per_s
        #[arg(value_name = "KEY")]
        key: String,
    },
    /// Change settings: in force at once, and kept
    Set {
        /// Such as client.limits.upload_bytes_per_s=500000
        #[arg(value_name = "KEY=VALUE", required = true)]
        changes: Vec<String>,
    },
    /// Take changes back: the settings are as configured again
    Reset {
        /// Such as client.limits.upload_bytes_per_s
        #[arg(value_name = "KEY", required = true)]
        keys: Vec<String>,
    },
}

/// Does what was asked for.
pub(super) fn run(
    args: &SettingsArgs,
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let client = Client::find(context)?;
    match &args.action {
        SettingsAction::Ls { changeable } => {
            let body = client.get(&["settings"], &[])?;
            if context.is_json {
                return client.print_json(&body, out);
            }
            let list: SettingLines = client.understood(&body)?;
            let shown = list.settings.iter().filter(|one| one.can_change || !changeable);
            show(shown, out)
        }
        SettingsAction::Get { key } => {
            let body = client.get(&["settings", key], &[])?;
            if context.is_json {
                return client.print_json(&body, out);
            }
            let setting: SettingLine = client.understood(&body)?;
            Ok(writeln!(out, "{}", logging::escape(&setting.value_text()))?)
        }
        SettingsAction::Set { changes } => set(&client, changes, context, out),
        SettingsAction::Reset { keys } => {
            for key in keys {
                client.delete(&["settings", key])?;
                writeln!(out, "{} is as configured", logging::escape(key))?;
            }
            Ok(())
        }
    }
}

fn set(
    client: &Client,
    changes: &[String],
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let known: SettingLines = client.understood(&client.get(&["settings"], &[])?)?;
    let mut pairs = Vec::with_capacity(changes.len());
    for change in changes {
        let (key, text) = change.split_once('=').ok_or_else(|| {
            Failure::new(Exit::Usage, format!("`{change}` has no `=`: write KEY=VALUE"))
        })?;
        // `123` is a number, unless the setting holds a text.
        let is_text = known.settings.iter().any(|one| one.key == key && one.is_text());
        pairs.push((key, text, is_text));
    }
    let body = client.patch(&["settings"], &native_wire::settings_body(&pairs))?;
    if context.is_json {
        return client.print_json(&body, out);
    }
    let list: SettingLines = client.understood(&body)?;
    show(list.settings.iter(), out)
}

fn show<'a>(
    settings: impl Iterator<Item = &'a SettingLine>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut rows = vec![["setting", "value", "from"].map(str::to_owned)];
    rows.extend(settings.map(|setting| {
        [setting.key.clone(), setting.value_text(), setting.source_detail.clone()]
            .map(|text| logging::escape(&text).into_owned())
    }));
    Ok(table::write(out, &rows)?)
}
