//! Takes every request, and says nothing.

use super::Mock;

pub async fn start() -> Mock {
    Mock::start(|connection, _| Box::pin(connection.silence())).await
}
