//! The two ways in which a command can fail.

use std::fmt;
use std::process::ExitCode;

/// Why a command failed, in one line.
#[derive(Debug)]
pub(super) enum Failure {
    /// It was asked wrongly: exit code 2. The text begins with the name of the argument.
    Usage(String),
    /// It could not be done: exit code 1.
    Failed(anyhow::Error),
}

impl Failure {
    /// Something is wrong with an argument.
    pub(super) fn usage(argument: &str, what: impl fmt::Display) -> Self {
        Self::Usage(format!("{argument}: {what}"))
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::from(1),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(line) => f.write_str(line),
            Self::Failed(error) => write!(f, "{error:#}"),
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}
