-- Where a torrent's files were on their way to when this was written; empty = nowhere. Looked at
-- only when they are not where the torrent says.
ALTER TABLE torrents ADD COLUMN moving_to TEXT NOT NULL DEFAULT '';
