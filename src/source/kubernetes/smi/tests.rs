use serde_json::json;

use super::*;

fn weights(backends: Value) -> Result<Vec<u32>, String> {
    let backends: Vec<Backend> = serde_json::from_value(backends).unwrap();
    weighted(&backends).map(|shares| shares.iter().map(|share| share.weight.get()).collect())
}

#[test]
fn whole_numbers_are_weights_in_every_version() {
    assert_eq!(weights(json!([{"service": "a", "weight": 90}, {"service": "b", "weight": 10}])), Ok(vec![90, 10]));
    assert_eq!(weights(json!([{"service": "a", "weight": "90"}, {"service": "b", "weight": "10"}])), Ok(vec![90, 10]));
}

#[test]
fn quantities_of_v1alpha1_keep_their_thousandths() {
    assert_eq!(
        weights(json!([{"service": "a", "weight": "900m"}, {"service": "b", "weight": "100m"}])),
        Ok(vec![900, 100])
    );
    assert_eq!(
        weights(json!([{"service": "a", "weight": "1"}, {"service": "b", "weight": "500m"}])),
        Ok(vec![1000, 500])
    );
    assert_eq!(weights(json!([{"service": "a", "weight": "0.5"}, {"service": "b", "weight": 0}])), Ok(vec![500, 0]));
}

#[test]
fn no_weight_is_none() {
    assert_eq!(weights(json!([{"service": "a"}, {"service": "b", "weight": 1}])), Ok(vec![0, 1]));
}

#[test]
fn a_weight_that_is_no_number_or_too_large_is_refused() {
    assert!(weights(json!([{"service": "a", "weight": "many"}])).unwrap_err().contains("write a whole number"));
    assert!(weights(json!([{"service": "a", "weight": 1_000_001}])).unwrap_err().contains("outside 0 to 1000000"));
    assert!(weights(json!([{"service": "a", "weight": -1}])).is_err());
}

#[test]
fn the_service_may_be_written_with_its_whole_name() {
    assert_eq!(root("shop.prod.svc.cluster.local"), "shop");
    assert_eq!(root("shop"), "shop");
}
