//! The codec of HTTP/1.1 beside hyper and a strict reader of RFC 9112, on what smugglers send: `rules` says what must hold.

mod rules;

use rules::{End, Reading, corpus};

const SEED: u64 = 9112;
/// Changed messages of each kind.
const CHANGED: usize = 6_000;

/// Counts, and what is wrong.
#[derive(Default)]
struct Outcome {
    cases: usize,
    /// Messages that were taken to their end.
    taken: usize,
    refused: usize,
    wrong: Vec<String>,
}

impl Outcome {
    fn add(&mut self, judged: Result<Reading, String>) {
        self.cases += 1;
        match judged {
            Ok(reading) => {
                self.taken += reading.messages.iter().filter(|message| message.complete).count();
                self.refused += usize::from(matches!(reading.end, End::Refused(_)));
            }
            Err(wrong) => self.wrong.push(wrong),
        }
    }

    #[track_caller]
    fn holds(&self, what: &str) {
        let Self { cases, taken, refused, wrong } = self;
        println!("{what}: {cases} cases, {taken} messages taken, {refused} connections refused");
        let first = wrong.first().map_or("", String::as_str);
        assert!(wrong.is_empty(), "{} differ; the first: {first}", wrong.len());
        // Neither says anything if nothing gets to it.
        assert!(*taken > cases / 20 && *refused > cases / 20, "{what} say too little");
    }
}

#[test]
fn requests_of_smugglers_are_refused_or_read_as_others_read_them() {
    let mut outcome = Outcome::default();
    for bytes in corpus::requests() {
        outcome.add(rules::requests(&bytes));
    }
    outcome.holds("requests");
}

#[test]
fn answers_of_smugglers_are_refused_or_read_as_others_read_them() {
    let mut outcome = Outcome::default();
    for bytes in corpus::responses() {
        for to_head in [false, true] {
            outcome.add(rules::responses(&bytes, to_head));
        }
    }
    outcome.holds("answers");
}

#[test]
fn changed_messages_are_refused_or_read_as_others_read_them() {
    println!("seed {SEED}");
    let mut random = fastrand::Rng::with_seed(SEED);
    let (requests, responses) = (corpus::requests(), corpus::responses());
    let (mut asked, mut answered) = (Outcome::default(), Outcome::default());
    for _ in 0..CHANGED {
        let mut bytes = random.choice(&requests).cloned().unwrap_or_default();
        corpus::change(&mut bytes, random.choice(&requests).map_or(&[], Vec::as_slice), 4, &mut random);
        asked.add(rules::requests(&bytes));
        let mut bytes = random.choice(&responses).cloned().unwrap_or_default();
        corpus::change(&mut bytes, random.choice(&responses).map_or(&[], Vec::as_slice), 4, &mut random);
        answered.add(rules::responses(&bytes, random.bool()));
    }
    asked.holds("changed requests");
    answered.holds("changed answers");
}

#[test]
fn any_cut_gives_the_same() {
    println!("seed {SEED}");
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut wrong = Vec::new();
    for bytes in [corpus::requests(), corpus::responses(), corpus::chunks()].concat() {
        let every: Vec<usize> = (0..bytes.len()).collect();
        let some: Vec<usize> = (0..random.usize(1..5)).map(|_| random.usize(0..=bytes.len())).collect();
        wrong.extend([every, some].iter().filter_map(|places| rules::cuts(&bytes, places).err()));
    }
    assert!(wrong.is_empty(), "{} differ; the first: {}", wrong.len(), wrong[0]);
}

/// The rules find what they are for: a reader that is wrong is told.
#[test]
fn hyper_is_laxer_than_the_oracle() {
    let lax = b"GET / HTTP/1.1\nHost: a\r\n\r\n";
    assert_eq!(rules::hyper::requests(lax).messages.len(), 1);
    assert!(matches!(rules::oracle::requests(lax).end, End::Refused(_)));
    assert!(matches!(rules::ours::requests(&[lax]).end, End::Refused(_)));
}
