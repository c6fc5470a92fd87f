//! tokio: the runtime of one thread, and that of several.
//! Without the features "macros" and "full", whose select! and #[tokio::main] are written out here.

use std::fs::File;
use std::future::Future;
use std::io::Result;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{signal, Signal, SignalKind};

use crate::{heard, say, REALTIME};

pub fn current() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Runs in a task of its own, as in a server whose main function does other work.
pub fn spawned(task: impl Future<Output = Result<()>> + Send + 'static) -> Result<()> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async { tokio::spawn(task).await? })
}

pub async fn pingpong(out: File) -> Result<()> {
    let mut signals = signal(SignalKind::user_defined1())?;
    say(&out, "R")?;
    while signals.recv().await.is_some() {
        say(&out, "s")?;
    }
    Ok(())
}

// tokio coalesces the signals that came since the last look, and gives no values.
pub async fn storm(out: File) -> Result<()> {
    let realtime = heard(signal(SignalKind::from_raw(REALTIME)));
    let end = signal(SignalKind::user_defined2())?;
    let mut storm = Storm {
        realtime,
        end,
        ended: false,
    };
    say(&out, "R")?;
    let mut received = 0;
    while (&mut storm).await {
        received += 1;
    }
    say(
        &out,
        &format!("received={received} disorder=- duplicates=-\n"),
    )
}

struct Storm {
    realtime: Signal,
    end: Signal,
    ended: bool,
}

/// True for the next realtime signal, false when the end has come and nothing is left before it.
impl Future for Storm {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<bool> {
        self.ended = self.ended || self.end.poll_recv(context).is_ready();
        match self.realtime.poll_recv(context) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending if self.ended => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    }
}
