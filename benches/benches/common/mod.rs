//! Contests under criterion.

use std::time::Duration;

use benches::contest::Contest;
use criterion::{BenchmarkId, Criterion, Throughput};

/// Measures each entrant of each contest; items are criterion's elements.
pub(crate) fn bench(name: &str, contests: Vec<Contest>) {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .sample_size(30)
        .configure_from_args();
    for mut contest in contests {
        let mut group = criterion.benchmark_group(format!("{name}: {}", contest.what));
        group.throughput(Throughput::Elements(contest.items));
        for entrant in &mut contest.entrants {
            let id = BenchmarkId::from_parameter(&entrant.name);
            group.bench_function(id, |bencher| bencher.iter_custom(|passes| entrant.run(passes)));
        }
        group.finish();
    }
    criterion.final_summary();
}
