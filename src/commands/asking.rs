//! Asking a running Keyway: the client of `verify`, `explain` and `top`.

use std::time::Duration;

use awc::Client;
use awc::http::StatusCode;
use bytes::Bytes;
use keyway_actors::sink::http::{HttpSettings, TlsFiles};
use keyway_actors::web::Problem;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;

use crate::cli::ApiArgs;
use crate::settings::text_file::read_secret;

/// The longest answer that is read, in bytes: a pipeline has some hundred for each of its
/// destinations and partitions, and is asked for few of its lanes.
const LONGEST: usize = 16 << 20;

/// The variable that holds the token, as for the Keyway that is asked.
const TOKEN: &str = "KEYWAY_API_TOKEN";

/// What is not encoded in a part of a path or a query (RFC 3986, section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The token is not to be had.
    #[error("--token-file: cannot read {0}: {1}")]
    Token(String, String),
    /// It cannot be connected to, whether it listens or not.
    #[error("{0}: {1}")]
    Setup(String, String),
    /// Nobody answers.
    #[error(
        "{0}: no answer: {1}; is Keyway running, and does it listen there? --api says where it \
         does, as of its `api listening` line"
    )]
    Unasked(String, String),
    /// The token is wrong, or missing.
    #[error("{0}: refuses the token; give the right one in {TOKEN}, or its file with --token-file")]
    Unknown(String),
    /// It refuses, and says why.
    #[error("{}", .0.detail)]
    Refused(Problem),
    /// It refuses as no Keyway does.
    #[error("{0}: answered {1}, so it is no Keyway, or an older one")]
    Strange(String, StatusCode),
    /// The answer is none.
    #[error("{0}: what it answered is not to be understood: {1}; is it of the same version?")]
    Unreadable(String, String),
}

impl AskError {
    /// The status with which it refuses, where it says why.
    pub fn refused(&self) -> Option<StatusCode> {
        match self {
            Self::Refused(problem) => StatusCode::from_u16(problem.status).ok(),
            _ => None,
        }
    }
}

/// The API of a running Keyway.
pub struct Api {
    base: String,
    token: Option<String>,
    client: Client,
}

impl Api {
    /// As the command line says, with the token of the file, else of the variable, if there is
    /// either. An answer may take as long as `patience`. To be made within an actix system.
    ///
    /// # Errors
    /// The token's file cannot be read, or that of the authorities.
    pub fn new(args: &ApiArgs, patience: Duration) -> Result<Self, AskError> {
        let base = args.api.to_string().trim_end_matches('/').to_owned();
        let client = client(args, patience);
        let client = client.map_err(|why| AskError::Setup(base.clone(), why))?;
        Ok(Self { base, token: token(args)?, client })
    }

    /// Where it is.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// What a GET of a path with its query answers.
    ///
    /// # Errors
    /// There is no answer, or it is not what was asked for.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, AskError> {
        self.read(path, &self.bytes(path).await?)
    }

    /// The same, as it was sent.
    ///
    /// # Errors
    /// There is no answer, or a refusal.
    pub async fn bytes(&self, path: &str) -> Result<Bytes, AskError> {
        let url = format!("{}{path}", self.base);
        // The client speaks TLS where that is to be spoken, below what awc knows of.
        let asked = url.strip_prefix("https").map_or_else(|| url.clone(), |it| format!("http{it}"));
        let mut request = self.client.get(asked);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Err(AskError::Unasked(url, error.to_string())),
        };
        let status = answer.status();
        if status == StatusCode::UNAUTHORIZED {
            return Err(AskError::Unknown(url));
        }
        let body = match answer.body().limit(LONGEST).await {
            Ok(body) => body,
            Err(error) => return Err(AskError::Unasked(url, error.to_string())),
        };
        if status == StatusCode::OK {
            return Ok(body);
        }
        Err(match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) if problem.status == status.as_u16() => AskError::Refused(problem),
            _ => AskError::Strange(url, status),
        })
    }

    /// What an answer says.
    ///
    /// # Errors
    /// It is not what was asked for.
    pub fn read<T: DeserializeOwned>(&self, path: &str, answer: &[u8]) -> Result<T, AskError> {
        let unreadable = |error: serde_json::Error| {
            AskError::Unreadable(format!("{}{path}", self.base), error.to_string())
        };
        serde_json::from_slice(answer).map_err(unreadable)
    }
}

fn client(args: &ApiArgs, patience: Duration) -> Result<Client, String> {
    let settings = HttpSettings::new(&args.api.to_string()).and_then(|it| it.timeout(patience));
    let mut settings = settings.map_err(|error| error.to_string())?;
    if let Some(ca) = &args.ca_file {
        let files = TlsFiles { ca: Some(ca.clone()), ..TlsFiles::default() };
        settings = settings.tls_files(&files).map_err(|error| format!("--ca-file: {error}"))?;
    }
    settings.client().map_err(|error| error.to_string())
}

/// A part of a path, or a value of a query.
pub fn encoded(part: &str) -> String {
    utf8_percent_encode(part, ENCODED).to_string()
}

fn token(args: &ApiArgs) -> Result<Option<String>, AskError> {
    let Some(file) = &args.token_file else {
        return Ok(std::env::var(TOKEN).ok().filter(|token| !token.is_empty()));
    };
    let token =
        read_secret(file).map_err(|why| AskError::Token(file.display().to_string(), why))?;
    Ok(Some(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_url_stays_one() {
        assert_eq!(encoded("customer%207&offset=1/ü"), "customer%25207%26offset%3D1%2F%C3%BC");
        assert_eq!(encoded("orders-1.2_~"), "orders-1.2_~");
    }
}
