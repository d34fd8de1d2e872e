//! What it costs to bind a call to a device: signing the proof at the client, checking it at the server.

use std::time::Instant;

use portcullis::secret::{DeviceKey, Proof};

use crate::table::{self, Line, Times};

/// How many calls are timed.
const CALLS: usize = 5_000;

/// Prints one line for each end.
pub(crate) fn proofs() -> anyhow::Result<()> {
    let key = DeviceKey::read(DeviceKey::generate()?.expose())?;
    let token = "pcl_at_a-token-as-long-as-the-real-ones-are-in-the-end";
    let (mut signing, mut checking) = (Times::default(), Times::default());
    for second in 0..CALLS {
        let from = Instant::now();
        let address = "https://portcullis.example/v1/requests/R-7k3qm2xd0v/approve";
        let proof = key.prove("POST", address, i64::try_from(second)?, Some(token))?;
        signing.push(from.elapsed());
        let from = Instant::now();
        let read = Proof::read(&proof).map_err(anyhow::Error::msg)?;
        anyhow::ensure!(read.is_for(Some(token)), "a good proof is refused");
        checking.push(from.elapsed());
    }
    let line = |what: &str, times: &Times| {
        let (p50, p99) = (times.p50() * 1_000.0, times.p99() * 1_000.0);
        Line::new(what, format!("{p50:.0} / {p99:.0} µs")).goal("p50 200 µs", p50 <= 200.0)
    };
    table::print(
        "Binding a call to a device (DPoP, ES256)",
        &[
            line("the client signs", &signing),
            line("the server checks", &checking),
        ],
    )
}
