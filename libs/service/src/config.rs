//! Settings of a process: flags over environment over one YAML file over defaults.
//!
//! A service describes its settings once, as a clap struct with dotted long flags (`--wal.sync`) and `NARTHEX_...`
//! variables; doc comments are the help. `--config FILE` names a YAML file whose nested keys are the same dotted names
//! (`wal: {sync: always}`). A key that no flag has is an error: a misspelt limit must not be taken for the default.

mod error;
mod file;
mod units;

use std::{ffi::OsString, fs, path::PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, parser::ValueSource};

pub use error::ConfigError;
pub use units::{ByteSize, HumanDuration, UnitError};

use file::{Setting, read_settings};

/// Id of the flag that names the file; a service's own struct must not use it.
const CONFIG: &str = "config";

/// Reads the process's settings, or prints what is wrong (or the help that was asked for) and ends the process.
pub fn parse<T: clap::Parser>() -> T {
    match parse_from(std::env::args_os()) {
        Ok(settings) => settings,
        Err(ConfigError::Arguments(error)) => error.exit(),
        Err(error) => {
            eprintln!("error: {error}");
            std::process::exit(2)
        }
    }
}

/// Reads settings from `args` (the program's name first), the environment and the file that either of them names.
pub fn parse_from<T: clap::Parser>(
    args: impl IntoIterator<Item = impl Into<OsString>>,
) -> Result<T, ConfigError> {
    let mut args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    if args.is_empty() {
        args.push(T::command().get_name().into());
    }
    let command = with_config_flag(T::command());
    // What the file may still supply is not yet missing.
    let lenient = command.clone().mut_args(|arg| arg.required(false));
    let given = lenient.try_get_matches_from(&args).map_err(ConfigError::Arguments)?;
    let path = given.get_one::<PathBuf>(CONFIG).cloned();
    if let Some(path) = &path {
        let text =
            fs::read_to_string(path).map_err(|source| ConfigError::Read { file: path.clone(), source })?;
        let from_file = file_arguments(&command, &given, path, &text)?;
        args.splice(1..1, from_file);
    }
    let parsed =
        command.try_get_matches_from(&args).and_then(|mut matches| T::from_arg_matches_mut(&mut matches));
    parsed.map_err(|source| match path {
        Some(file) => ConfigError::Settings { file, source },
        None => ConfigError::Arguments(source),
    })
}

fn with_config_flag(command: Command) -> Command {
    if command.get_arguments().any(|arg| arg.get_id() == CONFIG) {
        return command;
    }
    command.arg(
        Arg::new(CONFIG)
            .long(CONFIG)
            .env("NARTHEX_CONFIG")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("YAML file with any of these settings under the same names (wal: {sync: always} sets --wal.sync)"),
    )
}

/// The flags that stand for the file's settings, without those that the command line or the environment already gives.
fn file_arguments(
    command: &Command,
    given: &ArgMatches,
    path: &std::path::Path,
    text: &str,
) -> Result<Vec<OsString>, ConfigError> {
    let settings = read_settings(text).map_err(|reason| ConfigError::Yaml { file: path.into(), reason })?;
    let mut arguments = Vec::new();
    for Setting { key, values } in settings {
        let known =
            command.get_arguments().find(|arg| arg.get_long() == Some(&key) && arg.get_id() != CONFIG);
        let Some(arg) = known else {
            let nearest = nearest(command, &key);
            return Err(ConfigError::UnknownKey { key, file: path.into(), nearest });
        };
        let source = given.value_source(arg.get_id().as_str());
        if matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable)) {
            continue;
        }
        let wrong =
            |reason: &str| ConfigError::Value { key: key.clone(), file: path.into(), reason: reason.into() };
        match (arg.get_action(), values.as_slice()) {
            (ArgAction::SetTrue, [value]) => match value.as_str() {
                "true" => arguments.push(format!("--{key}").into()),
                "false" => {}
                _ => return Err(wrong("expected true or false")),
            },
            (_, []) => return Err(wrong("an empty list sets nothing; remove the key")),
            (_, [value]) => arguments.push(format!("--{key}={value}").into()),
            (_, values) => match (arg.get_value_delimiter(), arg.get_action()) {
                (Some(delimiter), _) if values.iter().any(|value| value.contains(delimiter)) => {
                    return Err(wrong("an element of the list contains the separator of elements"));
                }
                (Some(delimiter), _) => {
                    arguments.push(format!("--{key}={}", values.join(&delimiter.to_string())).into());
                }
                (None, ArgAction::Append) => {
                    arguments.extend(values.iter().map(|value| OsString::from(format!("--{key}={value}"))));
                }
                _ => return Err(wrong("expected one value, found a list")),
            },
        }
    }
    Ok(arguments)
}

/// The known key that most resembles `key`, for the error's hint: the longest common beginning of at least 3 bytes,
/// or the same letters but for `_`, `-` and case.
fn nearest(command: &Command, key: &str) -> Option<String> {
    let plain = |text: &str| text.replace(['-', '_'], "").to_lowercase();
    let keys = || command.get_arguments().filter_map(Arg::get_long);
    let same = keys().find(|known| plain(known) == plain(key));
    let common = |known: &str| known.bytes().zip(key.bytes()).take_while(|(a, b)| a == b).count();
    same.or_else(|| keys().filter(|known| common(known) >= 3).max_by_key(|known| common(known)))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests;
