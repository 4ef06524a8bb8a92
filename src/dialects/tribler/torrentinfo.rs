//! What a torrent says, before it is added: `GET /torrentinfo`, and in 8.x `POST
//! /api/torrentinfo/uri` and `PUT /api/torrentinfo/file`.

use crate::dialects::tribler::Tribler;
use crate::dialects::tribler::add::NO_HOPS;
use crate::dialects::tribler::details;
use crate::dialects::tribler::errors::Refusal;
use crate::dialects::tribler::json;
use crate::dialects::tribler::json_body;
use crate::dialects::tribler::json_reply;
use crate::dialects::tribler::metainfo;
use crate::dialects::tribler::program_wire;
use crate::dialects::tribler::program_wire::InfoBody;
use crate::dialects::tribler::program_wire::TorrentInfo;
use crate::dialects::tribler::program_wire::TorrentInfoFile;
use crate::dialects::tribler::torrent_body;
use crate::dialects::tribler::wire;
use crate::domain::error::ErrorKind;
use crate::http::Call;
use crate::http::Reply;
use crate::service::adding::Source;

/// All that the original says of a link that it does not know.
const INVALID: &str = "invalid uri";

/// What is asked about a link.
struct Wish {
    uri: String,
    /// A magnet link is not to be resolved.
    skips_magnet: bool,
}

impl Tribler {
    /// `GET /torrentinfo?uri=&hops=`; the document calls the parameter `torrent`.
    pub(super) async fn torrent_info(&self, call: &Call) -> Result<Reply, Refusal> {
        let given = |name: &str| call.query(name).filter(|text| !text.is_empty());
        let hops = given("hops").map(|text| {
            let wrong = || Refusal::bad(format!("wrong value of 'hops' parameter: {text}"));
            text.parse::<i64>().map_err(|_| wrong())
        });
        let wish = Wish {
            uri: given("uri").or(given("torrent")).unwrap_or_default().to_owned(),
            skips_magnet: matches!(call.query("skipmagnet"), Some("1" | "true")),
        };
        self.info_of_link(wish, hops.transpose()?.unwrap_or(0)).await
    }

    /// `POST /api/torrentinfo/uri`: the same in a body.
    pub(super) async fn torrent_info_of_uri(&self, call: &mut Call) -> Result<Reply, Refusal> {
        let body: InfoBody = wire::parse(&json_body(call).await?)?;
        let wish = Wish {
            uri: body.uri.unwrap_or_default(),
            skips_magnet: body.skipmagnet.unwrap_or(false),
        };
        self.info_of_link(wish, body.hops.unwrap_or(0)).await
    }

    /// `PUT /api/torrentinfo/file`: the body is a torrent file.
    pub(super) async fn torrent_info_of_file(&self, call: &mut Call) -> Result<Reply, Refusal> {
        let file = torrent_body(call).await?;
        self.info(Source::File(file.to_vec())).await
    }

    async fn info_of_link(&self, wish: Wish, hops: i64) -> Result<Reply, Refusal> {
        if wish.uri.is_empty() {
            return Err(Refusal::bad("uri parameter missing"));
        }
        if hops != 0 {
            return Err(Refusal::bad(NO_HOPS));
        }
        let source = self.services.fetch.torrent(&wish.uri).await;
        let source = source.map_err(|error| match error.kind() {
            ErrorKind::NotFound => Refusal::bad(error.public_message()),
            ErrorKind::Invalid if error.message().starts_with(INVALID) => Refusal::bad(INVALID),
            _ => Refusal::from(error),
        })?;
        if wish.skips_magnet && matches!(source, Source::Magnet(_)) {
            let unresolved = program_wire::UnresolvedInfo::default();
            return Ok(json_reply(json::text(&unresolved)));
        }
        self.info(source).await
    }

    async fn info(&self, source: Source) -> Result<Reply, Refusal> {
        let is_magnet = matches!(source, Source::Magnet(_));
        let inspected = self.services.torrents.inspect(source).await.map_err(|error| {
            match (error.kind(), is_magnet) {
                (ErrorKind::Invalid, true) => Refusal::bad("missing infohash"),
                _ => Refusal::from(error),
            }
        })?;
        let inspected = inspected.ok_or_else(|| Refusal::handled(500, "metainfo error"))?;
        let files = details::named_files(&inspected.metadata)
            .map(|(index, name, size)| TorrentInfoFile { index, name, size });
        let body = TorrentInfo {
            metainfo: metainfo::hex_of_json(&inspected.file)
                .ok_or_else(|| Refusal::handled(500, "metainfo error"))?,
            download_exists: inspected.is_ours.then_some(true),
            infohash: inspected.id,
            name: &inspected.name,
            files: files.collect(),
            valid_certificate: true,
        };
        Ok(json_reply(json::text(&body)))
    }
}
