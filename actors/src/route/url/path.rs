//! Writes the path and query of a URL, of text and values.

/// Writes a path and a query, and looks at every segment as it ends.
#[derive(Default)]
pub(super) struct PathWriter {
    out: String,
    /// Where the segment under way starts.
    segment: usize,
    /// Whether a value is in it.
    from_value: bool,
    in_query: bool,
}

impl PathWriter {
    /// Text of the template, as it is.
    pub(super) fn constant(&mut self, text: &str) -> Result<(), String> {
        for char in text.chars() {
            if !self.in_query && matches!(char, '/' | '?') {
                self.end_segment()?;
                self.in_query = char == '?';
                self.from_value = false;
            }
            self.out.push(char);
            if !self.in_query && char == '/' {
                self.segment = self.out.len();
            }
        }
        Ok(())
    }

    /// A value, percent-encoded; `slashes` separate segments where there are any.
    pub(super) fn value(&mut self, text: &str, slashes: bool) -> Result<(), String> {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        self.from_value = true;
        for byte in text.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    self.out.push(char::from(byte));
                }
                b'/' if slashes && !self.in_query => {
                    self.end_segment()?;
                    self.out.push('/');
                    self.segment = self.out.len();
                }
                _ => {
                    self.out.push('%');
                    self.out.push(char::from(DIGITS[usize::from(byte >> 4)]));
                    self.out.push(char::from(DIGITS[usize::from(byte & 15)]));
                }
            }
        }
        Ok(())
    }

    fn end_segment(&self) -> Result<(), String> {
        let segment = &self.out[self.segment..];
        if segment.is_empty() && self.from_value {
            return Err("a value leaves a segment of the path empty".to_owned());
        }
        // An encoded dot is a dot to many servers.
        if matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..") {
            return Err("a segment of the path is \".\" or \"..\"".to_owned());
        }
        Ok(())
    }

    /// The path and query, with the slash that begins it.
    pub(super) fn finish(self) -> Result<String, String> {
        if !self.in_query {
            self.end_segment()?;
        }
        if self.out.starts_with('/') { Ok(self.out) } else { Ok(format!("/{}", self.out)) }
    }
}
