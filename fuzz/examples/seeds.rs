//! Writes the corpora's seeds: `cargo run -p wheesht-fuzz --example seeds`.

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for seed in wheesht_fuzz::seeds::all() {
        let directory = corpus.join(seed.target);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(format!("seed-{}", seed.name)), seed.bytes)?;
    }
    Ok(())
}
