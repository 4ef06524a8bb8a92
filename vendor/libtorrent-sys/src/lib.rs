#![doc = "Links libtorrent."]
