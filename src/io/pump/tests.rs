use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use crate::io::{Pump, Ready, Side, Sink, Source, Stopped};
use crate::message::{Broken, FieldSection};

/// What a source does when it is asked.
enum Event {
    Piece(&'static str),
    Nothing,
    Broken,
}

use Event::{Nothing, Piece};

/// A source that has these events in turn, then its end.
#[derive(Default)]
struct Script {
    events: VecDeque<Event>,
    data: Vec<u8>,
    trailers: Option<FieldSection>,
}

fn script(events: impl IntoIterator<Item = Event>) -> Script {
    Script { events: events.into_iter().collect(), ..Script::default() }
}

impl Source for Script {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<Ready, Broken>> {
        while self.data.is_empty() {
            match self.events.pop_front() {
                Some(Piece(text)) => self.data = text.as_bytes().to_vec(),
                Some(Nothing) => return Poll::Pending,
                Some(Event::Broken) => return Poll::Ready(Err(Broken::Closed)),
                None => return Poll::Ready(Ok(Ready::End)),
            }
        }
        Poll::Ready(Ok(Ready::Data))
    }

    fn data(&self) -> (&[u8], bool) {
        (&self.data, self.events.is_empty() && self.trailers.is_none())
    }

    fn consume(&mut self, count: usize) {
        self.data.drain(..count);
    }

    fn trailers(&mut self) -> Option<FieldSection> {
        self.trailers.take()
    }
}

/// A sink that takes at most `most` bytes a call. It is called as often as each of `takes` says before it waits once.
struct Taker {
    taken: String,
    most: usize,
    takes: VecDeque<usize>,
    flushes: usize,
    last: bool,
    ended: Option<Option<String>>,
    broken: bool,
}

fn taker(most: usize, takes: impl IntoIterator<Item = usize>) -> Taker {
    let takes = takes.into_iter().collect();
    Taker { taken: String::new(), most, takes, flushes: 0, last: false, ended: None, broken: false }
}

impl Taker {
    fn is_full(&mut self) -> bool {
        match self.takes.front_mut() {
            Some(0) => {
                self.takes.pop_front();
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }
}

impl Sink for Taker {
    fn poll_send(&mut self, data: &[u8], last: bool, _: &mut Context<'_>) -> Poll<Result<usize, Broken>> {
        assert!(!data.is_empty() && self.ended.is_none());
        if self.broken {
            return Poll::Ready(Err(Broken::Closed));
        }
        if self.is_full() {
            return Poll::Pending;
        }
        let count = data.len().min(self.most);
        self.taken.push_str(std::str::from_utf8(&data[..count]).unwrap());
        self.last = last && count == data.len();
        Poll::Ready(Ok(count))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.flushes += 1;
        if self.broken {
            return Poll::Ready(Err(Broken::Closed));
        }
        if self.is_full() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn poll_finish(&mut self, trailers: &mut Option<FieldSection>, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        if self.broken {
            return Poll::Ready(Err(Broken::Closed));
        }
        let told = trailers.take().map(|trailers| format!("{trailers:?}"));
        let before = self.ended.take().flatten();
        self.ended = Some(told.or(before));
        if self.is_full() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }
}

fn poll(pump: &mut Pump, source: &mut Script, sink: &mut Taker) -> Poll<Result<(), Stopped>> {
    pump.poll(source, sink, &mut |_| {}, &mut Context::from_waker(Waker::noop()))
}

/// Polls until something other than waiting comes of it.
fn run(pump: &mut Pump, source: &mut Script, sink: &mut Taker) -> Result<(), Side> {
    for _ in 0..1000 {
        if let Poll::Ready(result) = poll(pump, source, sink) {
            return result.map_err(|stopped| stopped.side);
        }
    }
    panic!("it never ends");
}

fn sum() -> Option<FieldSection> {
    let mut trailers = FieldSection::new();
    trailers.append("x-sum", b"1");
    Some(trailers)
}

#[test]
fn a_body_gets_through_whatever_the_sink_takes_at_once() {
    for most in 1..8 {
        let mut source = script([Piece("hello"), Nothing, Piece(" "), Piece("wor"), Nothing, Nothing, Piece("ld")]);
        let mut sink = taker(most, [0, 1, 0, 2, 0, 0]);
        let mut pump = Pump::new(None);
        assert_eq!(run(&mut pump, &mut source, &mut sink), Ok(()));
        assert_eq!((&*sink.taken, sink.last, sink.ended), ("hello world", true, Some(None)));
        assert_eq!((pump.moved(), pump.is_done()), (11, true));
    }
}

#[test]
fn a_body_of_nothing_ends() {
    let (mut source, mut sink, mut pump) = (script([Nothing]), taker(8, []), Pump::new(None));
    assert_eq!(run(&mut pump, &mut source, &mut sink), Ok(()));
    assert_eq!((&*sink.taken, sink.ended, pump.moved()), ("", Some(None), 0));
}

#[test]
fn it_is_done_once_the_sink_has_taken_the_end() {
    let (mut source, mut sink, mut pump) = (script([Piece("a")]), taker(8, [1, 0]), Pump::new(None));
    assert!(poll(&mut pump, &mut source, &mut sink).is_pending());
    assert_eq!((&*sink.taken, pump.is_done()), ("a", false));
    assert_eq!(run(&mut pump, &mut source, &mut sink), Ok(()));
    assert!(pump.is_done());
}

#[test]
fn trailers_are_looked_at_once_and_go_after_the_data() {
    let mut source = Script { trailers: sum(), ..script([Piece("a")]) };
    let (mut sink, mut pump, mut seen) = (taker(8, [1, 0, 0]), Pump::new(None), 0);
    let mut ends = |trailers: Option<&mut FieldSection>| {
        seen += 1;
        trailers.expect("trailers").append("x-more", b"2");
    };
    let mut context = Context::from_waker(Waker::noop());
    while pump.poll(&mut source, &mut sink, &mut ends, &mut context).is_pending() {}
    assert_eq!((seen, sink.last), (1, false));
    assert_eq!(sink.ended, Some(Some(r#"[("x-sum", "1"), ("x-more", "2")]"#.to_owned())));
}

#[test]
fn the_end_is_told_once_and_before_the_last_bytes_go() {
    for (events, takes, most) in [
        (vec![Piece("a"), Nothing, Piece("bc")], vec![1, 0, 0, 0], 8),
        (vec![Piece("abc")], vec![0, 0], 1),
        (vec![Piece("abc"), Nothing], vec![], 8),
        (vec![], vec![0, 0], 8),
    ] {
        let (mut source, mut sink, mut pump) = (script(events), taker(most, takes), Pump::new(None));
        let mut context = Context::from_waker(Waker::noop());
        let mut told = 0;
        while !pump.is_done() {
            let before = told;
            let mut ends = |trailers: Option<&mut FieldSection>| {
                assert!(trailers.is_none());
                told += 1;
            };
            let _ = pump.poll(&mut source, &mut sink, &mut ends, &mut context);
            assert!(before == 1 || told == 1 || !sink.last && sink.ended.is_none());
        }
        assert_eq!(told, 1);
    }
}

#[test]
fn the_sink_is_flushed_only_when_the_source_has_nothing() {
    let (mut source, mut sink, mut pump) =
        (script([Piece("a"), Piece("b"), Nothing, Piece("c")]), taker(8, []), Pump::new(None));
    assert!(poll(&mut pump, &mut source, &mut sink).is_pending());
    assert_eq!((&*sink.taken, sink.flushes), ("ab", 1));
    assert_eq!(run(&mut pump, &mut source, &mut sink), Ok(()));
    assert_eq!(sink.flushes, 1);
}

#[test]
fn it_tells_whom_it_waits_for() {
    // The source has nothing, and everything has gone.
    let (mut source, mut sink, mut pump) = (script([Piece("a"), Nothing]), taker(8, []), Pump::new(None));
    assert!(poll(&mut pump, &mut source, &mut sink).is_pending());
    assert!(pump.is_starved());
    // The sink takes nothing.
    let (mut source, mut sink, mut pump) = (script([Piece("a")]), taker(8, [0]), Pump::new(None));
    assert!(poll(&mut pump, &mut source, &mut sink).is_pending());
    assert!(!pump.is_starved());
    // The source has nothing, but neither has the sink let go of what it holds.
    let (mut source, mut sink, mut pump) = (script([Piece("a"), Nothing, Nothing]), taker(8, [1]), Pump::new(None));
    assert!(poll(&mut pump, &mut source, &mut sink).is_pending());
    assert!(!pump.is_starved());
    assert!(poll(&mut pump, &mut source, &mut sink).is_pending());
    assert!(pump.is_starved());
    // The sink does not take the end.
    let (mut source, mut sink, mut pump) = (script([]), taker(8, [0]), Pump::new(None));
    assert!(poll(&mut pump, &mut source, &mut sink).is_pending());
    assert!(!pump.is_starved());
}

#[test]
fn it_tells_whether_anything_has_moved_since_it_was_asked() {
    let (mut source, mut sink, mut pump) =
        (script([Piece("a"), Nothing, Nothing, Piece("b")]), taker(8, []), Pump::new(None));
    assert!(!pump.has_moved());
    let _ = poll(&mut pump, &mut source, &mut sink);
    assert!(pump.has_moved() && !pump.has_moved());
    let _ = poll(&mut pump, &mut source, &mut sink);
    assert!(!pump.has_moved());
    let _ = poll(&mut pump, &mut source, &mut sink);
    assert!(pump.has_moved());
}

#[test]
fn a_body_of_the_limit_gets_through_and_a_longer_one_does_not() {
    for most in [1, 100] {
        let body = || script([Piece("hello"), Nothing, Piece("world")]);
        let (mut sink, mut pump) = (taker(most, []), Pump::new(Some(10)));
        assert_eq!(run(&mut pump, &mut body(), &mut sink), Ok(()));
        assert_eq!(sink.taken, "helloworld");
        for limit in 0..10 {
            let (mut sink, mut pump) = (taker(most, []), Pump::new(Some(limit)));
            assert_eq!(run(&mut pump, &mut body(), &mut sink), Err(Side::Limit), "{limit}");
            assert!(sink.taken.len() as u64 <= limit && sink.ended.is_none());
        }
    }
}

#[test]
fn it_tells_which_side_failed() {
    let (mut source, mut sink, mut pump) = (script([Piece("a"), Event::Broken]), taker(8, []), Pump::new(None));
    assert_eq!(run(&mut pump, &mut source, &mut sink), Err(Side::Source));
    assert_eq!((&*sink.taken, sink.ended), ("a", None), "what breaks off never ends cleanly");
    for events in [vec![Piece("a")], vec![Nothing], vec![]] {
        let (mut source, mut pump) = (script(events), Pump::new(None));
        let mut sink = Taker { broken: true, ..taker(8, []) };
        assert_eq!(run(&mut pump, &mut source, &mut sink), Err(Side::Sink));
        assert!(!pump.is_done());
    }
}

#[test]
fn one_that_is_stopped_moves_nothing_more() {
    let (mut source, mut sink, mut pump) = (script([Piece("a"), Nothing, Piece("b")]), taker(8, []), Pump::new(None));
    let _ = poll(&mut pump, &mut source, &mut sink);
    pump.stop();
    assert_eq!(run(&mut pump, &mut source, &mut sink), Ok(()));
    assert_eq!((&*sink.taken, sink.ended, pump.is_done()), ("a", None, true));
}

#[test]
fn another_sink_gets_all_of_a_body_of_which_nothing_has_gone() {
    let (mut source, mut pump) = (script([Piece("hello")]), Pump::new(Some(5)));
    let mut first = Taker { broken: true, ..taker(8, []) };
    assert_eq!(run(&mut pump, &mut source, &mut first), Err(Side::Sink));
    pump.restart();
    let mut second = taker(8, []);
    assert_eq!(run(&mut pump, &mut source, &mut second), Ok(()));
    assert_eq!((&*second.taken, second.ended, pump.moved()), ("hello", Some(None), 5));
}

#[test]
fn another_sink_gets_the_end_of_a_body_of_nothing() {
    let (mut source, mut pump) = (script([]), Pump::new(None));
    let mut first = taker(8, []);
    assert_eq!(run(&mut pump, &mut source, &mut first), Ok(()));
    pump.restart();
    let mut second = taker(8, []);
    assert_eq!(run(&mut pump, &mut source, &mut second), Ok(()));
    assert_eq!(second.ended, Some(None));
}

#[test]
fn a_body_of_nothing_whose_trailers_have_gone_is_not_untouched() {
    // The first sink may have taken them without anybody having read them: they could not be given to another.
    let (mut source, mut pump) = (Script { trailers: sum(), ..script([]) }, Pump::new(None));
    assert!(pump.is_untouched());
    assert_eq!(run(&mut pump, &mut source, &mut taker(8, [])), Ok(()));
    assert_eq!((pump.moved(), pump.is_untouched()), (0, false));
}
