-- What else is wished of a torrent: how far it is seeded in thousandths (NULL as configured, 0 without
-- end), whether it stopped for that once, and whether it stops when its metadata is there.
ALTER TABLE torrents ADD COLUMN seed_ratio INTEGER;
ALTER TABLE torrents ADD COLUMN seed_ratio_met INTEGER NOT NULL DEFAULT 0;
ALTER TABLE torrents ADD COLUMN only_metadata INTEGER NOT NULL DEFAULT 0;
