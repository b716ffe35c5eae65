//! The ceiling: awc alone, without Kafka. So many loops on one thread, each sending one request
//! after the other.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::bail;
use awc::{Client, Connector};
use bytes::Bytes;
use futures_util::future::join_all;

use crate::load;

/// Sends `requests` of `size` bytes to `url`, `in_flight` at a time.
pub fn run(url: &str, requests: usize, in_flight: usize, size: usize) -> anyhow::Result<()> {
    actix_rt::System::new().block_on(async {
        let connector = Connector::new().limit(in_flight).conn_keep_alive(Duration::from_mins(1));
        let client =
            Client::builder().connector(connector).timeout(Duration::from_secs(30)).finish();
        let next = Rc::new(Cell::new(0));
        let work = || async {
            loop {
                let n = next.get();
                if n == requests {
                    return Ok(());
                }
                next.set(n + 1);
                let body = Bytes::from(load::body(n, 0, size));
                match client.post(url).send_body(body).await {
                    Ok(mut answer) => drop(answer.body().await?),
                    Err(error) => bail!("{url}: {error}"),
                }
            }
        };
        join_all((0..in_flight).map(|_| work())).await.into_iter().collect()
    })
}
