//! `keyway explain`: asks a running Keyway where a record or a key is, and why it waits.

#[cfg(test)]
mod tests;
pub mod told;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use actix_rt::System;
use awc::http::StatusCode;
use keyway_actors::explain::Explanation;
use keyway_actors::web::Pipelines;

use super::asking::{Api, AskError, encoded};
use super::words::{first, plain, state};
use crate::cli::{ExplainArgs, exit};

/// How long an answer may take; Keyway asks its parts for two seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most pipelines that an error names.
const MOST_NAMED: usize = 20;

/// Prints the answer, a fact a line; gives the code to exit with.
pub fn run(args: &ExplainArgs) -> u8 {
    let said = match System::new().block_on(ask(args)) {
        Ok(said) => said,
        Err(error) => {
            eprintln!("keyway: {}", plain(&error.to_string()));
            return error.exit();
        }
    };
    match io::stdout().lock().write_all(said.as_bytes()) {
        Ok(()) => exit::CLEAN,
        Err(_) => exit::FAILED,
    }
}

/// Why there is nothing to print.
#[derive(Debug, thiserror::Error)]
enum ExplainError {
    #[error(transparent)]
    Unasked(#[from] AskError),
    #[error("there is no pipeline here yet")]
    NoPipeline,
    #[error("there is no pipeline {0:?}; there is: {1}")]
    Unknown(String, String),
    #[error("name the pipeline with --pipeline, one of: {0}")]
    PipelineNeeded(String),
    #[error("the pipeline {0:?} is {1}, and holds nothing{2}")]
    AtRest(String, String, String),
}

impl ExplainError {
    /// What another command line mends is bad usage.
    fn exit(&self) -> u8 {
        match self {
            Self::PipelineNeeded(_) => exit::USAGE,
            Self::Unasked(error) if error.refused() == Some(StatusCode::BAD_REQUEST) => exit::USAGE,
            _ => exit::FAILED,
        }
    }
}

async fn ask(args: &ExplainArgs) -> Result<String, ExplainError> {
    let api = Api::new(&args.api, PATIENCE)?;
    let pipelines: Pipelines = api.get("/v1/pipelines").await?;
    let name = named(args.pipeline.as_deref(), &pipelines)?;
    let path = path(name, args);
    let answer = match api.bytes(&path).await {
        Ok(answer) => answer,
        // It is known, and nothing of it is there that could be asked.
        Err(error) if error.refused() == Some(StatusCode::NOT_FOUND) => {
            return Err(at_rest(name, &pipelines).unwrap_or(ExplainError::Unasked(error)));
        }
        Err(error) => return Err(error.into()),
    };
    // Read in either case: what is no explanation is not printed as one.
    let explanation: Explanation = api.read(&path, &answer)?;
    if args.json {
        return Ok(as_sent(&String::from_utf8_lossy(&answer)));
    }
    let lines = told::sentences(&explanation);
    Ok(lines.iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{}", plain(line));
        text
    }))
}

/// The pipeline that is meant.
fn named<'a>(given: Option<&str>, pipelines: &'a Pipelines) -> Result<&'a str, ExplainError> {
    let all = || first(pipelines.pipelines.iter().map(|it| it.name.clone()), MOST_NAMED);
    match (given, &pipelines.pipelines[..]) {
        (_, []) => Err(ExplainError::NoPipeline),
        (None, [one]) => Ok(&one.name),
        (None, _) => Err(ExplainError::PipelineNeeded(all())),
        (Some(name), known) => known
            .iter()
            .find(|it| it.name == name)
            .map(|it| it.name.as_str())
            .ok_or_else(|| ExplainError::Unknown(name.to_owned(), all())),
    }
}

fn at_rest(name: &str, pipelines: &Pipelines) -> Option<ExplainError> {
    let known = pipelines.pipelines.iter().find(|it| it.name == name)?;
    let why = known.failure.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    Some(ExplainError::AtRest(name.to_owned(), state(known.state).to_owned(), why))
}

fn path(pipeline: &str, args: &ExplainArgs) -> String {
    let topic = args.topic.clone().map(|topic| ("topic", topic));
    let key = args.key.clone().map(|key| ("key", key));
    let partition = args.partition.map(|it| ("partition", it.to_string()));
    let offset = args.offset.map(|it| ("offset", it.to_string()));
    let query: Vec<String> = [topic, partition, offset, key]
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={}", encoded(&value)))
        .collect();
    format!("/v1/pipelines/{}/explain?{}", encoded(pipeline), query.join("&"))
}

/// JSON as it came, but for characters that would steer a terminal: they can only be in strings,
/// where their escapes mean the same.
fn as_sent(json: &str) -> String {
    let mut text = String::with_capacity(json.len() + 1);
    for c in json.trim_end().chars() {
        if c.is_control() && !c.is_ascii_whitespace() {
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text.push('\n');
    text
}
