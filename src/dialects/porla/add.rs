//! Adding torrents: presets first, then what the caller says.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::GeneralPurpose;
use base64::engine::GeneralPurposeConfig;

use crate::dialects::porla::Porla;
use crate::dialects::porla::bencode;
use crate::dialects::porla::errors::Failure;
use crate::dialects::porla::json::Hash;
use crate::dialects::porla::json::Object;
use crate::dialects::porla::json::Outcome;
use crate::dialects::porla::json::Params;
use crate::dialects::porla::json::answer;
use crate::dialects::porla::torrents::count;
use crate::dialects::porla::torrents::rate;
use crate::dialects::porla::torrents_wire::Add;
use crate::dialects::porla::torrents_wire::Added;
use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::domain::hash::InfoHashes;
use crate::service::adding::AddWish;
use crate::service::adding::Parsed;
use crate::service::adding::Source;
use crate::service::adding::Tuning;
use crate::service::labels::LabelSet;
use crate::service::presets::Preset;

/// Base64 with or without the signs at its end.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Porla {
    pub(super) async fn add(&self, params: Params) -> Outcome {
        let bytes_max = params.by.torrent_bytes_max;
        let mut wish: Add = params.read()?;
        let parsed = parse(&mut wish, bytes_max).await?;
        let hashes = parsed.hashes();
        let preset = self.services.presets.of(wish.preset.as_deref());
        let session = wish.session_id.map(|id| self.session_named(id)).transpose();
        let session = session.map_err(|_| Failure::of(-10, "Session not found"))?;
        let mut wish = merged(wish, preset)?;
        wish.session = session.or(wish.session);
        if wish.session.as_ref().is_some_and(|name| !self.services.sessions.has(name)) {
            return Err(Failure::of(-10, "Session not found"));
        }
        match self.services.torrents.add_new(parsed, wish).await {
            Ok(_) => answer(&Added { info_hash: Hash(hashes) }),
            Err(error) => Err(self.not_added(&error, &hashes)),
        }
    }

    fn not_added(&self, error: &Error, hashes: &InfoHashes) -> Failure {
        if let Some(there) = self.services.torrents.existing(hashes)
            && error.kind() == ErrorKind::Conflict
        {
            return Failure::of(-3, format!("Torrent already in session '{}'", there.session));
        }
        match error.kind() {
            ErrorKind::Invalid | ErrorKind::Forbidden | ErrorKind::NotFound => {
                Failure::because(-4, "Failed to add torrent", error)
            }
            _ => Failure::because(-5, "Failed to add torrent to session", error),
        }
    }
}

/// `ti` wins over `magnet_uri`.
async fn parse(wish: &mut Add, bytes_max: usize) -> Result<Parsed, Failure> {
    if let Some(ti) = wish.ti.take() {
        let broken = || Failure::of(-1, "Failed to bdecode 'ti' parameter");
        let bytes = BASE64.decode(ti.trim_end()).map_err(|_| broken())?;
        if !bencode::is_bencoded(&bytes) {
            return Err(broken());
        }
        if bytes.len() > bytes_max {
            let error = Error::invalid(format!("the torrent file has more than {bytes_max} bytes"));
            return Err(unparsed(&error));
        }
        let parsed = Parsed::of(Source::File(bytes)).await;
        return parsed.map_err(|error| unparsed(&error));
    }
    let Some(uri) = wish.magnet_uri.take() else {
        return Err(Failure::of(-4, "Either 'ti' or 'magnet_uri' must be set"));
    };
    let parsed = Parsed::of(Source::Magnet(uri)).await;
    parsed.map_err(|error| Failure::because(-3, "Could not parse 'magnet_uri' param", &error))
}

fn unparsed(error: &Error) -> Failure {
    Failure::because(-2, "Failed to parse torrent_info from bdecoded data", error)
}

/// What the preset says, and over it what the caller says.
fn merged(wish: Add, preset: Preset) -> Result<AddWish, Failure> {
    let destination = wish.save_path.or(preset.save_path).filter(|path| !path.is_empty());
    let destination = destination.ok_or_else(|| Failure::of(-4, "'save_path' missing"))?;
    let most = |own: Option<i64>, preset: Option<u32>| own.or(preset.map(i64::from)).map(count);
    let labels = LabelSet {
        category: wish.category.or(preset.category),
        tags: wish.tags.unwrap_or(preset.tags),
        metadata: wish.metadata.as_ref().map(Object::to_text).unwrap_or_default(),
        max_connections: None,
    };
    let tuning = Tuning {
        name: wish.name.filter(|name| !name.is_empty()),
        download_limit: wish.download_limit.map(rate).or(preset.download_limit).unwrap_or(0),
        upload_limit: wish.upload_limit.map(rate).or(preset.upload_limit).unwrap_or(0),
        max_connections: most(wish.max_connections, preset.max_connections),
        max_uploads: most(wish.max_uploads, preset.max_uploads),
        trackers: wish.trackers,
        web_seeds: wish.url_seeds,
        http_seeds: wish.http_seeds,
    };
    Ok(AddWish {
        destination: Some(destination),
        auto_managed: true,
        labels,
        session: preset.session,
        tuning,
        ..AddWish::default()
    })
}
