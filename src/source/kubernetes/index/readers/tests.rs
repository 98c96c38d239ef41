use super::*;

#[test]
fn readers_come_and_go() {
    let (mut readers, topic, other) = (Readers::default(), TopicKey(1), TopicKey(2));
    for unit in [5, 3, 9, 3] {
        readers.add(topic, unit);
    }
    readers.add(other, 4);
    assert_eq!((readers.of(topic), readers.of(other)), (&[3, 5, 9][..], &[4][..]));
    readers.remove(topic, 5);
    readers.remove(topic, 7);
    readers.remove(other, 3);
    assert_eq!((readers.of(topic), readers.of(other)), (&[3, 9][..], &[4][..]));
    for unit in [3, 9, 4] {
        readers.remove(topic, unit);
        readers.remove(other, unit);
    }
    assert!(readers.topics.is_empty() && readers.shared.is_empty());
}
