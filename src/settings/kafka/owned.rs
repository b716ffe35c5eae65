//! The properties that Keyway sets itself, because a promise hangs on them.

/// What to do instead of setting a property; `None` where it is the user's to set.
pub fn instead_of(name: &str) -> Option<&'static str> {
    Some(match name {
        "group.id" => "use group_id, --group-id or KEYWAY_GROUP_ID",
        "enable.auto.commit" | "auto.commit.enable" => {
            "it commits what is settled, as often as commit_interval says"
        }
        "auto.commit.interval.ms" => "use commit_interval or KEYWAY_COMMIT_INTERVAL",
        "enable.auto.offset.store"
        | "offset.store.method"
        | "offset.store.path"
        | "offset.store.sync.interval.ms" => "it stores what is settled, with the broker",
        "acks" | "request.required.acks" | "enable.idempotence" | "transactional.id" => {
            "dead letters are produced with acks=all, idempotent, so that none is lost"
        }
        "enable.partition.eof" | "delivery.report.only.error" | "log.queue" | "enabled_events"
        // It would take a signal from the process.
        | "internal.termination.signal" => "leave it out",
        _ => return None,
    })
}
