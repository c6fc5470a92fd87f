//! signal-hook: the iterator, in the main thread.

use std::fs::File;
use std::io::Result;

use libc::{c_int, siginfo_t, SIGUSR1, SIGUSR2};
use signal_hook::iterator::exfiltrator::WithRawSiginfo;
use signal_hook::iterator::{Signals, SignalsInfo};

use crate::tally::Tally;
use crate::{heard, say, REALTIME};

pub fn pingpong(out: File) -> Result<()> {
    let mut signals = Signals::new([SIGUSR1])?;
    say(&out, "R")?;
    for _ in signals.forever() {
        say(&out, "s")?;
    }
    Ok(())
}

// WithRawSiginfo, since WithOrigin tells the sender but not the value. Both keep siginfo in a channel
// of five slots for each signal, and drop what comes while it is full.
pub fn storm(out: File) -> Result<()> {
    let mut signals = heard(SignalsInfo::<WithRawSiginfo>::new([REALTIME, SIGUSR2]));
    say(&out, "R")?;
    let mut tally = Tally::default();
    for info in signals.forever() {
        if info.si_signo == SIGUSR2 {
            break;
        }
        tally.count(value(&info));
    }
    for info in signals.pending().filter(|info| info.si_signo == REALTIME) {
        tally.count(value(&info));
    }
    say(&out, &format!("{tally}\n"))
}

/// sival_int, which the crate libc leaves out of its union.
fn value(info: &siginfo_t) -> c_int {
    unsafe { *(&info.si_value() as *const libc::sigval).cast() }
}
