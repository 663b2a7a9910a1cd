//! Bytes per sample of real exporters' data: ours beside Prometheus's and VictoriaMetrics's, the same samples in the same run.

use std::{fs, path::PathBuf};

use anyhow::Result;
use clap::Parser;
use narthex_integration_tests::sandbox::{Peer, Sandbox};
use narthex_load_tests::size::{Recorder, Recording, block, prometheus, recorded, table, victoria_metrics};
use narthex_service::HumanDuration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Records a node exporter and a Prometheus that scrapes it and itself, once for each interval at the same time, then writes
/// each recording into a block, into Prometheus and into VictoriaMetrics, and prints what each takes. The peers are installed
/// into the user's cache folder.
#[derive(Debug, Parser)]
#[command(name = "block_size")]
struct Arguments {
    /// Scrape intervals.
    #[arg(long, value_delimiter = ',', default_value = "15s,5s")]
    interval: Vec<HumanDuration>,
    /// How long to record. Two hours fill a window; in less, labels are shared by fewer samples, for every store.
    #[arg(long, default_value = "2h")]
    duration: HumanDuration,
    /// Instead of recording: a Prometheus that scrapes such targets in jobs `itself` and `node`. Repeat for several.
    #[arg(long)]
    prometheus: Vec<String>,
    /// Instead of recording: a file that `--keep` made. Repeat for several.
    #[arg(long)]
    recording: Vec<PathBuf>,
    /// Keep recordings and blocks in this folder.
    #[arg(long)]
    keep: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    for (name, recording) in recordings(&arguments).await? {
        measure(&name, recording, &arguments).await?;
    }
    Ok(())
}

async fn recordings(arguments: &Arguments) -> Result<Vec<(String, Recording)>> {
    let mut all = Vec::new();
    for path in &arguments.recording {
        all.push((path.display().to_string(), Recording::read(path)?));
    }
    let sandbox = Sandbox::new()?;
    for base in &arguments.prometheus {
        all.push((base.clone(), recorded(&sandbox.http, base, arguments.duration.get()).await?));
    }
    if all.is_empty() {
        let node_exporter = Peer::node_exporter(&sandbox).await?;
        let mut recorders = Vec::new();
        for interval in &arguments.interval {
            recorders.push((interval, Recorder::start(&sandbox, &node_exporter, interval.get()).await?));
        }
        eprintln!("recording for {}", arguments.duration);
        sandbox.clock.sleep(arguments.duration.get()).await;
        for (interval, recorder) in &recorders {
            all.push((interval.to_string(), recorder.take(&sandbox.http).await?));
        }
    }
    sandbox.discard();
    Ok(all)
}

async fn measure(name: &str, mut recording: Recording, arguments: &Arguments) -> Result<()> {
    let file = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    if let Some(folder) = &arguments.keep {
        fs::create_dir_all(folder)?;
        recording.write(&folder.join(format!("{file}.txt")))?;
    }
    let moved = recording.move_to_window();
    let sandbox = Sandbox::new()?;
    let block = block(&recording).await?;
    if let Some(folder) = &arguments.keep {
        fs::write(folder.join(format!("{file}.parquet")), &block.bytes)?;
    }
    let peers = [prometheus(&sandbox, &recording).await?, victoria_metrics(&sandbox, &recording).await?];
    sandbox.discard();
    println!("{name}: {}", recording.describe());
    println!("moved back by {:.3} s to the beginning of a window", moved.as_secs_f64());
    let sizes: Vec<_> = [block.size].into_iter().chain(peers).collect();
    print!("{}", table(&sizes));
    println!(
        "block: {} rows of {:.0} samples; CPU time: write {:.1} ns/sample, find {:.0} ns/row, decode {:.1} ns/sample\n",
        block.rows,
        recording.samples() as f64 / block.rows as f64,
        block.write_nanos,
        block.select_nanos,
        block.decode_nanos,
    );
    Ok(())
}
