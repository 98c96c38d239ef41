use super::*;

fn parts(numerator: u32, denominator: u32) -> (u32, u32) {
    let fraction = Fraction::new(numerator, denominator).unwrap();
    (fraction.numerator(), fraction.denominator())
}

#[test]
fn a_fraction_is_kept_in_its_lowest_terms() {
    assert_eq!(parts(10, 100), (1, 10));
    assert_eq!(parts(0, 7), (0, 1));
    assert_eq!(parts(7, 7), (1, 1));
    assert_eq!(Fraction::percent(100), Ok(Fraction::ALL));
    assert_eq!(parts(999_999, 1_000_000), (999_999, 1_000_000));
}

#[test]
fn a_denominator_beyond_a_million_is_rounded() {
    assert_eq!(parts(1, u32::MAX), (0, 1));
    assert_eq!(parts(u32::MAX - 1, u32::MAX), (1, 1));
    assert_eq!(parts(1_000_001, 2_000_003), (1, 2));
    assert_eq!(parts(2_000_003, 3_000_000_019), (667, 1_000_000));
    // What has lower terms is exact.
    assert_eq!(parts(1_000_000_000, 4_000_000_000), (1, 4));
}

#[test]
fn what_is_no_part_of_a_whole_is_refused() {
    assert_eq!(Fraction::new(0, 0), Err(FractionError::NoDenominator));
    let error = Fraction::percent(101).unwrap_err();
    assert_eq!(error.to_string(), "101 of 100 is more than all requests: write a numerator of at most 100");
}
