//! `keyway verify`: asks a running Keyway whether every record is accounted for.

use std::io::{self, Write};
use std::time::Duration;

use actix_rt::System;
use keyway_actors::stats::Conservation;
use keyway_actors::web::{Account, Verification};

use super::asking::{Api, AskError};
use super::words::{grouped, plain};
use crate::cli::{ApiArgs, exit};

/// How long the answer may take; Keyway looks for two seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Prints a line or two for each pipeline; gives the code to exit with: failed where the records of
/// one do not add up, or nobody could be asked.
pub fn run(args: &ApiArgs) -> u8 {
    let report = match System::new().block_on(ask(args)) {
        Ok(verification) => verification,
        Err(error) => {
            eprintln!("keyway: {}", plain(&error.to_string()));
            return exit::FAILED;
        }
    };
    match write(&report, &mut io::stdout().lock()) {
        Ok(()) if report.adds_up => exit::CLEAN,
        _ => exit::FAILED,
    }
}

async fn ask(args: &ApiArgs) -> Result<Verification, AskError> {
    Api::new(args, PATIENCE)?.get("/v1/verify").await
}

fn write(report: &Verification, out: &mut dyn Write) -> io::Result<()> {
    for account in &report.pipelines {
        writeln!(out, "pipeline {}: {}", plain(&account.pipeline), verdict(account))?;
        if let Some(records) = &account.records {
            writeln!(out, "  {}", equation(records))?;
        }
    }
    if report.pipelines.is_empty() {
        writeln!(out, "no pipelines")?;
    }
    Ok(())
}

fn verdict(account: &Account) -> String {
    match account.missing {
        Some(0) => "every record is accounted for".to_owned(),
        Some(missing) if missing > 0 => {
            format!("{} records are missing", grouped(missing.unsigned_abs()))
        }
        Some(surplus) => format!("{} records too many", grouped(surplus.unsigned_abs())),
        None => "records move too fast to be counted; ask again when there are fewer".to_owned(),
    }
}

fn equation(records: &Conservation) -> String {
    let Conservation { received, delivered, dead_lettered, filtered, dropped, returned, held } =
        *records;
    let parts = [
        (delivered, "delivered"),
        (dead_lettered, "dead-lettered"),
        (filtered, "filtered"),
        (dropped, "dropped"),
        (returned, "returned"),
        (held, "held"),
    ];
    let parts = parts.map(|(count, what)| format!("{} {what}", grouped(count))).join(" + ");
    let relation = if records.adds_up() { "=" } else { "but" };
    format!("{} received {relation} {parts}", grouped(received))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(missing: Option<i64>, records: Option<Conservation>) -> String {
        let adds_up = missing == Some(0);
        let account = Account { pipeline: "orders".into(), adds_up, missing, records };
        let mut text = Vec::new();
        write(&Verification { adds_up, pipelines: vec![account] }, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn the_equation_is_written_out() {
        let records = Conservation {
            received: 1_021,
            delivered: 1_001,
            dead_lettered: 2,
            filtered: 3,
            dropped: 4,
            returned: 5,
            held: 6,
        };
        assert_eq!(
            told(Some(0), Some(records)),
            "pipeline orders: every record is accounted for\n  1,021 received = 1,001 delivered + \
             2 dead-lettered + 3 filtered + 4 dropped + 5 returned + 6 held\n"
        );
        let short = Conservation { held: 0, ..records };
        let text = told(Some(6), Some(short));
        assert!(text.starts_with("pipeline orders: 6 records are missing\n  1,021 received but "));
        assert!(told(Some(-1_000), Some(short)).contains("1,000 records too many"));
        assert_eq!(told(None, None).lines().count(), 1);
    }
}
