//! An HTTP/1.1 client in a few lines: one request on a connection, and whatever bytes a test
//! wants to send instead of one.

use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;

use socket2::Domain;
use socket2::Socket;
use socket2::Type;

/// How long a read may wait for the next bytes.
const READ_LIMIT: Duration = Duration::from_secs(60);

/// An answer with all of its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// An answer whose body is still to come.
pub(crate) struct Incoming {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    reader: BufReader<TcpStream>,
    is_head: bool,
}

/// A request as it goes over the wire; `Host`, `Connection` and lengths are added.
#[derive(Clone, Default)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) headers: Vec<(&'a str, String)>,
    pub(crate) body: Option<&'a [u8]>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }
}

impl Incoming {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The next bytes of a body with a known length, exactly as many.
    pub(crate) fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// What still comes before the connection ends, however it does.
    pub(crate) fn rest(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A connection that is reset has brought what it has brought.
        let _ = self.reader.read_to_end(&mut bytes);
        bytes
    }

    /// The next chunk of a chunked body; `None` at its end.
    pub(crate) fn next_chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let size = u64::from_str_radix(read_line(&mut self.reader)?.trim(), 16);
        let size = size.map_err(io::Error::other)?;
        let mut bytes = Vec::new();
        (&mut self.reader).take(size).read_to_end(&mut bytes)?;
        read_line(&mut self.reader)?;
        Ok((size > 0).then_some(bytes))
    }

    /// What is left of a body of known length of which `taken` bytes were read.
    #[track_caller]
    pub(crate) fn finish_after(mut self, taken: usize) -> Vec<u8> {
        let length = self.header("content-length").and_then(|text| text.parse::<usize>().ok());
        let length = length.expect("the body has a known length");
        self.take(length - taken).expect("the rest of the body comes")
    }

    /// The whole body.
    pub(crate) fn finish(mut self) -> io::Result<Answer> {
        let mut body = Vec::new();
        let length = self.header("content-length").and_then(|text| text.parse::<u64>().ok());
        let is_chunked = self.header("transfer-encoding") == Some("chunked");
        match (self.is_head, is_chunked, length) {
            (true, ..) => {}
            (_, true, _) => read_chunks(&mut self.reader, &mut body)?,
            (_, _, Some(length)) => {
                let read = (&mut self.reader).take(length).read_to_end(&mut body)?;
                if (read as u64) < length {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            (_, _, None) => drop(self.reader.read_to_end(&mut body)?),
        }
        Ok(Answer { status: self.status, headers: self.headers, body })
    }
}

impl Request<'_> {
    /// Sends it to `host` (an address with port) and reads the head of the answer.
    pub(crate) fn open(&self, host: &str) -> io::Result<Incoming> {
        self.open_on(connect(host)?, host)
    }

    /// As [`Request::send`], from another address of this machine.
    pub(crate) fn send_from(&self, source: IpAddr, host: &str) -> io::Result<Answer> {
        let socket =
            Socket::new(Domain::for_address(SocketAddr::new(source, 0)), Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
        let target: SocketAddr = host.parse().map_err(io::Error::other)?;
        socket.connect(&target.into())?;
        self.open_on(prepared(socket.into())?, host)?.finish()
    }

    fn open_on(&self, mut socket: TcpStream, host: &str) -> io::Result<Incoming> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str(&format!("Host: {host}\r\n"));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = self.body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("Connection: close\r\n\r\n");
        socket.write_all(head.as_bytes())?;
        // A server may refuse a body before it has read it; its answer counts, not the broken pipe.
        let _ = socket.write_all(self.body.unwrap_or_default());
        read_head(BufReader::new(socket), self.method == "HEAD")
    }

    pub(crate) fn send(&self, host: &str) -> io::Result<Answer> {
        self.open(host)?.finish()
    }
}

/// Sends bytes as they are and returns all that comes back until the other side closes.
pub(crate) fn send_raw(host: &str, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut socket = connect(host)?;
    let _ = socket.write_all(bytes);
    let mut answer = Vec::new();
    match socket.read_to_end(&mut answer) {
        Err(error) if answer.is_empty() => Err(error),
        _ => Ok(answer),
    }
}

fn connect(host: &str) -> io::Result<TcpStream> {
    prepared(TcpStream::connect(host)?)
}

fn prepared(socket: TcpStream) -> io::Result<TcpStream> {
    socket.set_read_timeout(Some(READ_LIMIT))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

fn read_head(mut reader: BufReader<TcpStream>, is_head: bool) -> io::Result<Incoming> {
    let first = read_line(&mut reader)?;
    let status = first.split(' ').nth(1).and_then(|text| text.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no status line: {first:?}")))?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(&mut reader)?;
        match line.split_once(':') {
            None => break,
            Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
        }
    }
    Ok(Incoming { status, headers, reader, is_head })
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

fn read_chunks(reader: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let line = read_line(reader)?;
        let size = u64::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        if size == 0 {
            return Ok(());
        }
        reader.by_ref().take(size).read_to_end(body)?;
        read_line(reader)?;
    }
}
