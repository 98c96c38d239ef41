use super::*;

/// A body that comes in pieces, with trailers.
struct Pieces {
    left: Vec<Vec<u8>>,
    trailers: Option<FieldSection>,
}

impl Pieces {
    fn new(pieces: &[&[u8]]) -> Self {
        let mut trailers = FieldSection::new();
        trailers.append("x-sum", b"1");
        Self { left: pieces.iter().rev().map(|piece| piece.to_vec()).collect(), trailers: Some(trailers) }
    }
}

impl Source for Pieces {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<Ready, Broken>> {
        Poll::Ready(Ok(if self.left.is_empty() { Ready::End } else { Ready::Data }))
    }

    fn data(&self) -> (&[u8], bool) {
        (self.left.last().map_or(&[][..], Vec::as_slice), self.left.len() == 1)
    }

    fn consume(&mut self, count: usize) {
        let Some(piece) = self.left.last_mut() else { return };
        piece.drain(..count);
        if piece.is_empty() {
            self.left.pop();
        }
    }

    fn trailers(&mut self) -> Option<FieldSection> {
        self.trailers.take()
    }
}

/// Takes at most `most` bytes, three at a time; gives them, and the trailers if the end was among them.
fn take(kept: &mut Option<Replay>, rest: &mut Pieces, most: usize) -> (Vec<u8>, Option<FieldSection>) {
    let mut body = Replayed { kept, rest: Borrowed(rest) };
    let mut context = Context::from_waker(std::task::Waker::noop());
    let mut taken = Vec::new();
    while taken.len() < most {
        match body.poll_ready(&mut context) {
            Poll::Ready(Ok(Ready::Data)) => {
                let data = body.data().0;
                let count = data.len().min(3).min(most - taken.len());
                taken.extend_from_slice(&data[..count]);
                body.consume(count);
            }
            Poll::Ready(Ok(Ready::End)) => return (taken, body.trailers()),
            other => panic!("{other:?}"),
        }
    }
    (taken, None)
}

struct Borrowed<'a>(&'a mut Pieces);

impl Source for Borrowed<'_> {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<Ready, Broken>> {
        self.0.poll_ready(context)
    }

    fn data(&self) -> (&[u8], bool) {
        self.0.data()
    }

    fn consume(&mut self, count: usize) {
        self.0.consume(count);
    }

    fn trailers(&mut self) -> Option<FieldSection> {
        self.0.trailers()
    }
}

#[test]
fn a_body_goes_as_often_as_it_must() {
    let room = Room::default();
    let mut rest = Pieces::new(&[b"hello ", b"wide ", b"world"]);
    let mut kept = Some(Replay::new(100, &room));
    for most in [0, 4, 9, 2] {
        assert_eq!(take(&mut kept, &mut rest, most).0, b"hello wide world"[..most]);
        kept.as_mut().unwrap().restart();
    }
    for _ in 0..2 {
        let (taken, trailers) = take(&mut kept, &mut rest, usize::MAX);
        assert_eq!(taken, b"hello wide world");
        assert!(trailers.is_some_and(|trailers| !trailers.is_empty()), "the trailers are lost");
        kept.as_mut().unwrap().restart();
    }
}

#[test]
fn a_body_that_is_too_long_is_not_kept_but_goes() {
    let room = Room::default();
    let mut rest = Pieces::new(&[b"hello ", b"wide ", b"world"]);
    let mut kept = Some(Replay::new(8, &room));
    assert_eq!(take(&mut kept, &mut rest, 7).0, b"hello w");
    kept.as_mut().unwrap().restart();
    assert_eq!(take(&mut kept, &mut rest, usize::MAX).0, b"hello wide world");
    assert!(kept.is_none());
    assert_eq!(room.get(), 0);
}

#[test]
fn a_worker_keeps_a_bounded_number_of_bytes() {
    let room = Room::default();
    let piece = vec![7; 1024 * 1024];
    let mut bodies = Vec::new();
    for _ in 0..20 {
        let mut kept = Some(Replay::new(1024 * 1024, &room));
        take(&mut kept, &mut Pieces::new(&[&piece]), usize::MAX);
        bodies.push(kept);
        assert!(room.get() <= MOST + 1024 * 1024, "{}", room.get());
    }
    let count = bodies.iter().flatten().count();
    assert!((8..=16).contains(&count), "{count} bodies of 1 MiB");
    drop(bodies);
    assert_eq!(room.get(), 0);
}
