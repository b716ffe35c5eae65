//! A log that keeps its lines, as `name=value` words.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex};

use slog::{Drain, KV, Key, Never, OwnedKVList, Record, Serializer};

#[derive(Clone, Default)]
pub struct Kept(Arc<Mutex<Vec<String>>>);

impl Kept {
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

struct Words(String);

impl Serializer for Words {
    fn emit_arguments(&mut self, key: Key, value: &fmt::Arguments<'_>) -> slog::Result {
        write!(self.0, " {key}={value}").map_err(|_| slog::Error::Other)
    }
}

impl Drain for Kept {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        let mut words = Words(record.msg().to_string());
        record.kv().serialize(record, &mut words).unwrap();
        values.serialize(record, &mut words).unwrap();
        self.0.lock().unwrap().push(words.0 + " ");
        Ok(())
    }
}
