//! The things that rdkafka's safe interface does not offer: taking records from a partition's queue
//! without a copy, committing with the answer coming through the poll, reading commit metadata that is
//! not UTF-8, where a log ends without asking, and a mock cluster whose groups form at once.
//!
//! The only module of Keyway with `unsafe` in it. Each block says why it holds.

use std::any::Any;
use std::ffi::{CString, c_void};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;

use rdkafka::client::Client;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientContext, TopicPartitionList};
use rdkafka_sys as sys;

use super::bell::Bell;
use super::context::Context;
use crate::core::Offset;

/// What comes out of a partition's queue.
pub(crate) enum Fetched<'a> {
    /// A record.
    Message(&'a MessageView<'a>),
    /// The end of the log was reached; the next record will have this offset or a higher one.
    End(Offset),
    /// The broker or librdkafka refused, or says that the topic or the partition is gone.
    Error(RDKafkaErrorCode),
}

/// A record in librdkafka's memory.
pub(crate) struct MessageView<'a> {
    message: &'a sys::rd_kafka_message_t,
}

impl<'a> MessageView<'a> {
    pub(crate) fn offset(&self) -> Offset {
        self.message.offset
    }

    /// Milliseconds since the Unix epoch; -1 where there is none.
    pub(crate) fn timestamp(&self) -> i64 {
        // SAFETY: the message is alive for 'a; a null pointer for the kind is allowed.
        unsafe { sys::rd_kafka_message_timestamp(self.message, ptr::null_mut()) }
    }

    pub(crate) fn key(&self) -> Option<&'a [u8]> {
        // SAFETY: librdkafka sets `key` to `key_len` readable bytes, or to null; they live as long
        // as the message.
        unsafe { bytes(self.message.key, self.message.key_len) }
    }

    pub(crate) fn value(&self) -> Option<&'a [u8]> {
        // SAFETY: as for the key.
        unsafe { bytes(self.message.payload, self.message.len) }
    }

    /// Adds the headers to `headers`, in order.
    pub(crate) fn headers(&self, headers: &mut Vec<(&'a [u8], Option<&'a [u8]>)>) {
        let mut native = ptr::null_mut();
        // SAFETY: the message is alive; the headers stay the message's own.
        let found = unsafe { sys::rd_kafka_message_headers(self.message, &raw mut native) };
        if found != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return;
        }
        for index in 0.. {
            let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
            // SAFETY: `native` is the message's header list; past its end the call says so and
            // writes nothing.
            let header = unsafe {
                sys::rd_kafka_header_get_all(
                    native,
                    index,
                    &raw mut name,
                    &raw mut value,
                    &raw mut size,
                )
            };
            if header != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return;
            }
            // SAFETY: the name is a nul-terminated string, the value `size` bytes or null; both
            // belong to the message and live as long.
            let header =
                unsafe { (std::ffi::CStr::from_ptr::<'a>(name).to_bytes(), bytes(value, size)) };
            headers.push(header);
        }
    }
}

/// # Safety
/// `data` is null or points to `len` bytes that stay readable and unchanged for `'a`.
unsafe fn bytes<'a>(data: *const c_void, len: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    (!data.is_null()).then(|| unsafe { slice::from_raw_parts(data.cast(), len) })
}

/// The queue of one partition, split from the consumer's.
///
/// It rings the bell when it goes from empty to not empty. All queues of a partition are one native
/// queue, and dropping any of them silences the rest: drop the old one before splitting anew.
pub(crate) struct PartitionQueue {
    queue: NonNull<sys::rd_kafka_queue_t>,
    topic: NonNull<sys::rd_kafka_topic_t>,
    partition: i32,
    /// What the callback points to: alive until the callback is turned off in `drop`.
    _ring: Box<Ring>,
    /// A queue must not outlive its consumer.
    consumer: Arc<BaseConsumer<Context>>,
}

struct Ring {
    bell: Arc<Bell>,
    slot: usize,
}

/// Called by librdkafka on any thread, also within [`PartitionQueue::take`], under the queue's lock:
/// it only rings.
unsafe extern "C" fn queue_is_not_empty(_: *mut sys::rd_kafka_t, ring: *mut c_void) {
    // SAFETY: `ring` is the box kept by the `PartitionQueue`, which turns this callback off, under
    // the same lock, before it frees the box. `Ring` is only read, and is `Sync`.
    let ring = unsafe { &*ring.cast::<Ring>() };
    ring.bell.partition_ready(ring.slot);
}

impl PartitionQueue {
    /// Splits the queue of a partition off. Before the partition is assigned: records fetched
    /// earlier would come through the main queue. `None` if there is no such partition.
    pub(crate) fn split(
        consumer: &Arc<BaseConsumer<Context>>,
        topic: &str,
        partition: i32,
        bell: Arc<Bell>,
        slot: usize,
    ) -> Option<Self> {
        let topic = CString::new(topic).ok()?;
        let ring = Box::new(Ring { bell, slot });
        let client = consumer.client().native_ptr();
        // SAFETY: the client is alive (the `Arc` is kept); queue and topic are references of their
        // own, given back in `drop`. Forwarding to null splits the queue from the main one. The
        // callback gets a pointer to a box that lives until the callback is turned off.
        let (queue, topic) = unsafe {
            let queue =
                NonNull::new(sys::rd_kafka_queue_get_partition(client, topic.as_ptr(), partition))?;
            let topic = sys::rd_kafka_topic_new(client, topic.as_ptr(), ptr::null_mut());
            let Some(topic) = NonNull::new(topic) else {
                sys::rd_kafka_queue_destroy(queue.as_ptr());
                return None;
            };
            sys::rd_kafka_queue_forward(queue.as_ptr(), ptr::null_mut());
            let ring: *const Ring = &raw const *ring;
            sys::rd_kafka_queue_cb_event_enable(
                queue.as_ptr(),
                Some(queue_is_not_empty),
                ring.cast_mut().cast(),
            );
            (queue, topic)
        };
        Some(Self { queue, topic, partition, _ring: ring, consumer: Arc::clone(consumer) })
    }

    /// Calls `each` with up to `most` entries, a [`SLICE`](crate::core::intake::SLICE) at the most, in
    /// order, until it wants no more; does not wait. Says how many entries left the queue, outdated
    /// ones too, which `each` does not see. Zero means empty: the bell rings when there is more.
    ///
    /// Through the callback interface, which moves the position for every record that `each` is
    /// given, and for no other entry. `rd_kafka_consume_batch_queue` takes the end of the log for a
    /// record (librdkafka 2.2 to 2.12, its issue 4844) and sets the position behind the next one,
    /// which is then never delivered if a rebalance pauses and resumes the partition before it
    /// comes; `rd_kafka_consume_queue` costs two locks and three looks at the clock a record. And by
    /// topic and partition: what is being served is out of the queue that librdkafka looks at before
    /// it fetches more. That is a slice this way, and everything with
    /// `rd_kafka_consume_callback_queue`, as if the queue had no limits.
    pub(crate) fn take<F>(&mut self, most: usize, each: F) -> usize
    where
        F: FnMut(Fetched<'_>) -> bool,
    {
        if most == 0 {
            return 0;
        }
        let client = self.consumer.client().native_ptr();
        let mut taking = Taking { client, each, left: most, panic: None };
        // SAFETY: the topic is alive. The callback is called during this call only, on this thread,
        // with the pointer to `taking`, which nobody else uses meanwhile.
        let served = unsafe {
            sys::rd_kafka_consume_callback(
                self.topic.as_ptr(),
                self.partition,
                0,
                Some(one_taken::<F>),
                (&raw mut taking).cast(),
            )
        };
        if let Some(panic) = taking.panic {
            std::panic::resume_unwind(panic);
        }
        usize::try_from(served).unwrap_or_else(|_| {
            // Not as long as it is assigned. It must not pass for a queue that is empty.
            (taking.each)(Fetched::Error(RDKafkaErrorCode::UnknownPartition));
            0
        })
    }
}

/// A call of [`PartitionQueue::take`].
struct Taking<F> {
    client: *mut sys::rd_kafka_t,
    each: F,
    left: usize,
    panic: Option<Box<dyn Any + Send>>,
}

/// Called by librdkafka with each entry of the queue, which it destroys afterwards.
unsafe extern "C" fn one_taken<F>(message: *mut sys::rd_kafka_message_t, taking: *mut c_void)
where
    F: FnMut(Fetched<'_>) -> bool,
{
    // SAFETY: `taking` is the one of `PartitionQueue::take`, which waits for this call; the message
    // is valid until it returns.
    let (taking, view) =
        unsafe { (&mut *taking.cast::<Taking<F>>(), MessageView { message: &*message }) };
    taking.left -= 1;
    // A panic must not cross C. It goes on in `take` and ends the poll thread, with what it left half
    // done.
    let more = catch_unwind(AssertUnwindSafe(|| (taking.each)(view.classify())));
    let stop = match more {
        Ok(more) => !more || taking.left == 0,
        Err(panic) => {
            taking.panic = Some(panic);
            true
        }
    };
    if stop {
        // SAFETY: the client is alive. The call notes for this thread that the queue is to be served
        // no further: what is left of it goes back to its head, and this is not called again. The
        // next call that serves a queue forgets the note before it begins.
        unsafe { sys::rd_kafka_yield(taking.client) }
    }
}

impl MessageView<'_> {
    fn classify(&self) -> Fetched<'_> {
        match self.message.err {
            sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Fetched::Message(self),
            sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF => {
                Fetched::End(self.message.offset)
            }
            error => Fetched::Error(error.into()),
        }
    }
}

impl Drop for PartitionQueue {
    fn drop(&mut self) {
        // SAFETY: queue and topic are alive until they are destroyed here, once; turning the callback
        // off takes the queue's lock, so none is running when it returns and the box may go.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, ptr::null_mut());
            sys::rd_kafka_queue_destroy(self.queue.as_ptr());
            sys::rd_kafka_topic_destroy(self.topic.as_ptr());
        }
    }
}

/// Sends a commit and returns at once; the broker's answer comes through the poll, as
/// `ConsumerContext::commit_callback`.
///
/// `Consumer::commit` will not do: synchronous it blocks for as long as the broker is away,
/// asynchronous it never says what became of it.
pub(crate) fn commit(
    consumer: &BaseConsumer<Context>,
    offsets: &TopicPartitionList,
) -> Result<(), RDKafkaErrorCode> {
    let client = consumer.client().native_ptr();
    // SAFETY: client and list are alive during the call, which copies the list. The reference to
    // the consumer's queue is given back; the pending answer keeps one of its own.
    let sent = unsafe {
        let queue = sys::rd_kafka_queue_get_consumer(client);
        if queue.is_null() {
            return Err(RDKafkaErrorCode::UnknownGroup);
        }
        let sent = sys::rd_kafka_commit_queue(client, offsets.ptr(), queue, None, ptr::null_mut());
        sys::rd_kafka_queue_destroy(queue);
        sent
    };
    match sent {
        sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        error => Err(error.into()),
    }
}

/// The metadata of each entry of a list, as bytes: another program may have written any.
/// (`TopicPartitionListElem::metadata` panics on what is not UTF-8.)
pub(crate) fn metadata(list: &TopicPartitionList) -> Vec<Vec<u8>> {
    // SAFETY: the list is alive; it holds `cnt` entries, and each entry's metadata is null or
    // `metadata_size` readable bytes, which are copied here.
    unsafe {
        let list = &*list.ptr();
        let count = usize::try_from(list.cnt).unwrap_or(0);
        if count == 0 {
            return Vec::new();
        }
        slice::from_raw_parts(list.elems, count)
            .iter()
            .map(|entry| bytes(entry.metadata, entry.metadata_size).unwrap_or_default().to_vec())
            .collect()
    }
}

/// Where the log of a partition begins and ends, as the last fetch said. Asks nobody.
pub(crate) fn log_bounds(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    partition: i32,
) -> Option<Range<Offset>> {
    let topic = CString::new(topic).ok()?;
    let (mut low, mut high) = (-1, -1);
    // SAFETY: the client is alive, the topic is a nul-terminated string, and both results have a
    // place to be written to.
    let found = unsafe {
        sys::rd_kafka_get_watermark_offsets(
            consumer.client().native_ptr(),
            topic.as_ptr(),
            partition,
            &raw mut low,
            &raw mut high,
        )
    };
    (found == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0)
        .then_some(low..high)
}

/// Lets consumer groups of the mock cluster of `client` (made with `test.mock.num.brokers`) form
/// without a delay: their first member otherwise waits for 3 s for others. For demonstrations and
/// tests. Says whether the client has a mock cluster at all.
pub fn mock_groups_form_at_once<C: ClientContext>(client: &Client<C>) -> bool {
    // SAFETY: the client is alive while it is borrowed. Its mock cluster, if it has one, lives as
    // long; null, which says that there is none, is not used. The call stores a number, under the
    // cluster's own lock.
    unsafe {
        let cluster = sys::rd_kafka_handle_mock_cluster(client.native_ptr());
        if !cluster.is_null() {
            sys::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0);
        }
        !cluster.is_null()
    }
}

#[cfg(test)]
mod tests;
