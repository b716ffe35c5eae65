//! Why commit metadata was not read.

/// Why commit metadata was refused. Nothing of it is used, and nothing is lost by that: the
/// partition starts at its committed offset, and what was settled above it is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Text of another program, or bytes that were damaged.
    #[error("the commit metadata is not base64, {ANOTHERS}")]
    NotBase64,
    /// A Kafka Streams application commits with this group.
    #[error("the commit metadata is of Kafka Streams (version {version}), {ANOTHERS}")]
    KafkaStreams {
        /// 1 or 2.
        version: u8,
    },
    /// The first byte is none that this format knows.
    #[error("the commit metadata starts with the unknown byte {magic:#04x}, {ANOTHERS}")]
    UnknownMagic {
        /// That byte.
        magic: u8,
    },
    /// The format has a number for this encoding (a byte for each offset), but no program writes it.
    #[error(
        "the commit metadata is in the byte array encoding ({magic:#04x}), which nothing writes; {REPLAYED}"
    )]
    ByteArray {
        /// 0x4c, or 0xee for the compressed one.
        magic: u8,
    },
    /// Longer than Kafka's protocol can carry.
    #[error("the commit metadata is {chars} characters long, over the {max} that are read; {REPLAYED}", max = super::MAX_METADATA_CHARS)]
    TooLong {
        /// Its length.
        chars: usize,
    },
    /// It ends before the count of its bits does.
    #[error("the commit metadata is cut off: its bit count is incomplete; {REPLAYED}")]
    Truncated,
    /// The zstd frame is broken, cut off, followed by something else, or unpacks to too much.
    #[error("the compressed commit metadata cannot be unpacked to at most {max} bytes ({reason}); {REPLAYED}", max = super::MAX_UNPACKED_BYTES)]
    Zstd {
        /// What zstd says.
        reason: &'static str,
    },
    /// A negative bit count or run.
    #[error("the commit metadata has a negative length ({length}); {REPLAYED}")]
    NegativeLength {
        /// That length.
        length: i32,
    },
    /// It describes offsets beyond the largest there is.
    #[error("the commit metadata reaches beyond the largest offset; {REPLAYED}")]
    Overflow,
    /// It calls the committed offset settled, which the commit itself contradicts.
    #[error("the commit metadata calls its own committed offset settled; {REPLAYED}")]
    BaseSettled,
    /// It describes more ranges than are kept.
    #[error("the commit metadata describes more than {max} settled ranges; {REPLAYED}", max = super::MAX_RANGES)]
    TooManyRanges,
}

const REPLAYED: &str = "it is ignored, the partition starts at its committed offset";
const ANOTHERS: &str =
    "another program's or damaged; it is ignored, the partition starts at its committed offset";

impl DecodeError {
    /// Whether another program wrote it, as far as one can see: a sign that this group is, or was,
    /// used by something else. Otherwise it is this format, but broken.
    #[must_use]
    pub fn is_foreign(self) -> bool {
        matches!(self, Self::NotBase64 | Self::KafkaStreams { .. } | Self::UnknownMagic { .. })
    }
}
