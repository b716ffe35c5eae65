use std::collections::BTreeSet;

use super::*;
use crate::settings::table::rows;

fn parsed(line: &str) -> Result<Cli, ErrorKind> {
    Cli::try_parse_from(line.split_whitespace()).map_err(|error| error.kind())
}

fn page(command: &str) -> String {
    let mut keyway = Cli::command();
    keyway.build();
    let command = keyway.find_subcommand_mut(command).expect("the command exists");
    command.render_long_help().to_string()
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_flag_of_the_table_is_taken_and_handed_on() {
    let flags: Vec<&str> = rows().filter_map(|row| row.flag).collect();
    let line: Vec<String> =
        flags.iter().flat_map(|flag| [(*flag).to_owned(), format!("value of {flag}")]).collect();
    let arguments = ["keyway".to_owned(), "run".to_owned()].into_iter().chain(line);
    let Ok(Cli { command: Command::Run(run) }) = Cli::try_parse_from(arguments) else {
        panic!("refused")
    };
    let given = run.given();
    assert_eq!(given.config, Some("value of --config".into()));
    for flag in flags.iter().filter(|flag| **flag != "--config") {
        assert_eq!(given.values.get(flag), Some(&vec![format!("value of {flag}")]), "{flag}");
    }
    assert_eq!(given.values.len() + 1, flags.len());
}

#[test]
fn every_flag_taken_is_in_the_table() {
    let keyway = Cli::command();
    let run = keyway.find_subcommand("run").expect("the command exists");
    let taken: BTreeSet<String> =
        run.get_arguments().filter_map(|flag| Some(format!("--{}", flag.get_long()?))).collect();
    let table: BTreeSet<String> = rows().filter_map(|row| row.flag).map(str::to_owned).collect();
    assert_eq!(taken, table);
}

#[test]
fn the_help_of_check_names_what_a_record_has() {
    let mut keyway = Cli::command();
    let check = keyway.find_subcommand_mut("check").expect("the command exists");
    let help = check.render_long_help().to_string();
    for key in ["topic,", "key_base64", "value_base64", "headers", "a string is the text in it"] {
        assert!(help.contains(key), "{key} is not in\n{help}");
    }
}

#[test]
fn topics_repeat_and_other_flags_do_not() {
    let Ok(Cli { command: Command::Run(run) }) = parsed("keyway run --topic a --topic ^b,c") else {
        panic!("refused")
    };
    assert_eq!(run.given().values["--topic"], ["a", "^b,c"]);
    assert!(parsed("keyway run --senders 1 --senders 2").is_err());
}

#[test]
fn bad_usage_exits_with_64_and_help_with_0() {
    for line in [
        "keyway",
        "keyway fly",
        "keyway run --sender 5",
        "keyway run --senders",
        "keyway run extra",
        "keyway demo --keys 0",
        "keyway demo --fail 2",
        "keyway demo --latency 5",
        "keyway demo --url localhost",
        "keyway demo --url http://a/ --fail 1%",
        "keyway check --sample 0",
        "keyway check --sample 1001",
        "keyway check --record r.json --connect",
        "keyway completions",
    ] {
        assert_eq!(parsed(line).map(|_| ()).map_err(exit_of), Err(exit::USAGE), "{line}");
    }
    for line in [
        "keyway --help",
        "keyway run --help",
        "keyway run -h",
        "keyway --version",
        "keyway help run",
    ] {
        assert_eq!(parsed(line).map(|_| ()).map_err(exit_of), Err(exit::CLEAN), "{line}");
    }
}

#[test]
fn values_of_run_are_the_settings_to_judge() {
    assert!(parsed("keyway run --senders many --url nonsense --listen nowhere").is_ok());
}

#[test]
fn the_demo_reads_its_own_values() {
    let Ok(Cli { command: Command::Demo(demo) }) =
        parsed("keyway demo --fail 0.1 --latency 5ms --records 10")
    else {
        panic!("refused")
    };
    assert_eq!((demo.fail, demo.latency, demo.keys.get()), (0.1, Duration::from_millis(5), 300));
    assert_eq!(demo.records.map(NonZeroU64::get), Some(10));
}

#[test]
fn the_page_of_run_names_everything_and_fits_a_terminal() {
    for command in ["run", "check", "offsets"] {
        let page = page(command);
        for row in help::shown() {
            assert!(page.contains(row.variable), "{} is not in {page}", row.variable);
        }
        for part in [
            "Examples:",
            "Exit codes:",
            "78",
            "KEYWAY_KAFKA_<PROPERTY>",
            "docs/configuration.md",
            "--config",
            "[default: 256]",
        ] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
    }
    for line in help::variables().lines() {
        assert!(line.len() <= 80, "{line}");
    }
    assert!(help::variables().lines().count() <= 42, "a page that is read has fewer");
    assert!(rows().filter(|row| row.flag.is_some()).all(|row| !row.rare));
    for (_, line) in [help::RUN_EXAMPLES, help::CHECK_EXAMPLES, help::OFFSETS_EXAMPLES].concat() {
        assert!(line.len() <= 92, "{line}");
    }
}

#[test]
fn every_shell_gets_a_script_that_knows_our_flags() {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let mut script = Vec::new();
        completions(shell, &mut script).expect("it is written to memory");
        assert!(String::from_utf8_lossy(&script).contains("group-id"), "{shell}");
    }
}
