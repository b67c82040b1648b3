//! Writes the seeds that follow from the vectors of the specification into `seeds/`, and takes those away that do not
//! follow any more. What the fuzzer found (`found...`) stays.

use std::fs;
use std::io;

use fuzz::seeds::{Seeds, folder};

fn main() -> io::Result<()> {
    let seeds = Seeds::of_the_vectors();
    for (target, _) in fuzz::TARGETS {
        let folder = folder().join(target);
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if !entry.file_name().to_string_lossy().starts_with("found") {
                fs::remove_file(entry.path())?;
            }
        }
    }
    let mut count = 0;
    for (target, name, input) in seeds.iter() {
        fs::write(folder().join(target).join(name), input)?;
        count += 1;
    }
    println!("{count} seeds in {}", folder().display());
    Ok(())
}
