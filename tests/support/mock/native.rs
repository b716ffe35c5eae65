//! The one call that the tests need of librdkafka and that rdkafka does not offer.

use rdkafka::producer::{BaseProducer, Producer};

/// Lets groups of the mock cluster form at once; by default the first join waits for 3 s.
#[allow(unsafe_code, reason = "rdkafka has no safe form of this call")]
pub(super) fn no_rebalance_delay(owner: &BaseProducer) {
    // SAFETY: `native_ptr` is a live client for as long as `owner` is borrowed. The mock cluster
    // belongs to that client (`test.mock.num.brokers`) and lives as long as it; null, which means
    // that there is none, is refused before use. The call only stores a number, under the
    // cluster's own lock.
    unsafe {
        let cluster = rdkafka_sys::rd_kafka_handle_mock_cluster(owner.client().native_ptr());
        assert!(!cluster.is_null(), "the client has a mock cluster");
        rdkafka_sys::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0);
    }
}
