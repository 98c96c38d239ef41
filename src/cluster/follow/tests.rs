use futures_util::stream;
use tokio::time::Instant;

use super::*;

fn piece(frame: &Frame) -> Result<Bytes, std::io::Error> {
    Ok(frame.encode().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_for_five_seconds_is_taken_as_gone() {
    let begun = Instant::now();
    let beats = stream::unfold(0, |count| async move {
        // Four beats a second apart, then nothing.
        let wait = if count < 4 { Duration::from_secs(1) } else { Duration::from_secs(3600) };
        tokio::time::sleep(wait).await;
        Some((piece(&Frame::Beat { judges: false }), count + 1))
    });
    let mut hearing = Hearing::new(Box::pin(beats));
    for _ in 0..4 {
        assert_eq!(hearing.next().await.unwrap(), Frame::Beat { judges: false });
    }
    assert!(matches!(hearing.next().await, Err(Trouble::Silent)));
    assert_eq!(begun.elapsed(), Duration::from_secs(9));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_breaks_or_makes_no_sense_says_so() {
    let all = async |pieces: Vec<Result<Bytes, std::io::Error>>| {
        let mut hearing = Hearing::new(stream::iter(pieces));
        loop {
            if let Err(trouble) = hearing.next().await {
                return trouble.to_string();
            }
        }
    };
    let beat = || piece(&Frame::Beat { judges: true });
    assert_eq!(all(vec![beat()]).await, "has ended the stream");
    let broken = Err(std::io::ErrorKind::ConnectionReset.into());
    assert!(all(vec![beat(), broken]).await.contains("connection reset"));
    assert!(all(vec![beat(), Ok(Bytes::from_static(b"HTTP/1.1\n"))]).await.contains("cannot be understood"));
}
