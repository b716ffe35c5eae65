//! `keyway verify`: asks a running Keyway whether every record is accounted for.

use std::io::{self, Write};
use std::time::Duration;

use actix_rt::System;
use awc::Client;
use awc::http::{StatusCode, Uri};
use keyway_actors::stats::Conservation;
use keyway_actors::web::{Account, Verification};

use super::words::grouped;
use crate::cli::{VerifyArgs, exit};
use crate::settings::text_file::read_secret;

/// How long the answer may take; Keyway looks for two seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest answer that is read, in bytes: some hundred for each pipeline.
const LONGEST: usize = 16 << 20;

/// The variable that holds the token, as for the Keyway that is asked.
const TOKEN: &str = "KEYWAY_API_TOKEN";

/// Prints a line or two for each pipeline; gives the code to exit with: failed where the records of
/// one do not add up, or nobody could be asked.
pub fn run(args: &VerifyArgs) -> u8 {
    let report =
        token(args).and_then(|token| System::new().block_on(ask(&args.api, token.as_deref())));
    let report = match report {
        Ok(verification) => verification,
        Err(error) => {
            eprintln!("keyway: {error}");
            return exit::FAILED;
        }
    };
    match write(&report, &mut io::stdout().lock()) {
        Ok(()) if report.adds_up => exit::CLEAN,
        _ => exit::FAILED,
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("--token-file: cannot read {0}: {1}")]
    Token(String, String),
    #[error(
        "{0}: no answer: {1}; is Keyway running, and does it listen there? --api says where it \
         does, as of its `api listening` line"
    )]
    Unasked(String, String),
    #[error("{0}: refuses the token; give the right one in {TOKEN}, or its file with --token-file")]
    Unknown(String),
    #[error("{0}: answered {1}, so it is no Keyway, or an older one")]
    Refused(String, StatusCode),
    #[error("{0}: what it answered is not to be understood: {1}; is it of the same version?")]
    Unreadable(String, String),
}

/// The token of the file, else of the variable, if there is either.
fn token(args: &VerifyArgs) -> Result<Option<String>, AskError> {
    let Some(file) = &args.token_file else {
        return Ok(std::env::var(TOKEN).ok().filter(|token| !token.is_empty()));
    };
    let token =
        read_secret(file).map_err(|why| AskError::Token(file.display().to_string(), why))?;
    Ok(Some(token))
}

async fn ask(api: &Uri, token: Option<&str>) -> Result<Verification, AskError> {
    let url = format!("{}/v1/verify", api.to_string().trim_end_matches('/'));
    let mut request = Client::builder().timeout(PATIENCE).finish().get(&url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let mut answer =
        request.send().await.map_err(|error| AskError::Unasked(url.clone(), error.to_string()))?;
    if answer.status() == StatusCode::UNAUTHORIZED {
        return Err(AskError::Unknown(url));
    }
    if answer.status() != StatusCode::OK {
        return Err(AskError::Refused(url, answer.status()));
    }
    let body = answer.json().limit(LONGEST).await;
    body.map_err(|error| AskError::Unreadable(url, error.to_string()))
}

fn write(report: &Verification, out: &mut dyn Write) -> io::Result<()> {
    for account in &report.pipelines {
        writeln!(out, "pipeline {}: {}", account.pipeline, verdict(account))?;
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
