//! Contestants of the benchmark: signal-hook's iterator, and tokio's two runtimes.

use std::fs::File;
use std::io::{Result, Write};
use std::os::unix::io::FromRawFd;
use std::process::exit;

mod hook;
mod runtime;
mod tally;

const REALTIME: i32 = 40;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // Not io::stdout(), which holds bytes back until a line ends.
    let out = unsafe { File::from_raw_fd(1) };
    match arguments[..] {
        ["signal-hook", "pingpong"] => hook::pingpong(out),
        ["signal-hook", "storm"] => hook::storm(out),
        ["tokio-current", "pingpong"] => runtime::current()?.block_on(runtime::pingpong(out)),
        ["tokio-current", "storm"] => runtime::current()?.block_on(runtime::storm(out)),
        ["tokio-multi", "pingpong"] => runtime::spawned(runtime::pingpong(out)),
        ["tokio-multi", "storm"] => runtime::spawned(runtime::storm(out)),
        _ => {
            eprintln!("usage: rust signal-hook|tokio-current|tokio-multi pingpong|storm");
            exit(2)
        }
    }
}

/// Whether the API can listen to signal 40, which the storm needs.
fn heard<T>(answer: Result<T>) -> T {
    answer.unwrap_or_else(|error| {
        eprintln!("signal {REALTIME}: {error}");
        exit(3)
    })
}

fn say(mut out: &File, text: &str) -> Result<()> {
    out.write_all(text.as_bytes())
}
