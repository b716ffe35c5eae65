//! The command line as a person meets it: `keyway` as a process, its exit codes, what it prints, and
//! that every setting does what it says.
#![allow(clippy::expect_used, reason = "a failed step of a test is a panic that names the step")]

mod support;

#[path = "mock/stage.rs"]
#[allow(dead_code, reason = "shared with the stories of the mock cluster, which use all of it")]
mod stage;

mod cli {
    mod bad_input;
    mod commands;
    mod listening;
    mod precedence;
    mod secrets;
    mod trap;
    mod variables;
}
