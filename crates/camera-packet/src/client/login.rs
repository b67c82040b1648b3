//! Port 5002: plain or by SCRAM (sheet §5, §10).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use machine::Instant;

use super::{AUTH, Client, Event, LoginFailure};
use crate::config::MAX_PASSWORD;
use crate::error::{ScramError, UsageError};
use crate::message::{Message, ScramStep};
use crate::scram::{self, ScramClient, USER};
use crate::secret::Secret;

#[derive(Default)]
pub(super) struct Login {
    /// What is to be sent as soon as there is a connection, or was, until the answer is known.
    password: Vec<u8>,
    phase: Phase,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.phase.fmt(f)
    }
}

#[derive(Debug, Default)]
enum Phase {
    /// Nobody wants to log in.
    #[default]
    Idle,
    /// A connection is needed; the second time round after SCRAM was not understood.
    Wanted { plain: bool },
    /// The password was sent.
    Plain { until: Instant },
    /// The first SCRAM message was sent.
    ScramFirst { until: Instant, exchange: Box<ScramClient> },
    /// The second SCRAM message was sent.
    ScramFinal { until: Instant, exchange: Box<ScramClient> },
    /// The server has shown that it is ours; its `ready` has not come yet.
    ScramDone { until: Instant },
}

impl Login {
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Idle | Phase::Wanted { .. } => None,
            Phase::Plain { until }
            | Phase::ScramFirst { until, .. }
            | Phase::ScramFinal { until, .. }
            | Phase::ScramDone { until } => Some(until),
        }
    }
}

impl Client {
    /// A local call: logs in, on the authentication connection if it stands or as soon as it does. The server closes it
    /// after the answer.
    ///
    /// # Errors
    /// [`UsageError::PasswordLength`], [`UsageError::Busy`] during another login, [`UsageError::NotInDialect`].
    pub fn login(&mut self, now: Instant, password: &[u8]) -> Result<(), UsageError> {
        if !self.config.dialect.has_auth() {
            return Err(UsageError::NotInDialect);
        }
        if password.is_empty() || password.len() > MAX_PASSWORD {
            return Err(UsageError::PasswordLength { len: password.len() });
        }
        if !matches!(self.login.phase, Phase::Idle) {
            return Err(UsageError::Busy);
        }
        self.login =
            Login { password: password.to_vec(), phase: Phase::Wanted { plain: !self.config.scram } };
        self.begin_login(now);
        Ok(())
    }

    pub(super) fn begin_login(&mut self, now: Instant) {
        let (Some(id), Phase::Wanted { plain }) = (self.auth.as_ref().map(|l| l.id), &self.login.phase)
        else {
            return;
        };
        let until = now + self.config.auth_timeout;
        if *plain {
            let password = core::mem::take(&mut self.login.password);
            self.send(id, &Message::Password(Secret(&password)));
            self.login.phase = Phase::Plain { until };
        } else {
            let nonce = scram::nonce(&self.rng.bytes::<18>());
            let exchange = Box::new(ScramClient::new(USER, &self.login.password, &nonce));
            self.send(id, &Message::Scram(ScramStep::ClientFirst, exchange.first().as_bytes()));
            self.login.phase = Phase::ScramFirst { until, exchange };
        }
    }

    pub(super) fn login_message(&mut self, now: Instant, message: Message<'_>) {
        match (core::mem::take(&mut self.login.phase), message) {
            (Phase::Plain { .. } | Phase::ScramDone { .. }, Message::Ready) => {
                let token = self.token.filter(|_| self.config.scram);
                self.login_over(Event::LoggedIn(token));
            }
            (
                Phase::Plain { .. } | Phase::ScramFirst { .. } | Phase::ScramFinal { .. },
                Message::AuthFailed(reason),
            ) => self.login_failed(LoginFailure::Refused(reason.first().copied())),
            (Phase::ScramFirst { mut exchange, until }, Message::Scram(ScramStep::ServerFirst, text)) => {
                match (exchange.answer(text), self.auth.as_ref().map(|link| link.id)) {
                    (Ok(last), Some(id)) => {
                        self.send(id, &Message::Scram(ScramStep::ClientFinal, last.as_bytes()));
                        self.login.phase = Phase::ScramFinal { until: until.max(now), exchange };
                    }
                    (Err(error), _) => self.login_failed(LoginFailure::Scram(error)),
                    (Ok(_), None) => self.login_failed(LoginFailure::Closed),
                }
            }
            (Phase::ScramFinal { mut exchange, until }, Message::Scram(ScramStep::ServerFinal, text)) => {
                match exchange.finish(text) {
                    Ok(token) => {
                        self.token = token;
                        self.login.phase = Phase::ScramDone { until };
                    }
                    Err(error) => self.login_failed(LoginFailure::Scram(error)),
                }
            }
            // A server that says `ready` before it has shown that it knows the password is none.
            (Phase::ScramFirst { .. } | Phase::ScramFinal { .. }, Message::Ready) => {
                self.login_failed(LoginFailure::Scram(ScramError::Signature));
            }
            (phase, _) => self.login.phase = phase,
        }
    }

    pub(super) fn login_timeout(&mut self, now: Instant) {
        if self.auth.is_some() && self.login.deadline().is_some_and(|at| at <= now) {
            self.login_failed(LoginFailure::Timeout);
        }
    }

    /// The connection has gone.
    pub(super) fn login_lost(&mut self, _now: Instant) {
        match core::mem::take(&mut self.login.phase) {
            // As the original does, and as somebody in between can make it look.
            Phase::ScramFirst { .. } if self.config.allow_plaintext => {
                self.login.phase = Phase::Wanted { plain: true };
                self.event(Event::Reconnect(AUTH));
            }
            Phase::ScramFirst { .. } => self.login_failed(LoginFailure::Downgrade),
            Phase::Plain { .. } | Phase::ScramFinal { .. } | Phase::ScramDone { .. } => {
                self.login_failed(LoginFailure::Closed);
            }
            phase @ (Phase::Idle | Phase::Wanted { .. }) => self.login.phase = phase,
        }
    }

    fn login_failed(&mut self, why: LoginFailure) {
        self.login_over(Event::LoginFailed(why));
    }

    fn login_over(&mut self, event: Event) {
        self.login = Login::default();
        self.close(AUTH);
        self.event(event);
    }
}
