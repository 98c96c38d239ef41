use k8s_openapi::api::authentication::v1::TokenReviewStatus;

use super::*;

fn review(authenticated: bool, audiences: Option<&[&str]>, username: &str) -> TokenReview {
    let status = TokenReviewStatus {
        authenticated: Some(authenticated),
        audiences: audiences.map(|all| all.iter().map(ToString::to_string).collect()),
        user: Some(UserInfo { username: Some(username.to_owned()), ..UserInfo::default() }),
        error: None,
    };
    TokenReview { status: Some(status), ..TokenReview::default() }
}

#[test]
fn only_a_token_that_was_made_for_replicas_is_good() {
    let own = "system:serviceaccount:weir-system:weir";
    assert_eq!(judge(review(true, Some(&[AUDIENCE]), own)).unwrap().username.as_deref(), Some(own));
    for bad in [
        review(false, Some(&[AUDIENCE]), own),
        review(true, Some(&["https://kubernetes.default.svc"]), own),
        review(true, None, own),
        TokenReview::default(),
    ] {
        assert!(matches!(judge(bad), Err(NotAuthenticated::Refused(_))));
    }
}
