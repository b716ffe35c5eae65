//! Bodies: the record's value as it is, a constant, or a template.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use minijinja::Environment;

use super::context::{Lazy, check_json};
use super::fault::ExpressionError;
use super::language::{TEXTS, fault, message};
use super::text::check;

/// Copies of the compiled bodies. The language finds a template under a lock; so that arbiters do
/// not wait for each other there, each has a copy, up to this many.
const COPIES: usize = 16;

/// The body of a request.
pub(super) enum Body {
    /// The record's value, byte for byte.
    Value,
    /// The same, where it is JSON: `{{ value | tojson }}` without the parsing and writing, which
    /// would change how numbers and blanks are written. A tombstone is `null`.
    Json,
    Constant(Bytes),
    /// A template, by its name.
    Template(Box<str>),
}

/// The templates of all bodies.
pub(super) struct Bodies {
    copies: Box<[Environment<'static>]>,
}

/// Compiles bodies, before there are copies.
pub(super) struct BodiesBuilder {
    environment: Environment<'static>,
    count: usize,
}

impl BodiesBuilder {
    pub(super) fn new() -> Self {
        Self { environment: TEXTS.clone(), count: 0 }
    }

    /// Compiles one; `used` gets the variables that it reads.
    pub(super) fn compile(
        &mut self,
        source: &str,
        used: &mut BTreeSet<String>,
    ) -> Result<Body, Vec<ExpressionError>> {
        let mut names = BTreeSet::new();
        let tags = check(&TEXTS, source, &mut names)?;
        if tags.is_empty() {
            return Ok(Body::Constant(Bytes::copy_from_slice(source.as_bytes())));
        }
        match source.split_whitespace().collect::<String>().as_str() {
            "{{raw}}" => return Ok(Body::Value),
            "{{value|tojson}}" => return Ok(Body::Json),
            _ => used.append(&mut names),
        }
        let name = self.count.to_string();
        self.count += 1;
        self.environment
            .add_template_owned(name.clone(), source.to_owned())
            .map_err(|error| vec![fault(&error, source)])?;
        Ok(Body::Template(name.into()))
    }

    pub(super) fn finish(self) -> Bodies {
        let copies = if self.count == 0 { 0 } else { COPIES };
        Bodies { copies: vec![self.environment; copies].into() }
    }
}

impl Bodies {
    /// The body for a record, of at most `room` bytes; `None` for the record's value.
    pub(super) fn render(
        &self,
        body: &Body,
        lazy: &mut Lazy<'_>,
        room: usize,
    ) -> Result<Option<Bytes>, String> {
        match body {
            Body::Value => Ok(None),
            Body::Json => match lazy.record().value() {
                Some(value) => check_json(&value).map(|()| None).map_err(|error| message(&error)),
                None => Ok(Some(Bytes::from_static(b"null"))),
            },
            Body::Constant(text) => Ok(Some(text.clone())),
            Body::Template(name) => self.template(name, lazy, room).map(Some),
        }
    }

    fn template(&self, name: &str, lazy: &mut Lazy<'_>, room: usize) -> Result<Bytes, String> {
        let copy =
            self.copies.get(THREAD.with(|number| number % COPIES)).ok_or("the template is gone")?;
        let mut out = Bounded { written: Vec::new(), room, full: false };
        let rendered = copy
            .get_template(name)
            .and_then(|template| template.render_captured_to(lazy.get(), &mut out).map(drop));
        match rendered {
            Ok(()) => Ok(out.written.into()),
            Err(_) if out.full => Err("the bodies are longer than 32 MiB".to_owned()),
            Err(error) => {
                let line = error.line().map(|line| format!(", in line {line}")).unwrap_or_default();
                Err(format!("{}{line}", message(&error)))
            }
        }
    }
}

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The number of this thread among those that rendered bodies.
    static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed);
}

/// Takes so much and no more: a template that writes without end fails instead.
struct Bounded {
    written: Vec<u8>,
    room: usize,
    full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.room - self.written.len() {
            self.full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
