use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::io::{Coalesced, Drain};
use crate::message::LARGE;

/// A stream that tells what is done to it.
#[derive(Clone, Default)]
struct Told {
    writes: Rc<RefCell<Vec<Vec<u8>>>>,
    /// Bytes that it takes before it waits; none: any number.
    room: Rc<Cell<Option<usize>>>,
    incoming: Rc<RefCell<Vec<u8>>>,
    flushed: Rc<Cell<usize>>,
    shut: Rc<Cell<bool>>,
}

impl Told {
    fn written(&self) -> Vec<u8> {
        self.writes.borrow().concat()
    }
}

impl AsyncRead for Told {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut incoming = self.incoming.borrow_mut();
        if incoming.is_empty() {
            return Poll::Pending;
        }
        let length = incoming.len().min(buffer.remaining());
        buffer.put_slice(&incoming.drain(..length).collect::<Vec<_>>());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Told {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let room = self.room.get().unwrap_or(usize::MAX).min(bytes.len());
        if room == 0 {
            return Poll::Pending;
        }
        self.room.set(self.room.get().map(|left| left - room));
        self.writes.borrow_mut().push(bytes[..room].to_vec());
        Poll::Ready(Ok(room))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushed.set(self.flushed.get() + 1);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shut.set(true);
        Poll::Ready(Ok(()))
    }
}

struct Both {
    told: Told,
    heard: Rc<Cell<bool>>,
    codec: Coalesced<Told>,
    drain: Drain<Told>,
}

fn both(ahead: &'static [u8]) -> Both {
    let (told, heard) = (Told::default(), Rc::new(Cell::new(false)));
    let (codec, drain) = Coalesced::new(told.clone(), Bytes::from_static(ahead), Rc::clone(&heard));
    Both { told, heard, codec, drain }
}

impl Both {
    fn write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.codec).poll_write(&mut Context::from_waker(Waker::noop()), bytes)
    }

    fn drain(&self) -> Poll<io::Result<bool>> {
        self.drain.poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Up to `most` bytes; none: nothing is there.
    fn read(&mut self, most: usize) -> Option<Vec<u8>> {
        let mut space = vec![0; most];
        let mut buffer = ReadBuf::new(&mut space);
        let poll = Pin::new(&mut self.codec).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer);
        match poll {
            Poll::Ready(result) => {
                result.unwrap();
                Some(buffer.filled().to_vec())
            }
            Poll::Pending => None,
        }
    }
}

fn took(poll: Poll<io::Result<usize>>) -> Option<usize> {
    match poll {
        Poll::Ready(result) => Some(result.unwrap()),
        Poll::Pending => None,
    }
}

fn drained(poll: Poll<io::Result<bool>>) -> Option<bool> {
    match poll {
        Poll::Ready(result) => Some(result.unwrap()),
        Poll::Pending => None,
    }
}

#[test]
fn what_the_codec_writes_while_it_is_polled_goes_out_in_one_call() {
    let mut both = both(b"");
    for frame in [&b"one"[..], b"two", b"three"] {
        assert_eq!(took(both.write(frame)), Some(frame.len()));
        let flush = Pin::new(&mut both.codec).poll_flush(&mut Context::from_waker(Waker::noop()));
        assert!(flush.is_ready());
    }
    assert!(both.told.writes.borrow().is_empty());
    assert_eq!(drained(both.drain()), Some(false));
    assert_eq!(*both.told.writes.borrow(), [b"onetwothree"]);
    assert!(both.told.flushed.get() > 0);
    assert_eq!(drained(both.drain()), Some(false));
    assert_eq!(both.told.writes.borrow().len(), 1, "nothing is written twice");
}

#[test]
fn what_the_stream_does_not_take_yet_is_written_later_and_in_order() {
    let mut both = both(b"");
    both.told.room.set(Some(4));
    assert_eq!(took(both.write(b"one")), Some(3));
    assert_eq!(took(both.write(b"two")), Some(3));
    assert_eq!(drained(both.drain()), None);
    assert_eq!(took(both.write(b"three")), Some(5));
    assert_eq!(both.told.written(), b"onet");
    both.told.room.set(None);
    assert_eq!(drained(both.drain()), Some(false));
    assert_eq!(both.told.written(), b"onetwothree");
}

#[test]
fn the_codec_waits_where_too_much_waits_and_is_told_when_there_is_room() {
    let mut both = both(b"");
    both.told.room.set(Some(0));
    assert_eq!(took(both.write(&vec![b'a'; LARGE])), Some(LARGE));
    assert_eq!(took(both.write(b"b")), None, "it has to wait");
    assert_eq!(drained(both.drain()), None);
    both.told.room.set(None);
    assert_eq!(drained(both.drain()), Some(true), "it may have waited");
    assert_eq!(took(both.write(b"b")), Some(1));
    assert_eq!(drained(both.drain()), Some(false));
    let written = both.told.written();
    assert_eq!((written.len(), written.last()), (LARGE + 1, Some(&b'b')));
}

#[test]
fn more_than_may_wait_goes_out_before_what_follows_it() {
    let mut both = both(b"");
    assert_eq!(took(both.write(&vec![b'a'; LARGE])), Some(LARGE));
    assert_eq!(took(both.write(b"b")), Some(1));
    assert_eq!(both.told.written().len(), LARGE);
    assert_eq!(drained(both.drain()), Some(false));
    assert_eq!(both.told.written().len(), LARGE + 1);
}

#[test]
fn a_stream_that_takes_nothing_any_more_is_an_error() {
    struct Closed;
    impl AsyncRead for Closed {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }
    impl AsyncWrite for Closed {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(0))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }
    let (mut codec, drain) = Coalesced::new(Closed, Bytes::new(), Rc::default());
    let mut context = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut codec).poll_write(&mut context, b"one").is_ready());
    assert!(matches!(drain.poll(&mut context), Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::WriteZero));
}

#[test]
fn what_was_read_ahead_is_read_first() {
    let mut both = both(b"ahead");
    both.told.incoming.borrow_mut().extend_from_slice(b"then");
    assert_eq!(both.read(3), Some(b"ahe".to_vec()));
    assert_eq!(both.read(9), Some(b"ad".to_vec()));
    assert_eq!(both.read(9), Some(b"then".to_vec()));
    assert_eq!(both.read(9), None);
}

#[test]
fn it_notes_when_something_arrives() {
    let mut both = both(b"");
    assert_eq!(both.read(9), None);
    assert!(!both.heard.get());
    both.told.incoming.borrow_mut().push(b'a');
    assert_eq!(both.read(9), Some(b"a".to_vec()));
    assert!(both.heard.replace(false));
    assert_eq!(both.read(9), None);
    assert!(!both.heard.get());
}

#[test]
fn what_waits_goes_out_before_the_end() {
    let mut both = both(b"");
    both.told.room.set(Some(2));
    assert_eq!(took(both.write(b"one")), Some(3));
    let mut context = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut both.codec).poll_shutdown(&mut context).is_pending());
    assert!(!both.told.shut.get());
    both.told.room.set(None);
    assert!(Pin::new(&mut both.codec).poll_shutdown(&mut context).is_ready());
    assert_eq!((both.told.written(), both.told.shut.get()), (b"one".to_vec(), true));
}
