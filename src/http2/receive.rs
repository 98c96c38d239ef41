//! What comes: each type of frame and what it does (RFC 9113 section 6).

use super::connection::{Arrived, Block, Connection, Failure, LEAVING, Leaving, Role};
use super::frame::{self, Header};
use super::head::Head;
use super::stream::{Cut, Stream};
use super::{Reason, settings};
use crate::message::{Buffer, Request, Size};

type Taken = Result<(), Failure>;

fn wrong(message: &'static str) -> Taken {
    Err(Failure::new(Reason::PROTOCOL_ERROR, message))
}

fn missized(message: &'static str) -> Taken {
    Err(Failure::new(Reason::FRAME_SIZE_ERROR, message))
}

/// Takes a frame in.
///
/// # Errors
///
/// The connection is to be closed.
pub fn frame(connection: &mut Connection, header: Header, payload: &[u8], out: &mut Vec<u8>) -> Taken {
    if let Some(block) = &connection.block
        && (header.kind != frame::CONTINUATION || header.stream != block.stream)
    {
        return wrong("another frame amid a header block");
    }
    if !connection.peer.told && header.kind != frame::SETTINGS {
        return wrong("the first frame is not SETTINGS");
    }
    match header.kind {
        frame::DATA => connection.on_data(header, payload, out),
        frame::HEADERS => connection.on_headers(header, payload, out),
        frame::PRIORITY => connection.on_priority(header, payload, out),
        frame::RST_STREAM => connection.on_reset(header, payload),
        frame::SETTINGS => connection.on_settings(header, payload, out),
        // Nobody was allowed to (section 8.4).
        frame::PUSH_PROMISE => wrong("PUSH_PROMISE"),
        frame::PING => connection.on_ping(header, payload, out),
        frame::GOAWAY => connection.on_go_away(header, payload),
        frame::WINDOW_UPDATE => connection.on_window_update(header, payload, out),
        frame::CONTINUATION => connection.on_continuation(header, payload, out),
        // Section 5.5: what is not known is ignored.
        _ => connection.costs(),
    }
}

impl Connection {
    /// Something that only costs.
    fn costs(&mut self) -> Taken {
        match self.calm.costs() {
            true => Ok(()),
            false => Err(Failure::new(Reason::ENHANCE_YOUR_CALM, "too much that only costs")),
        }
    }

    /// Whether a stream was never opened.
    fn is_idle(&self, id: u32) -> bool {
        let ours = id % 2 == u32::from(self.role == Role::Client);
        if ours { id >= self.next_id } else { id > self.last_seen }
    }

    /// An error of one stream (section 5.4.2).
    fn fail(&mut self, id: u32, reason: Reason, message: &'static str, out: &mut Vec<u8>) -> Taken {
        frame::reset(out, id, reason);
        if let Some(stream) = self.streams.find(id) {
            stream.cut(Cut::Malformed(message));
        }
        self.remember(id);
        self.costs()
    }

    /// A frame for a stream that has ended (section 5.1): under way as this side gave it up, or wrong.
    fn late(&mut self, id: u32, out: &mut Vec<u8>) -> Taken {
        if self.is_ours_alone() {
            return Ok(());
        }
        if !self.given_up.contains(&id) {
            frame::reset(out, id, Reason::STREAM_CLOSED);
            self.remember(id);
        }
        self.costs()
    }

    /// Whether all streams are those that this side opens. It gives up as many of them as it likes, more than it remembers, and
    /// something of each may be under way by then: that is no fault of the other side.
    fn is_ours_alone(&self) -> bool {
        self.role == Role::Client
    }

    /// HEADERS for a stream that has ended, or that was passed over (sections 5.1 and 5.1.1).
    fn late_head(&mut self, id: u32) -> Taken {
        if self.is_ours_alone() {
            return Ok(());
        }
        if self.given_up.contains(&id) {
            return self.costs();
        }
        let reason = if id == self.last_seen { Reason::STREAM_CLOSED } else { Reason::PROTOCOL_ERROR };
        Err(Failure::new(reason, "HEADERS on a stream that has ended"))
    }

    fn on_data(&mut self, header: Header, payload: &[u8], out: &mut Vec<u8>) -> Taken {
        let id = header.stream;
        if id == 0 || self.is_idle(id) {
            return wrong("DATA on a stream that is not open");
        }
        if !self.receive_window.take(payload.len()) {
            return Err(Failure::new(Reason::FLOW_CONTROL_ERROR, "more DATA than the connection has room for"));
        }
        let Some(data) = frame::without_padding(header, payload) else { return wrong("more padding than payload") };
        let last = header.has(frame::END_STREAM);
        let useful = last || !data.is_empty();
        if !useful {
            self.costs()?;
        }
        let Some(stream) = self.streams.find(id).filter(|stream| stream.cut.is_none()) else {
            self.receive_window.release(payload.len(), 0, out);
            // A body may be under way as its request is answered; it costs its sender as much.
            return if useful && self.given_up.contains(&id) { Ok(()) } else { self.late(id, out) };
        };
        let kept = match stream.take_data(data, payload.len(), last) {
            Ok(()) => data.len(),
            Err((reason, message)) => {
                self.receive_window.release(payload.len(), 0, out);
                return self.fail(id, reason, message, out);
            }
        };
        // Padding is used as it comes.
        if payload.len() > kept {
            stream.receive_window.release(payload.len() - kept, id, out);
            self.receive_window.release(payload.len() - kept, 0, out);
        }
        if useful {
            self.calm.pays();
        }
        Ok(())
    }

    fn on_headers(&mut self, header: Header, payload: &[u8], out: &mut Vec<u8>) -> Taken {
        if header.stream == 0 {
            return wrong("HEADERS of no stream");
        }
        let Some(mut fragment) = frame::without_padding(header, payload) else {
            return wrong("more padding than payload");
        };
        if header.has(frame::WITH_PRIORITY) {
            let Some((&[a, b, c, d, _], rest)) = fragment.split_first_chunk::<5>() else {
                return missized("HEADERS without the priority that they announce");
            };
            if frame::number([a, b, c, d]) & !(1 << 31) == header.stream {
                return wrong("a stream that depends on itself");
            }
            fragment = rest;
        }
        let last = header.has(frame::END_STREAM);
        if header.has(frame::END_HEADERS) {
            return self.on_block(header.stream, last, fragment, out);
        }
        let mut bytes = Buffer::head();
        bytes.append(fragment);
        self.block = Some(Block { stream: header.stream, last, bytes });
        Ok(())
    }

    fn on_continuation(&mut self, header: Header, payload: &[u8], out: &mut Vec<u8>) -> Taken {
        let Some(mut block) = self.block.take() else { return wrong("CONTINUATION of nothing") };
        // What is longer than this even compressed is longer than any head that is taken.
        if block.bytes.len() + payload.len() > 2 * self.limits.head {
            return Err(Failure::new(Reason::ENHANCE_YOUR_CALM, "a header block without end"));
        }
        block.bytes.append(payload);
        if header.has(frame::END_HEADERS) {
            return self.on_block(block.stream, block.last, &block.bytes, out);
        }
        self.block = Some(block);
        self.costs()
    }

    /// A whole header block. It is decoded whatever becomes of it, since all that follow depend on it.
    fn on_block(&mut self, id: u32, last: bool, block: &[u8], out: &mut Vec<u8>) -> Taken {
        let mut head = Head::new(self.limits.head);
        if head.decode(&mut self.decoder, &mut self.runs, block).is_err() {
            return Err(Failure::new(Reason::COMPRESSION_ERROR, "fields that cannot be decompressed"));
        }
        if let Some(stream) = self.streams.find(id) {
            if stream.cut.is_some() {
                return self.late(id, out);
            }
            let taken = match &stream.answer {
                Some(answer) if !answer.whole => stream.take_answer(head, last),
                _ => stream.take_trailers(head, last),
            };
            return match taken {
                Ok(()) => Ok(()),
                Err((reason, message)) => self.fail(id, reason, message, out),
            };
        }
        if !self.is_idle(id) {
            return self.late_head(id);
        }
        if self.role == Role::Client || id.is_multiple_of(2) {
            return wrong("HEADERS on a stream that is not open");
        }
        self.last_seen = id;
        self.begin(id, last, head, out)
    }

    /// A stream that the client opens.
    #[inline]
    fn begin(&mut self, id: u32, last: bool, head: Head, out: &mut Vec<u8>) -> Taken {
        if matches!(self.leaving, Leaving::After(after) if id > after) {
            // It has been told that it is not taken.
            self.remember(id);
            return Ok(());
        }
        if self.is_full() {
            frame::reset(out, id, Reason::REFUSED_STREAM);
            self.remember(id);
            return self.costs();
        }
        let request = match head.into_request(last) {
            Ok(request) => request,
            Err(message) => return self.fail(id, Reason::PROTOCOL_ERROR, message, out),
        };
        let mut stream = Stream::new(id, self.peer.stream_window, self.limits.stream_window);
        stream.receives = !last;
        if let Some(Request { size: Size::Known(length), .. }) = request {
            stream.announced = Some(length);
        }
        let key = self.streams.insert(stream);
        self.arrived.push_back(Arrived { key, request });
        Ok(())
    }

    /// Whether the client has as many streams as it may. Of those that it has given up as many may still be at work: who gives
    /// one up may open another at once, and nobody has more at work than twice as many.
    fn is_full(&self) -> bool {
        let most = self.limits.streams as usize;
        let all = self.streams.len();
        all >= most && (all >= 2 * most || self.streams.iter().filter(|stream| stream.cut.is_none()).count() >= most)
    }

    /// Priorities are not followed (section 5.3.2).
    fn on_priority(&mut self, header: Header, payload: &[u8], out: &mut Vec<u8>) -> Taken {
        let &[a, b, c, d, _] = payload else {
            if header.stream == 0 {
                return wrong("PRIORITY of no stream");
            }
            return self.fail(header.stream, Reason::FRAME_SIZE_ERROR, "PRIORITY of the wrong size", out);
        };
        if header.stream == 0 {
            return wrong("PRIORITY of no stream");
        }
        if frame::number([a, b, c, d]) & !(1 << 31) == header.stream {
            return self.fail(header.stream, Reason::PROTOCOL_ERROR, "a stream that depends on itself", out);
        }
        self.costs()
    }

    fn on_reset(&mut self, header: Header, payload: &[u8]) -> Taken {
        let &[a, b, c, d] = payload else { return missized("RST_STREAM of the wrong size") };
        if header.stream == 0 || self.is_idle(header.stream) {
            return wrong("RST_STREAM of a stream that is not open");
        }
        let reason = Reason(frame::number([a, b, c, d]));
        let Some(stream) = self.streams.find(header.stream) else {
            return if self.is_ours_alone() { Ok(()) } else { self.costs() };
        };
        let cut = if reason == Reason::REFUSED_STREAM { Cut::Refused } else { Cut::Reset(reason) };
        let answered = !stream.sends && stream.cut.is_none();
        stream.cut(cut);
        // A client that gives up what it asked for has cost a request, and once is enough.
        if self.role == Role::Server && !answered { self.costs() } else { Ok(()) }
    }

    fn on_settings(&mut self, header: Header, payload: &[u8], out: &mut Vec<u8>) -> Taken {
        if header.stream != 0 {
            return wrong("SETTINGS of a stream");
        }
        if header.has(frame::ACK) {
            return if payload.is_empty() {
                self.costs()
            } else {
                missized("an answer to SETTINGS that says something")
            };
        }
        let before = self.peer;
        self.peer.hear(payload, self.role)?;
        let settings::Peer { stream_window, table, .. } = self.peer;
        if table != before.table {
            self.encoder.resize(table as usize);
        }
        let change = i64::from(stream_window) - i64::from(before.stream_window);
        if change != 0 {
            // Section 6.9.2: it counts for streams that are open, too.
            for stream in self.streams.iter_mut() {
                if !stream.send_window.change(change) {
                    return Err(Failure::new(Reason::FLOW_CONTROL_ERROR, "a window that is too large"));
                }
                stream.wake();
            }
        }
        self.wake_waiting();
        frame::settings_taken(out);
        self.costs()
    }

    fn on_ping(&mut self, header: Header, payload: &[u8], out: &mut Vec<u8>) -> Taken {
        let Ok(opaque) = <[u8; 8]>::try_from(payload) else { return missized("PING of the wrong size") };
        if header.stream != 0 {
            return wrong("PING of a stream");
        }
        if !header.has(frame::ACK) {
            frame::ping(out, opaque, true);
            return self.costs();
        }
        if opaque == LEAVING && self.leaving == Leaving::Warned {
            self.leaving = Leaving::After(self.last_seen);
            frame::go_away(out, self.last_seen, Reason::NO_ERROR);
        }
        self.costs()
    }

    fn on_go_away(&mut self, header: Header, payload: &[u8]) -> Taken {
        let Some((last, _)) = payload.split_first_chunk::<4>().filter(|_| payload.len() >= 8) else {
            return missized("GOAWAY of the wrong size");
        };
        if header.stream != 0 {
            return wrong("GOAWAY of a stream");
        }
        self.is_left = true;
        if self.role == Role::Client {
            let last = frame::number(*last) & !(1 << 31);
            self.streams.iter_mut().filter(|stream| stream.id > last).for_each(|stream| stream.cut(Cut::Refused));
        }
        self.wake_waiting();
        self.costs()
    }

    fn on_window_update(&mut self, header: Header, payload: &[u8], out: &mut Vec<u8>) -> Taken {
        let Ok(more) = <[u8; 4]>::try_from(payload) else { return missized("WINDOW_UPDATE of the wrong size") };
        let more = frame::number(more) & !(1 << 31);
        let id = header.stream;
        if id == 0 {
            if more == 0 {
                return wrong("WINDOW_UPDATE by nothing");
            }
            return match self.send_window.change(i64::from(more)) {
                true => Ok(()),
                false => Err(Failure::new(Reason::FLOW_CONTROL_ERROR, "a window that is too large")),
            };
        }
        if self.is_idle(id) {
            return wrong("WINDOW_UPDATE of a stream that is not open");
        }
        let Some(stream) = self.streams.find(id).filter(|stream| stream.cut.is_none()) else { return Ok(()) };
        if more == 0 {
            return self.fail(id, Reason::PROTOCOL_ERROR, "WINDOW_UPDATE by nothing", out);
        }
        let waits = stream.send_window.room() == 0;
        if !stream.send_window.change(i64::from(more)) {
            return self.fail(id, Reason::FLOW_CONTROL_ERROR, "a window that is too large", out);
        }
        if waits {
            stream.wake();
        }
        Ok(())
    }
}
