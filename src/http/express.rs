//! Announces without hyper and warp: what nearly every one of them is, a GET of a few headers that
//! comes whole, needs neither.
//!
//! A connection of the tracker begins here. Each request of that kind is answered with one read and
//! one write. The first that is anything else, or that is not whole, goes to hyper with what follows
//! it, and the connection stays there: whatever HTTP knows beyond this is hyper's to get right. So
//! this takes only what it is sure of. What is answered is the same in both places.

use std::cell::RefCell;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use warp::http::Method;
use warp::http::StatusCode;

use crate::http::Reply;
use crate::http::connection::Ends;
use crate::http::link::Link;
use crate::http::tracker::Tracker;

/// What is read at once; a head that does not fit goes to hyper.
const READ_BYTES: usize = 4096;
/// Announces have five headers at most in the clients that were looked at.
const HEADERS_MAX: usize = 16;

/// The express part of one connection. Its outcome is what hyper is to go on with; `None` when the
/// connection is over.
pub(crate) struct Express<'a, S> {
    socket: &'a mut S,
    tracker: &'a Tracker,
    ends: Ends,
    link: &'a Arc<Link>,
    input: Box<[u8]>,
    /// Up to where `input` was read.
    filled: usize,
    /// Up to where it is answered.
    answered: usize,
    output: Vec<u8>,
    /// Up to where `output` is sent.
    sent: usize,
    is_finishing: bool,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Express<'a, S> {
    pub(crate) fn new(
        socket: &'a mut S,
        tracker: &'a Tracker,
        ends: Ends,
        link: &'a Arc<Link>,
    ) -> Self {
        Self {
            socket,
            tracker,
            ends,
            link,
            input: vec![0; READ_BYTES].into_boxed_slice(),
            filled: 0,
            answered: 0,
            output: Vec::with_capacity(512),
            sent: 0,
            is_finishing: false,
        }
    }

    /// The answer that is being sent is the last.
    pub(crate) fn finish(self: Pin<&mut Self>) {
        self.get_mut().is_finishing = true;
    }

    /// `false`: the next request is none for here.
    fn answer_next(&mut self) -> bool {
        let head = &self.input[self.answered..self.filled];
        let Some(simple) = Simple::read(head, !self.tracker.proxies.is_empty()) else {
            return false;
        };
        self.link.request_began();
        let reply = self.tracker.answer(&Method::GET, simple.path, simple.query, &[], self.ends);
        self.answered += simple.bytes;
        write(reply, &mut self.output);
        self.link.answer_ended();
        true
    }

    /// Whether more came; `false` when nothing will.
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        let mut room = ReadBuf::new(&mut self.input);
        let polled = Pin::new(&mut *self.socket).poll_read(context, &mut room);
        (self.filled, self.answered) = (room.filled().len(), 0);
        match ready!(polled) {
            Ok(()) if self.filled > 0 => {
                self.link.bytes_came();
                Poll::Ready(true)
            }
            _ => Poll::Ready(false),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Express<'_, S> {
    type Output = Option<Bytes>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = self.get_mut();
        loop {
            while this.sent < this.output.len() {
                let rest = &this.output[this.sent..];
                match ready!(Pin::new(&mut *this.socket).poll_write(context, rest)) {
                    Ok(written) if written > 0 => this.sent += written,
                    _ => return Poll::Ready(None),
                }
            }
            if this.sent > 0 {
                ready!(Pin::new(&mut *this.socket).poll_flush(context)).ok();
                this.output.clear();
                this.sent = 0;
                this.link.all_sent();
            }
            if this.answered < this.filled {
                if this.answer_next() {
                    continue;
                }
                this.link.bytes_came();
                let ahead = &this.input[this.answered..this.filled];
                return Poll::Ready(Some(Bytes::copy_from_slice(ahead)));
            }
            if this.is_finishing || !ready!(this.poll_more(context)) {
                return Poll::Ready(None);
            }
        }
    }
}

/// A request that needs nothing of HTTP but its target.
struct Simple<'a> {
    path: &'a str,
    query: &'a str,
    /// Length of its head; it has no body.
    bytes: usize,
}

impl<'a> Simple<'a> {
    /// `None` when the request at the beginning of `input` is not whole or not simple.
    fn read(input: &'a [u8], has_proxies: bool) -> Option<Self> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(bytes) = request.parse(input).ok()? else { return None };
        if request.method != Some("GET") || request.version != Some(1) {
            return None;
        }
        let is_simple = |header: &httparse::Header<'_>| is_simple(header, has_proxies);
        if !request.headers.iter().all(is_simple) {
            return None;
        }
        let target = request.path?;
        if !target.starts_with('/') || !target.bytes().all(|byte| IS_PLAIN[usize::from(byte)]) {
            return None;
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Some(Self { path, query, bytes })
    }
}

/// Whether an answer is the same with this header and without it.
fn is_simple(header: &httparse::Header<'_>, has_proxies: bool) -> bool {
    // By their lengths first: no header of a usual announce has one of these.
    let name = header.name;
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    match name.len() {
        6 => !is("expect"),
        7 => !(is("upgrade") || is("trailer")),
        10 => !is("connection") || header.value.eq_ignore_ascii_case(b"keep-alive"),
        14 => !is("content-length"),
        15 => !(has_proxies && is("x-forwarded-for")),
        17 => !is("transfer-encoding"),
        _ => true,
    }
}

/// Which bytes of a target hyper would hand on as they are; there are others of which it would too.
/// A table, since a target has two hundred of them.
const IS_PLAIN: [bool; 256] = {
    let signs = b"-._~!$&'()*+,;=:@/?%";
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut sign = 0;
    while sign < signs.len() {
        table[signs[sign] as usize] = true;
        sign += 1;
    }
    table
};

/// As hyper writes it.
fn write(reply: Reply, out: &mut Vec<u8>) {
    let (status, headers, body) = reply.into_whole().unwrap_or_else(|| {
        // The tracker's answers are never streams.
        let failed = StatusCode::INTERNAL_SERVER_ERROR.as_u16();
        (failed, warp::http::HeaderMap::new(), Bytes::new())
    });
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or("Unknown").as_bytes());
    for (name, value) in &headers {
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
    }
    // Writing to memory does not fail.
    let _ = write!(out, "\r\ncontent-length: {}\r\ndate: ", body.len());
    write_date(out);
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(&body);
}

/// The time as `Date` has it, made once a second.
fn write_date(out: &mut Vec<u8>) {
    thread_local! {
        static TEXT: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
    }
    let second = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    TEXT.with_borrow_mut(|(made_at, text)| {
        if *made_at != second {
            *text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
            *made_at = second;
        }
        out.extend_from_slice(text.as_bytes());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str) -> Option<(String, String, usize)> {
        let simple = Simple::read(head.as_bytes(), true)?;
        Some((simple.path.to_owned(), simple.query.to_owned(), simple.bytes))
    }

    #[test]
    fn only_what_is_sure_is_taken() {
        let whole = "GET /announce/KEY?a=%ff&b HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n";
        let taken = Some(("/announce/KEY".into(), "a=%ff&b".into(), whole.len()));
        assert_eq!(read(whole), taken);
        assert_eq!(read(&format!("{whole}GET")), taken, "what follows is left alone");
        assert_eq!(read("GET / HTTP/1.1\r\n\r\n"), Some(("/".into(), String::new(), 18)));
        assert!(read("GET / HTTP/1.1\r\nConnection: Keep-Alive\r\n\r\n").is_some());
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]), None, "not whole");
        }
        for head in [
            "HEAD / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n",
            "GET http://x/ HTTP/1.1\r\n\r\n",
            "GET * HTTP/1.1\r\n\r\n",
            "GET /#a HTTP/1.1\r\n\r\n",
            "GET /\"a HTTP/1.1\r\n\r\n",
            "GET /\u{e4} HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nA\r\n\r\n",
            "\r\n",
            "\u{16}\u{3}\u{1}",
        ] {
            assert_eq!(read(head), None, "{head}");
        }
        for header in [
            "Connection: close",
            "connection: keep-alive, upgrade",
            "Content-Length: 5",
            "Transfer-Encoding: chunked",
            "Expect: 100-continue",
            "Upgrade: h2c",
            "Trailer: x",
            "X-Forwarded-For: 192.0.2.1",
        ] {
            assert_eq!(read(&format!("GET / HTTP/1.1\r\n{header}\r\n\r\n")), None, "{header}");
        }
        let many = "A: b\r\n".repeat(HEADERS_MAX + 1);
        assert_eq!(read(&format!("GET / HTTP/1.1\r\n{many}\r\n")), None);
    }
}
