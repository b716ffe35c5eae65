//! A record on its way: what Kafka gave, copied once into one buffer, with its share of the budget.
//!
//! It is copied rather than borrowed from librdkafka, because a borrowed record keeps the whole
//! fetch response alive (up to a mebibyte for a record of some bytes), and the budget could not
//! count that.

use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use crate::assignment::{Assignment, Permit, Room};
use crate::core::intake::Intake;
use crate::core::lanes::Item;
use crate::core::{Epoch, LaneId, Moment, Offset};
use crate::route::Plan;

/// What a held record costs beside its own bytes: the record, its place in a lane, the entry in the
/// ledger and the allocator's share. An upper bound, measured with one record a lane.
pub(crate) const OVERHEAD: usize = 320;

/// A Kafka record.
///
/// Key, value and header values are bytes, any bytes; nothing is decoded. Moving it is cheap;
/// [`value`](Self::value) shares the buffer.
pub struct Record {
    permit: Permit,
    offset: Offset,
    timestamp: i64,
    lane: LaneId,
    /// Value, key, headers, one after the other.
    data: Bytes,
    value_len: Len,
    key_len: Len,
    plan: Option<Box<Plan>>,
}

/// A length, or "null": Kafka tells an empty value from none.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Len(i32);

impl Len {
    const NULL: Self = Self(-1);

    /// Kafka's own lengths are 32 bits, so a longer slice cannot have come from it; such a one
    /// (from a test, say) is cut in [`RecordParts::into_record`] before it gets here.
    fn of(part: Option<&[u8]>) -> Self {
        part.map_or(Self::NULL, |bytes| Self(i32::try_from(bytes.len()).unwrap_or(i32::MAX)))
    }

    fn get(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }

    fn is_null(self) -> bool {
        self.0 < 0
    }
}

impl Record {
    /// A record that did not come from Kafka, to try a sink with.
    pub fn builder(topic: &str, partition: i32, offset: Offset) -> RecordBuilder {
        RecordBuilder {
            topic: topic.to_owned(),
            partition,
            offset,
            timestamp: -1,
            key: None,
            value: None,
            headers: Vec::new(),
        }
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        self.permit.assignment().topic()
    }

    /// The partition.
    pub fn partition(&self) -> i32 {
        self.permit.assignment().partition()
    }

    /// The offset in the partition.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// Milliseconds since the Unix epoch, as the producer or the broker set it; `None` where
    /// neither did.
    pub fn timestamp(&self) -> Option<i64> {
        (self.timestamp >= 0).then_some(self.timestamp)
    }

    /// The key; `None` for a null key.
    pub fn key(&self) -> Option<&[u8]> {
        let start = self.value_len.get();
        (!self.key_len.is_null()).then(|| &self.data[start..start + self.key_len.get()])
    }

    /// The same, sharing the record's buffer.
    pub(crate) fn key_bytes(&self) -> Option<Bytes> {
        let start = self.value_len.get();
        (!self.key_len.is_null()).then(|| self.data.slice(start..start + self.key_len.get()))
    }

    /// The value, sharing the record's buffer; `None` for a null value (a tombstone).
    pub fn value(&self) -> Option<Bytes> {
        (!self.value_len.is_null()).then(|| self.data.slice(..self.value_len.get()))
    }

    /// The headers in the order the producer wrote them; a name may come more than once, and a
    /// value may be null.
    pub fn headers(&self) -> Headers<'_> {
        Headers { rest: &self.data[self.value_len.get() + self.key_len.get()..] }
    }

    /// The last header of that name, as Kafka's own clients look one up; names are compared as
    /// they are, case and all.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().filter(|(found, _)| *found == name).last().and_then(|(_, value)| value)
    }

    /// The lane, the unit of order, that this record belongs to.
    pub fn lane_id(&self) -> LaneId {
        self.lane
    }

    /// The stay of the partition that this record came with.
    pub fn assignment(&self) -> &Arc<Assignment> {
        self.permit.assignment()
    }

    /// What the record takes of the budget, in bytes.
    pub(crate) fn charge(&self) -> u64 {
        u64::from(self.permit.bytes())
    }

    /// The requests that its route made of it; kept from when it is the next of its lane until it is
    /// delivered, or waits.
    pub(crate) fn plan(&self) -> Option<&Plan> {
        self.plan.as_deref()
    }

    /// Keeps a plan, which counts against the budget as the record does.
    pub(crate) fn keep_plan(&mut self, plan: Plan) {
        self.forget_plan();
        let bytes = u32::try_from(plan.bytes()).unwrap_or(u32::MAX);
        self.permit.resize(self.permit.bytes().saturating_add(bytes));
        self.plan = Some(Box::new(plan));
    }

    fn forget_plan(&mut self) {
        if self.plan.take().is_some() {
            self.permit.resize(self.own_charge());
        }
    }

    /// What it takes of the budget without its plan.
    fn own_charge(&self) -> u32 {
        u32::try_from(self.data.len() + OVERHEAD).unwrap_or(u32::MAX)
    }

    /// The record is settled: its bytes go now, its share of the budget when the ledger has it.
    pub(crate) fn into_settlement(mut self) -> Settlement {
        self.forget_plan();
        Settlement { offset: self.offset, permit: self.permit }
    }
}

impl Item for Record {
    fn lane(&self) -> LaneId {
        self.lane
    }

    fn epoch(&self) -> Epoch {
        self.permit.assignment().epoch()
    }

    fn age(&self, now: Moment) -> Duration {
        let Some(timestamp) = self.timestamp().and_then(|it| u64::try_from(it).ok()) else {
            return Duration::ZERO;
        };
        let room = self.permit.assignment().room();
        room.wall_clock_at(now).saturating_sub(Duration::from_millis(timestamp))
    }

    fn rest(&mut self) {
        self.forget_plan();
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.topic(), self.partition(), self.offset)
    }
}

/// A record whose outcome is final, on its way to the ledger.
///
/// It keeps the record's share of the budget, which so bounds this path too: there are never more
/// settlements under way than records held.
#[derive(Debug)]
pub(crate) struct Settlement {
    pub(crate) offset: Offset,
    permit: Permit,
}

impl Settlement {
    pub(crate) fn assignment(&self) -> &Arc<Assignment> {
        self.permit.assignment()
    }

    pub(crate) fn bytes(&self) -> u32 {
        self.permit.bytes()
    }
}

/// What a record is made of, borrowed from wherever it came.
pub(crate) struct RecordParts<'a> {
    pub(crate) offset: Offset,
    pub(crate) timestamp: i64,
    pub(crate) lane: LaneId,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: &'a [(&'a [u8], Option<&'a [u8]>)],
}

impl RecordParts<'_> {
    /// Copies the parts into a record and takes its share of the budget.
    pub(crate) fn into_record(self, assignment: &Arc<Assignment>) -> Record {
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| 8 + name.len() + value.map_or(0, <[u8]>::len))
            .sum();
        let size = self.value.map_or(0, <[u8]>::len) + self.key.map_or(0, <[u8]>::len) + headers;
        let mut data = BytesMut::with_capacity(size);
        data.put_slice(self.value.unwrap_or_default());
        data.put_slice(self.key.unwrap_or_default());
        for (name, value) in self.headers {
            data.put_i32_ne(Len::of(Some(name)).0);
            data.put_i32_ne(Len::of(*value).0);
            data.put_slice(name);
            data.put_slice(value.unwrap_or_default());
        }
        let charge = u32::try_from(size + OVERHEAD).unwrap_or(u32::MAX);
        Record {
            permit: Permit::take(Arc::clone(assignment), charge),
            offset: self.offset,
            timestamp: self.timestamp,
            lane: self.lane,
            value_len: Len::of(self.value),
            key_len: Len::of(self.key),
            data: data.freeze(),
            plan: None,
        }
    }
}

/// The headers of a record.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name_len, rest) = self.rest.split_first_chunk()?;
        let (value_len, rest) = rest.split_first_chunk()?;
        let (name_len, value_len) =
            (Len(i32::from_ne_bytes(*name_len)), Len(i32::from_ne_bytes(*value_len)));
        let (name, rest) = rest.split_at(name_len.get());
        let (value, rest) = rest.split_at(value_len.get());
        self.rest = rest;
        // Kafka's protocol says that names are UTF-8; what is not shows as an empty name rather
        // than as a panic.
        let name = std::str::from_utf8(name).unwrap_or_default();
        Some((name, (!value_len.is_null()).then_some(value)))
    }
}

/// Makes a record that did not come from Kafka. Key, value and header values are null until set.
#[derive(Clone, Debug)]
pub struct RecordBuilder {
    topic: String,
    partition: i32,
    offset: Offset,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

impl RecordBuilder {
    /// Sets the key.
    #[must_use]
    pub fn key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the value.
    #[must_use]
    pub fn value(mut self, value: impl Into<Vec<u8>>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), Some(value.into())));
        self
    }

    /// Adds a header whose value is null.
    #[must_use]
    pub fn null_header(mut self, name: &str) -> Self {
        self.headers.push((name.to_owned(), None));
        self
    }

    /// Sets the timestamp, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn timestamp(mut self, millis: i64) -> Self {
        self.timestamp = millis;
        self
    }

    /// The record, in a lane of its own key.
    pub fn build(self) -> Record {
        let room = Room::new(Intake { records: 1, bytes: 1, span: None }, Arc::default());
        let topic = Arc::from(self.topic.as_str());
        let assignment = Assignment::new(topic, self.partition, Epoch(0), 0, Arc::new(room));
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref())).collect();
        let lane = BuildHasherDefault::<DefaultHasher>::default().hash_one(&self.key);
        let parts = RecordParts {
            offset: self.offset,
            timestamp: self.timestamp,
            lane: LaneId(lane),
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &headers,
        };
        parts.into_record(&Arc::new(assignment))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_gives_back_what_it_was_made_of() {
        let record = Record::builder("t", 3, 42)
            .key(b"k\xff")
            .value("value")
            .header("a", "1")
            .null_header("a")
            .header("b", "")
            .timestamp(7)
            .build();
        assert_eq!((record.topic(), record.partition(), record.offset()), ("t", 3, 42));
        assert_eq!(record.key(), Some(&b"k\xff"[..]));
        assert_eq!(record.value().as_deref(), Some(&b"value"[..]));
        assert_eq!(record.timestamp(), Some(7));
        let headers: Vec<_> = record.headers().collect();
        assert_eq!(headers, [("a", Some(&b"1"[..])), ("a", None), ("b", Some(&b""[..]))]);
        assert_eq!(record.header("a"), None, "the last one counts");
        assert_eq!(record.header("b"), Some(&b""[..]));
        assert_eq!(record.header("c"), None);
    }

    #[test]
    fn null_is_not_empty() {
        let null = Record::builder("t", 0, 0).build();
        assert_eq!((null.key(), null.value(), null.timestamp()), (None, None, None));
        let empty = Record::builder("t", 0, 0).key("").value("").build();
        assert_eq!((empty.key(), empty.value()), (Some(&b""[..]), Some(Bytes::new())));
    }

    #[test]
    fn a_record_holds_its_share_of_the_budget_until_it_is_settled_and_entered() {
        let record = Record::builder("t", 0, 5).value(vec![0; 1000]).build();
        let assignment = Arc::clone(record.assignment());
        let charge = record.charge();
        assert!(charge >= 1000);
        assert_eq!((assignment.held_records(), assignment.held_bytes()), (1, charge));
        let settlement = record.into_settlement();
        assert_eq!(assignment.held_records(), 1, "the ledger does not have it yet");
        drop(settlement);
        assert_eq!((assignment.held_records(), assignment.held_bytes()), (0, 0));
    }
}
