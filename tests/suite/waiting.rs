//! Questions to the server, and waiting until one is answered with yes.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

/// Nothing takes that long unless it hangs.
pub const LONG: Duration = Duration::from_secs(60);

pub async fn truth(client: &Client, text: &str) -> bool {
    client.query_one(text, &[]).await.unwrap_or_else(|error| panic!("{text}: {error:?}")).get(0)
}

/// Asks until the answer is yes.
pub async fn wait_until(client: &Client, text: &str) {
    let deadline = Instant::now() + LONG;
    while !truth(client, text).await {
        assert!(Instant::now() < deadline, "{text}: not within {LONG:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
