"""Looks at a wire, and speaks to trackers and peers byte by byte; obeys JSON lines as `peer.py` does.

It knows nothing of libtorrent: what it finds was really sent.
"""

import json
import socket
import struct
import sys
import threading

# All protocols, both directions.
ETH_P_ALL = 3
# Of LSD (BEP 14).
LSD_PORT = 6771
LIMIT_S = 60


def udp_of(frame):
    """Ports and payload of an IPv4 datagram; None for anything else."""
    if len(frame) < 42 or frame[12:14] != b"\x08\x00" or frame[23] != 17:
        return None
    start = 14 + 4 * (frame[14] & 15)
    source, target = struct.unpack_from(">HH", frame, start)
    return source, target, frame[start + 8:]


class Observer:
    def __init__(self):
        self.needles = {}
        self.seen = {}
        self.lock = threading.Lock()

    def ready(self, _):
        return {}

    def capture(self, ask):
        """Reads every frame of a device from now on, and counts those that name an info-hash."""
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        wire.bind((ask["device"], 0))
        threading.Thread(target=self.read, args=(wire,), daemon=True).start()
        return {}

    def read(self, wire):
        while True:
            frame = wire.recv(65_536)
            with self.lock:
                for name, hash in self.needles.items():
                    if hash in frame or hash.hex().encode() in frame.lower():
                        kind = self.kind(frame)
                        self.seen[name][kind] = self.seen[name].get(kind, 0) + 1

    def kind(self, frame):
        datagram = udp_of(frame)
        if datagram is None:
            return "other"
        _, target, payload = datagram
        if target == LSD_PORT:
            return "lsd"
        return "dht" if payload[:1] == b"d" and payload[-1:] == b"e" else "other"

    def watch(self, ask):
        """Looks for an info-hash, raw or in hex, under a name."""
        with self.lock:
            self.needles[ask["name"]] = bytes.fromhex(ask["hash"])
            self.seen[ask["name"]] = {}
        return {}

    def counts(self, ask):
        """How many frames named it, by `dht`, `lsd` and `other`."""
        with self.lock:
            return {"counts": dict(self.seen[ask["name"]])}

    def tracker(self, ask):
        """Gets a connection id of a UDP tracker (BEP 15), to announce in one packet later."""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(LIMIT_S)
        self.socket.connect((ask["ip"], ask["port"]))
        self.socket.send(struct.pack(">QII", 0x41727101980, 0, 7))
        self.connection = self.socket.recv(2048)[8:16]
        return {}

    def announce(self, ask):
        """One packet, one answer: the peers told, or why it was refused."""
        url = f"/announce/{ask['key']}".encode()
        hash = bytes.fromhex(ask["hash"])
        peer_id = ask["peer_id"].encode()
        self.socket.send(
            self.connection + struct.pack(">II", 1, 8) + hash + peer_id
            + struct.pack(">QQQIIIiH", 0, 1, 0, 2, 0, 9, -1, ask["port"])
            + bytes([2, len(url)]) + url)
        answer = self.socket.recv(2048)
        action, _ = struct.unpack_from(">II", answer)
        if action == 3:
            return {"refused": answer[8:].decode()}
        return {"peers": (len(answer) - 20) // 6}

    def extensions(self, ask):
        """What a peer says it understands, in the extended handshake (BEP 10) of a torrent."""
        peer = socket.create_connection((ask["ip"], ask["port"]), LIMIT_S)
        peer.settimeout(LIMIT_S)
        reserved = bytes([0, 0, 0, 0, 0, 0x10, 0, 0])
        hash = bytes.fromhex(ask["hash"])
        peer.sendall(b"\x13BitTorrent protocol" + reserved + hash + ask["peer_id"].encode())
        self.exactly(peer, 68)
        hello = b"\x14\x00d1:md6:ut_pexi1eee"
        peer.sendall(struct.pack(">I", len(hello)) + hello)
        while True:
            message = self.exactly(peer, struct.unpack(">I", self.exactly(peer, 4))[0])
            if message[:2] == b"\x14\x00":
                names = [b"ut_pex", b"ut_metadata", b"upload_only"]
                return {"names": [name.decode() for name in names if name in message]}

    def exactly(self, peer, size):
        got = b""
        while len(got) < size:
            more = peer.recv(size - len(got))
            if not more:
                raise ConnectionError("the peer closed")
            got += more
        return got


def main():
    observer = Observer()
    for line in sys.stdin:
        ask = json.loads(line)
        try:
            answer = getattr(observer, ask["do"])(ask)
        except Exception as trouble:  # the test decides what a failure means
            answer = {"failed": f"{type(trouble).__name__}: {trouble}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
