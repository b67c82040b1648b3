//! All that a machine was told, in the order in which it was, and what it said: to be played back, on another machine
//! and faster than it was, with every output the same to the last bit.
//!
//! A machine's outputs are a function of its configuration and of what it is told (the conformance suite sees to it), so a
//! recording of these is a whole report of a fault. [`Recorded`] is a machine around a machine, for a program to give to
//! its driver; [`Player`] plays back. What programs do with a machine besides, by local calls, is told to it as well: the
//! crate of a machine declares these calls with [`recordable!`](crate::recordable). `Recorded` lends the machine for
//! reading only, so that a call which changes it and is not recorded does not compile.
//!
//! # Lines
//!
//! A recording is ASCII text, one thing a line, each of words with one space between. Whatever is cut off at its end, the
//! lines before stand. Times are nanoseconds on the machine's clock ([`Instant`]); data is text in quotes, or `x` and
//! hexadecimal digits ([`write_data`]).
//!
//! ```text
//! machine toy 40000000                          which machine this is, and how it is set up: the first line
//! input 12 Conn 1 opened 0 [::1]:1 [::1]:2 Stream   what it was told, when and from whom
//! input 13 Conn 1 bytes "subscribe\n"           of a stream what is new; the machine's rest lies before it
//! timeout 40000000                              it was woken
//! wall 40000000 1795286400000000000             the wall clock read this
//! call 41000000 say 1 "hello"                   what the program did with it
//! send 1 Latest bytes "tick 1\n"                what it said when it was asked: to which connection, how, what
//! send 2 Latest bytes =                         the same data as the last
//! sendfile 1 7 0 100                            token, first byte, how many
//! datagram 0 [::1]:3 - - - "pong"               socket, peer, own address; segment, tag; data
//! close 1 flush                                 or now, or the code
//! event "Subscribed(ConnId(1))"                 as it is debugged
//! .                                             it had nothing more to say
//! ```
//!
//! Of data that is said the first [`MAX_SHOWN`] bytes are written, and if there is more its length and its hash (FNV-1a,
//! 128 bits). What is told is written whole, with all passwords in it.

mod field;
mod line;
mod player;
mod text;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::fmt::{self, Debug};
use core::ops::Deref;

pub use self::field::{Field, Written};
pub use self::player::{Difference, Played, Player, Problem};
pub use self::text::{Fields, Unreadable, data, write_data, write_word};

use self::line::{Outputs, write_input};
use crate::{Input, Instant, Machine, Output, Peer};

/// What lines are written into.
pub type Line = alloc::string::String;

/// Of what a machine says so many bytes are kept, and a hash of what is longer.
pub const MAX_SHOWN: usize = 256;

/// The line for a poll that gave no output.
const NOTHING_MORE: &str = ".";

/// A machine that can be recorded.
pub trait Recordable: Machine<Event: Debug> + Sized {
    /// By what name recordings call it; one word.
    const NAME: &'static str;

    /// All that its constructor needs.
    type Config: Field;

    /// Its constructor.
    fn from_config(config: Self::Config) -> Self;

    /// Does what a local call did that was recorded.
    ///
    /// # Errors
    /// When there is no such call, or its arguments cannot be read.
    fn local_call(&mut self, now: Instant, name: &str, fields: &mut Fields<'_>) -> Result<(), Unreadable>;
}

/// Where lines go.
pub trait Sink: Send {
    /// Takes a line, without its end. `false`: no more lines are wanted.
    fn line(&mut self, line: &str) -> bool;
}

/// A machine, and a recording of it if one is wanted. Without one it costs a branch.
///
/// It can be looked at as the machine can; local calls that change it are methods of a trait that
/// [`recordable!`](crate::recordable) made for this machine, with the names that they have on it.
pub struct Recorded<M> {
    machine: M,
    log: Option<Box<Log>>,
}

struct Log {
    sink: Box<dyn Sink>,
    line: Line,
    outputs: Outputs,
    /// Bytes that the machine has left in the buffers of streams.
    left: BTreeMap<Peer, usize>,
    /// When it was told something last.
    now: Instant,
    /// Nothing was told since it had nothing more to say.
    is_drained: bool,
    /// The sink wants no more.
    is_over: bool,
}

impl<M: Recordable> Recorded<M> {
    /// The machine of this configuration; recorded if there is somewhere to write to.
    pub fn new(config: M::Config, sink: Option<Box<dyn Sink>>) -> Self {
        let log = sink.map(|sink| {
            let mut log = Box::new(Log {
                sink,
                line: Line::new(),
                outputs: Outputs::default(),
                left: BTreeMap::new(),
                now: Instant::default(),
                is_drained: false,
                is_over: false,
            });
            log.line.push_str("machine");
            write_word(&mut log.line, M::NAME);
            config.write(&mut log.line);
            log.put();
            log
        });
        Self { machine: M::from_config(config), log }
    }

    /// Whether lines are still written.
    pub fn is_recording(&self) -> bool {
        self.log.as_ref().is_some_and(|log| !log.is_over)
    }

    /// The machine for a local call, which has been noted: for [`recordable!`](crate::recordable) only. `now`: as the
    /// call has it, if it has it.
    #[doc(hidden)]
    pub fn noted(&mut self, now: Option<Instant>, name: &str, arguments: impl FnOnce(&mut Line)) -> &mut M {
        if let Some(log) = self.log() {
            let now = now.unwrap_or(log.now);
            log.told("call", now);
            write_word(&mut log.line, name);
            arguments(&mut log.line);
            log.put();
        }
        &mut self.machine
    }

    fn log(&mut self) -> Option<&mut Log> {
        self.log.take_if(|log| log.is_over);
        self.log.as_deref_mut()
    }
}

impl Log {
    /// Begins a line for something that the machine is told.
    fn told(&mut self, kind: &str, now: Instant) {
        self.now = now;
        self.is_drained = false;
        self.line.clear();
        self.line.push_str(kind);
        now.write(&mut self.line);
    }

    fn put(&mut self) {
        if !self.is_over && !self.sink.line(&self.line) {
            self.is_over = true;
        }
        // What one large message took is not kept.
        if self.line.capacity() > MAX_LINE_KEPT {
            self.line = Line::new();
        }
    }
}

impl<M: Recordable> Machine for Recorded<M> {
    type Event = M::Event;

    fn handle_input(&mut self, now: Instant, from: Peer, input: Input<'_>) {
        if let Some(log) = self.log() {
            let known = match input {
                Input::Bytes(_) | Input::End(_) => log.left.get(&from).copied().unwrap_or(0),
                _ => 0,
            };
            (log.now, log.is_drained) = (now, false);
            // Before the machine has it, so that what fells the program stands there.
            write_input(&mut log.line, now, from, &input, known);
            log.put();
            match input {
                Input::Bytes(buffer) => {
                    self.machine.handle_input(now, from, Input::Bytes(&mut *buffer));
                    return self.left(from, buffer.len());
                }
                Input::End(buffer) => {
                    self.machine.handle_input(now, from, Input::End(&mut *buffer));
                    return self.left(from, buffer.len());
                }
                Input::Closed(_) => self.left(from, 0),
                _ => {}
            }
        }
        self.machine.handle_input(now, from, input);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Some(log) = self.log() {
            log.told("timeout", now);
            log.put();
        }
        self.machine.handle_timeout(now);
    }

    fn handle_wall_clock(&mut self, now: Instant, unix_ns: i64) {
        if let Some(log) = self.log() {
            log.told("wall", now);
            unix_ns.write(&mut log.line);
            log.put();
        }
        self.machine.handle_wall_clock(now, unix_ns);
    }

    fn poll_output(&mut self) -> Option<Output<M::Event>> {
        let output = self.machine.poll_output();
        if let Some(log) = self.log() {
            match &output {
                Some(output) => {
                    log.outputs.write(&mut log.line, output);
                    log.put();
                }
                None if !log.is_drained => {
                    log.is_drained = true;
                    log.line.clear();
                    log.line.push_str(NOTHING_MORE);
                    log.put();
                }
                None => {}
            }
        }
        output
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.machine.poll_timeout()
    }
}

impl<M: Recordable> Recorded<M> {
    /// The machine has left so many bytes of a stream.
    fn left(&mut self, from: Peer, bytes: usize) {
        if let Some(log) = &mut self.log {
            match bytes {
                0 => log.left.remove(&from),
                bytes => log.left.insert(from, bytes),
            };
        }
    }
}

/// For looking only.
impl<M> Deref for Recorded<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.machine
    }
}

impl<M: Debug> Debug for Recorded<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded").field("machine", &self.machine).finish_non_exhaustive()
    }
}

/// A longer line's memory is given back.
const MAX_LINE_KEPT: usize = 16 << 10;

/// Makes a machine [`Recordable`](crate::record::Recordable): by what name, what its `new` takes, and its local calls, which
/// become a trait that [`Recorded`](crate::record::Recorded) of it has, with the machine's own methods.
///
/// `[now]` stands before the arguments of methods that take the time first. An argument is a
/// [`Field`](crate::record::Field), or one is named that is kept in its place, with the expression that makes the argument
/// of it:
///
/// ```
/// # use machine::{Input, Instant, Machine, Output, Peer};
/// # struct Lamp { text: String, on: bool }
/// # impl Lamp {
/// #     fn new(on: bool) -> Self { Self { text: String::new(), on } }
/// #     fn switch(&mut self, now: Instant, on: bool) -> bool { let _ = now; core::mem::replace(&mut self.on, on) }
/// #     fn label(&mut self, text: &str) { self.text = text.into(); }
/// # }
/// # impl Machine for Lamp {
/// #     type Event = ();
/// #     fn handle_input(&mut self, _: Instant, _: Peer, _: Input<'_>) {}
/// #     fn handle_timeout(&mut self, _: Instant) {}
/// #     fn poll_output(&mut self) -> Option<Output<()>> { None }
/// #     fn poll_timeout(&self) -> Option<Instant> { None }
/// # }
///
/// machine::recordable! {
///     /// What programs do with a [`Lamp`].
///     pub trait LampCalls for Lamp = "lamp" of bool {
///         /// Switches it on or off; whether it was on.
///         fn switch[now](on: bool) -> bool;
///         /// Writes on it.
///         fn label(text: &str as String => &text) -> ();
///     }
/// }
/// ```
#[macro_export]
macro_rules! recordable {
    (@kept $given:ty) => { $given };
    (@kept $given:ty, $kept:ty) => { $kept };
    (@argument $name:ident) => { $name };
    (@argument $name:ident, $argument:expr) => { $argument };
    (@now) => { ::core::option::Option::None };
    (@now $now:ident) => { ::core::option::Option::Some($now) };
    (
        $(#[$about:meta])*
        $vis:vis trait $calls:ident for $machine:ty = $called:literal of $config:ty {
            $(
                $(#[$doc:meta])*
                fn $name:ident $([$now:ident])? (
                    $($argument:ident: $given:ty $(as $kept:ty => $made:expr)?),* $(,)?
                ) -> $answer:ty;
            )*
        }
    ) => {
        $(#[$about])*
        $vis trait $calls {
            $(
                $(#[$doc])*
                fn $name(&mut self, $($now: $crate::Instant,)? $($argument: $given),*) -> $answer;
            )*
        }

        impl $calls for $crate::record::Recorded<$machine> {
            $(
                fn $name(&mut self, $($now: $crate::Instant,)? $($argument: $given),*) -> $answer {
                    let machine = self.noted(
                        $crate::recordable!(@now $($now)?),
                        ::core::stringify!($name),
                        |_line| { $( $crate::record::Written::write(&$argument, _line); )* },
                    );
                    <$machine>::$name(machine, $($now,)? $($argument),*)
                }
            )*
        }

        impl $crate::record::Recordable for $machine {
            const NAME: &'static str = $called;

            type Config = $config;

            fn from_config(config: $config) -> Self {
                <$machine>::new(config)
            }

            fn local_call(
                &mut self,
                time: $crate::Instant,
                name: &str,
                fields: &mut $crate::record::Fields<'_>,
            ) -> ::core::result::Result<(), $crate::record::Unreadable> {
                match name {
                $( ::core::stringify!($name) => {
                    $(
                        let $argument =
                            <$crate::recordable!(@kept $given $(, $kept)?) as $crate::record::Field>::read(fields)?;
                    )*
                    fields.end()?;
                    $( let $now = time; )?
                    let _ = <$machine>::$name(
                        self,
                        $($now,)?
                        $( $crate::recordable!(@argument $argument $(, $made)?) ),*
                    );
                    ::core::result::Result::Ok(())
                } )*
                _ => {
                    let _ = time;
                    ::core::result::Result::Err($crate::record::Unreadable::Call)
                }
                }
            }
        }
    };
}
