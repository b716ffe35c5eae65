//! The settings of the binary: what was typed, turned once into what the program needs.
//!
//! A flag wins over a `KEYWAY_*` variable, a variable over the TOML file, the file over the
//! default. Every source is checked whole, also where another one wins, and every problem found is
//! reported with its place. After [`load`] nothing parses and nothing defaults. Nothing here
//! connects anywhere; files are read only where a setting names them.

mod api;
mod checks;
mod document;
mod environment;
mod file;
mod file_root;
mod fill;
mod http;
mod kafka;
mod level;
mod overridden;
mod paths;
mod pipeline;
mod posted;
mod problem;
mod proxy;
mod reader;
mod resolve;
mod retry;
mod routes;
pub mod schema;
mod side_by_side;
mod sink;
mod sources;
pub mod table;
pub mod text_file;
mod typed;
mod types;
pub mod value;

#[cfg(test)]
mod tests;

pub use kafka::KafkaProperties;
pub use posted::{Base, Body, refused_property, shown as shown_body};
pub use problem::Problems;
pub use resolve::Least;
pub use side_by_side::contradiction;
pub use sources::{Flags, Sources};
pub use text_file::read_text;
pub use types::{
    ApiSettings, AuthSettings, Coding, CompressionSettings, DeadLetterSettings,
    DestinationSettings, EventMode, EventSettings, Filled, GroupSettings, HttpSettings, Listen,
    LogFormat, LogSettings, PipelineSettings, RetrySettings, Routes, SecretSource, Settings,
    SinkSettings, Way,
};

/// Everything that `run` and `check` need.
///
/// # Errors
/// All problems found, one line each: bad values, unknown keys and variables, missing settings,
/// settings that contradict each other, files that cannot be read.
pub fn load(sources: &Sources) -> Result<Settings, Problems> {
    load_with_base(sources, Least::One).map(|(settings, _)| settings)
}

/// The same, with what holds for the pipelines that come later.
///
/// # Errors
/// As for [`load`].
pub fn load_with_base(sources: &Sources, least: Least) -> Result<(Settings, Base), Problems> {
    let mut problems = Problems::default();
    let typed = sources::gather(sources, &mut problems);
    let proxy = proxy::read(&sources.environment, &mut problems);
    let settings = typed.as_ref().and_then(|it| resolve::settings(it, least, &mut problems));
    match typed.zip(settings) {
        Some((typed, mut settings)) if problems.is_empty() => {
            for pipeline in &mut settings.pipelines {
                if let SinkSettings::Http(http) = &mut pipeline.sink {
                    http.proxy.clone_from(&proxy);
                }
            }
            if let Some(proxy) = &proxy {
                for alert in &mut settings.alerts {
                    alert.url = alert.url.clone().through(proxy);
                }
            }
            let base = Base::new(&typed, proxy.as_ref(), &settings.api);
            Ok((settings, base))
        }
        _ => Err(problems),
    }
}

/// What `offsets` needs of each pipeline: how to reach its group. A missing URL is no problem here;
/// everything that is given is checked as for [`load`].
///
/// # Errors
/// As for [`load`].
pub fn load_groups(sources: &Sources) -> Result<(LogSettings, Vec<GroupSettings>), Problems> {
    let mut problems = Problems::default();
    let typed = sources::gather(sources, &mut problems);
    match typed.and_then(|typed| resolve::groups(&typed, &mut problems)) {
        Some(groups) if problems.is_empty() => Ok(groups),
        _ => Err(problems),
    }
}
