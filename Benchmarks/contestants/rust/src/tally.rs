//! What has been received, if there are values: (sender << 24) | n, where n counts from 0 for each sender.

use std::fmt;

#[derive(Default)]
struct Sender {
    expected: usize,
    seen: Vec<bool>,
}

#[derive(Default)]
pub struct Tally {
    senders: [Sender; 4],
    received: u64,
    disorder: u64,
    duplicates: u64,
}

impl Tally {
    pub fn count(&mut self, value: i32) {
        let (sender, n) = (
            &mut self.senders[(value >> 24) as usize],
            (value & 0xff_ffff) as usize,
        );
        self.received += 1;
        if n >= sender.expected {
            sender.expected = n + 1;
            sender.seen.resize(n + 1, false);
        } else if sender.seen[n] {
            self.duplicates += 1;
        } else {
            self.disorder += 1;
        }
        sender.seen[n] = true;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "received={} disorder={} duplicates={}",
            self.received, self.disorder, self.duplicates
        )
    }
}
