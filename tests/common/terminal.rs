//! A real pseudo-terminal with a screen that can be read: keys in, text out, no sleeps.

use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};

/// How long a screen may take before a test gives up; not a promise about speed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program in a pseudo-terminal.
pub struct Terminal {
    parser: vt100::Parser,
    output: Receiver<Vec<u8>>,
    input: Box<dyn Write + Send>,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    /// Starts `command` on a screen of `columns` × `rows`.
    pub fn start(command: &std::process::Command, columns: u16, rows: u16) -> Self {
        let pair = native_pty_system().openpty(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }).unwrap();
        let mut builder = CommandBuilder::new(command.get_program());
        builder.args(command.get_args());
        builder.env_clear();
        for (name, value) in command.get_envs() {
            builder.env(name, value.unwrap_or_default());
        }
        if let Some(folder) = command.get_current_dir() {
            builder.cwd(folder);
        }
        let child = pair.slave.spawn_command(builder).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 65536];
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        let input = pair.master.take_writer().unwrap();
        Self {
            parser: vt100::Parser::new(rows.try_into().unwrap(), columns.try_into().unwrap(), 0),
            output,
            input,
            child,
            _master: pair.master,
        }
    }

    /// Types `keys` as they are.
    pub fn keys(&mut self, keys: &str) -> &mut Self {
        self.input.write_all(keys.as_bytes()).unwrap();
        self.input.flush().unwrap();
        self
    }

    /// Waits until the screen shows `text`.
    pub fn wait(&mut self, text: &str) -> &mut Self {
        self.wait_until(&format!("“{text}”"), |screen| screen.contains(text))
    }

    /// Waits until `met` says yes of the screen's text.
    pub fn wait_until(&mut self, what: &str, met: impl Fn(&str) -> bool) -> &mut Self {
        let end = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if met(&screen) {
                return self;
            }
            match self.output.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.parser.process(&bytes),
                Err(RecvTimeoutError::Timeout) => panic!("waited for {what}; the screen is\n{screen}"),
                Err(RecvTimeoutError::Disconnected) => panic!("the program ended before {what}; the screen was\n{screen}"),
            }
        }
    }

    /// The screen's text.
    pub fn screen(&self) -> String {
        self.parser.screen().contents()
    }

    /// True while the program has the alternate screen.
    pub fn is_full_screen(&self) -> bool {
        self.parser.screen().alternate_screen()
    }

    /// Waits for the program's end, takes in what it still wrote, and gives its exit status.
    pub fn end(&mut self) -> u32 {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.output.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.parser.process(&bytes),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("waited for its end; the screen is\n{}", self.screen()),
            }
        }
        self.child.wait().unwrap().exit_code()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }
}
