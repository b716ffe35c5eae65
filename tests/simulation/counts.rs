//! How often what happened, over all schedules: a simulation in which nothing happens proves nothing.

macro_rules! counts {
    ($($name:ident),* $(,)?) => {
        /// Counters, each named for what it counts.
        #[derive(Clone, Debug, Default)]
        pub struct Counts { $(pub $name: u64),* }

        impl Counts {
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }

            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name)),*]
            }
        }
    };
}

counts! {
    // The course of things.
    schedules, calm_schedules, steps, records, requests, delivered, dead_lettered, dropped, commits,
    // Routes and destinations.
    routed, filtered, further_requests, breakers_opened, breakers_closed, blocked, held_by_rate,
    held_by_breaker, held_full, held_by_senders, held_asked, finished_while_leaving,
    // The receiver.
    retryable, rejected, timed_out, broken_unseen, broken_seen, retry_after, parked, outages,
    key_outages, batches, batches_with_own_outcomes,
    // The dead letters.
    letters, letters_refused, letters_outage,
    // Members.
    crashes, crashes_with_requests, static_restarts, clean_stops, stops_that_deliver,
    stops_by_policy, drains_cut_short, stops_cut_short, stalls, pauses, resizes,
    // The group.
    assigns, revokes, bounces, bounces_with_requests, evictions, losses, losses_with_requests,
    drains_overdue, cancelled, handed_over_clean, committed_fetch_failed, eager_rounds,
    // Commits.
    commits_refused, commits_refused_in_part, commits_answer_lost, commits_late, commits_evicted,
    commits_of_ended_stays, commits_truncated, broker_outages,
    // Resume.
    resumed_with_metadata, already_settled, sent_again, stale_settlements, late_arrivals,
    // The log.
    gaps, recreations, truncations, rewinds, seeks_back, ends_seen, ends_forgot, excused,
    // Flow control.
    rests_for_buffer, rests_for_span, stashed, oversized_slices, routers_full,
}
