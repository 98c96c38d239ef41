//! The codec as the proxy drives it (proxy/client/http1.rs, upstream/http1.rs), without a socket.

use http::{Method, StatusCode, Version};
use weir::http1::{self, Body, Step};
use weir::message::{Field, FieldSection, Request, Response, Size};

use super::{End, Fields, First, Message, Reading, text};

/// Reads a client's bytes as they arrive.
pub fn requests(pieces: &[&[u8]]) -> Reading {
    read(pieces, None)
}

/// Reads what an endpoint sends until it closes.
pub fn responses(pieces: &[&[u8]], to_head: bool) -> Reading {
    read(pieces, Some(to_head))
}

struct Reader {
    /// To answers: whether to HEAD.
    answers: Option<bool>,
    inbox: Vec<u8>,
    /// Bytes of a head that were looked at.
    seen: usize,
    body: Option<Body>,
    persistent: bool,
    /// The data that was handed on last was said to be all.
    ended: bool,
    messages: Vec<Message>,
    end: Option<End>,
}

fn read(pieces: &[&[u8]], answers: Option<bool>) -> Reading {
    let (messages, inbox) = (Vec::new(), Vec::new());
    let mut reader =
        Reader { answers, inbox, seen: 0, body: None, persistent: true, ended: false, messages, end: None };
    let mut unread = 0;
    for piece in pieces {
        match reader.end {
            None => reader.arrives(piece),
            Some(_) => unread += piece.len(),
        }
    }
    if answers.is_some() && reader.end.is_none() && matches!(reader.body, Some(Body::UntilClosed)) {
        reader.completes(None);
    }
    let end = reader.end.unwrap_or(match reader.body {
        Some(_) => End::Within,
        None if reader.inbox.is_empty() => End::Between,
        None => End::Within,
    });
    let rest = (answers.is_some() && end == End::Last).then(|| reader.inbox.len() + unread);
    Reading { messages: reader.messages, end, rest }
}

impl Reader {
    fn arrives(&mut self, piece: &[u8]) {
        if piece.is_empty() {
            return;
        }
        self.inbox.extend_from_slice(piece);
        while self.end.is_none() {
            let goes_on = if self.body.is_some() { self.body() } else { self.head() };
            if !goes_on {
                break;
            }
        }
    }

    fn refuses(&mut self, why: impl ToString) -> bool {
        self.end = Some(End::Refused(why.to_string()));
        false
    }

    /// Whether there is more to do with what has arrived.
    fn head(&mut self) -> bool {
        while self.answers.is_none() && self.seen <= 1 && self.inbox.starts_with(b"\r\n") {
            self.inbox.drain(..2);
            self.seen = 0;
        }
        let fresh = self.seen == 0 && !self.inbox.is_empty();
        let seen = std::mem::replace(&mut self.seen, self.inbox.len());
        let mut request = None;
        match self.answers {
            None => match http1::next_request(&self.inbox, seen, &mut request) {
                Some((length, Ok(()))) => self.takes(length).asked(&request.expect("a request that was read")),
                Some((_, Err(error))) => self.refuses(error),
                None if fresh && http1::starts_wrong(&self.inbox) => self.refuses("it starts wrong"),
                None => false,
            },
            Some(to_head) => match http1::next_response(&self.inbox, seen, to_head) {
                Some((length, Ok((response, persistent)))) => {
                    self.takes(length).answered(&response, persistent, to_head)
                }
                Some((_, Err(error))) => self.refuses(error),
                None => false,
            },
        }
    }

    fn takes(&mut self, length: usize) -> &mut Self {
        self.seen = 0;
        self.inbox.drain(..length);
        self
    }

    fn asked(&mut self, request: &Request) -> bool {
        let option = |wanted: &str| {
            request.fields.elements(Field::Connection).any(|option| option.eq_ignore_ascii_case(wanted.as_bytes()))
        };
        let minor = u8::from(request.version == Version::HTTP_11);
        self.persistent = if minor == 1 { !option("close") } else { option("keep-alive") && !option("close") };
        let first = First::Request {
            method: text(request.method.as_str().as_bytes()),
            authority: request.authority().map(text),
            path: text(request.path().as_bytes()),
            query: request.query().map(|query| text(query.as_bytes())),
            minor,
        };
        assert!(request.method == Method::CONNECT || !request.path().is_empty(), "a request has a path");
        self.messages.push(Message::begun(first, fields(&request.fields)));
        self.begins(request.size, false)
    }

    fn answered(&mut self, response: &Response, persistent: bool, to_head: bool) -> bool {
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            return self.refuses("nobody asked for another protocol");
        }
        let first = First::Response { status: response.status.as_u16() };
        self.messages.push(Message::begun(first, fields(&response.fields)));
        if response.status.is_informational() {
            self.last().complete = true;
            return true;
        }
        self.persistent = persistent;
        let bodiless = Response::is_bodiless(response.status, to_head);
        let size = if bodiless { Size::None } else { response.size };
        self.begins(size, !response.fields.has(Field::TransferEncoding))
    }

    fn begins(&mut self, size: Size, until_closed: bool) -> bool {
        self.ended = false;
        self.body = Some(match size {
            Size::None => Body::Ended,
            Size::Known(length) => Body::Length(length),
            Size::Unknown if until_closed => Body::UntilClosed,
            Size::Unknown => Body::CHUNKED,
        });
        true
    }

    fn last(&mut self) -> &mut Message {
        self.messages.last_mut().expect("a head was read")
    }

    fn completes(&mut self, trailers: Option<FieldSection>) {
        let last = self.last();
        last.complete = true;
        last.trailers = trailers.as_ref().map(fields).unwrap_or_default();
        self.body = None;
        if self.answers.is_some() || !self.persistent {
            self.end = Some(End::Last);
        }
    }

    fn body(&mut self) -> bool {
        let Some(body) = &mut self.body else { return true };
        match body.step(&self.inbox) {
            Ok(Step::Data(length)) => {
                assert!(!self.ended, "data after what was said to be all");
                self.ended = body.ends_with(length, &self.inbox);
                body.used(length);
                let data: Vec<u8> = self.inbox.drain(..length).collect();
                self.last().body.push_str(&text(&data));
                true
            }
            Ok(Step::Skip(length)) => {
                self.inbox.drain(..length);
                true
            }
            Ok(Step::More) => {
                assert!(!self.ended, "more is waited for after what was said to be all");
                false
            }
            Ok(Step::End(length, trailers)) => {
                assert!(!self.ended || trailers.is_none(), "trailers after what was said to be all");
                self.inbox.drain(..length);
                self.completes(trailers);
                true
            }
            Err(error) => {
                assert!(!self.ended, "broken after what was said to be all");
                self.refuses(error)
            }
        }
    }
}

fn fields(section: &FieldSection) -> Fields {
    section.iter().map(|(_, name, value)| (text(&name.to_ascii_lowercase()), text(value))).collect()
}
