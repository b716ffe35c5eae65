//! Rules of the core and of the protocol around it, each broken on purpose: what the check is worth
//! is shown by its noticing.

/// One rule that is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// The highest offset is committed instead of the lowest unsettled one.
    CommitHighest,
    /// What is settled counts for the partition's present stay, whichever stay it belongs to.
    ForgetEpoch,
    /// A record that is to be tried again goes to the end of its lane, which opens at once.
    FreeLaneEarly,
    /// A record that is to be tried again is forgotten.
    DropRetry,
    /// The ledger counts as clean when the commit is sent, not when it is acknowledged.
    CleanOnSend,
    /// A record is settled when its request begins.
    SettleOnSend,
    /// The metadata speaks of offsets one too high.
    MetadataOffByOne,
    /// What a commit's metadata says is settled is not read back.
    ForgetResumed,
    /// What the metadata says beyond the end of the log is believed.
    TrustBeyondEnd,
    /// A revoke is answered without waiting for the requests under way.
    GiveUpEarly,
    /// A drain is over before what it settled is with the ledger.
    ReplyBeforeFlush,
    /// A dead letter counts as written whatever the broker says.
    LetterUnasked,
    /// A partition that rests is not woken when there is room again.
    NeverWake,
    /// The offsets a partition takes in are told to the ledger only at the next tick, after what
    /// of them is settled.
    LedgerLags,
    /// A commit of a stay that has ended is sent all the same.
    CommitEnded,
    /// The end of the log is told to the ledger before records that lie below it and wait for the
    /// span.
    EndOvertakesStash,
    /// The end of the log is told to the ledger after records that came behind it.
    EndComesLate,
    /// Records that wait for the span are looked at only when there is room for more.
    StashNeedsRoom,
    /// Records that wait for the span are woken as those that wait for room are.
    StashWakesByRoom,
    /// Records that wait for the span count against themselves.
    StashCountsItself,
    /// Records that wait for a slow arbiter are offered to it only along with new ones.
    OutboxForgotten,
    /// A revoke does not speak of what was taken in before the log went back.
    FormerForgotten,
    /// A stop does not see what is between the poll thread and the arbiters.
    ChannelForgotten,
    /// Where nothing is committed, the first record taken in is not taken for the base at once.
    BaseComesLate,
    /// A slice that delivers what waited for the span takes one more, whether there is room or not.
    UnstashTakesMore,
    /// What a sender was given and has not begun is not cancelled.
    CancelMissesGiven,
    /// Where the end of a log was cut off, what is unsettled below is not read again.
    RewindSkips,
    /// A record that waits for its retry holds its sender.
    RetryHoldsSender,
    /// A partition may take all of the buffer.
    NoShares,
    /// A record is settled when the first of its requests is delivered.
    FirstRequestSettles,
    /// Each arbiter has the whole rate of a destination for itself.
    RatesApart,
    /// What is between two of its requests does not go on when its stay ends.
    BegunIsReturned,
    /// A stop that comes while a member drains does not wait for the requests under way.
    StopEndsDrain,
}

impl Sabotage {
    pub const ALL: [Self; 33] = [
        Self::CommitHighest,
        Self::ForgetEpoch,
        Self::FreeLaneEarly,
        Self::DropRetry,
        Self::CleanOnSend,
        Self::SettleOnSend,
        Self::MetadataOffByOne,
        Self::ForgetResumed,
        Self::TrustBeyondEnd,
        Self::GiveUpEarly,
        Self::ReplyBeforeFlush,
        Self::LetterUnasked,
        Self::NeverWake,
        Self::LedgerLags,
        Self::CommitEnded,
        Self::EndOvertakesStash,
        Self::EndComesLate,
        Self::StashNeedsRoom,
        Self::StashWakesByRoom,
        Self::StashCountsItself,
        Self::OutboxForgotten,
        Self::FormerForgotten,
        Self::ChannelForgotten,
        Self::BaseComesLate,
        Self::UnstashTakesMore,
        Self::CancelMissesGiven,
        Self::RewindSkips,
        Self::RetryHoldsSender,
        Self::NoShares,
        Self::FirstRequestSettles,
        Self::RatesApart,
        Self::BegunIsReturned,
        Self::StopEndsDrain,
    ];
}
