//! Prometheus's text format 0.0.4, as far as the exporter does not write it.
//!
//! In → out: the exporter's text and a few numbers → the text that is served or written.
//!
//! Invariants: **The same numbers give the same text**: families by name, series by label.
//! **It ends with a line break** and holds no time stamps.
//!
//! Not here: names and help (`metrics`).
//!
//! Failure: what the system does not tell about the process is left out.

use super::{Kind, Metric};

/// Appends a metric that has no labels.
pub(super) fn push(text: &mut String, metric: Metric, value: &str) {
    let Metric {
        name, kind, help, ..
    } = metric;
    text.extend(["# HELP ", name, " ", help, "\n"]);
    text.extend(["# TYPE ", name, " ", kind.word(), "\n"]);
    text.extend([name, " ", value, "\n"]);
}

/// Appends what the system knows about this process.
pub(super) fn push_process(text: &mut String) {
    let process = metrics_process::collector::collect();
    if let Some(seconds) = process.cpu_seconds_total {
        push(text, super::PROCESS_CPU, &seconds.to_string());
    }
    for (metric, value) in [
        (
            super::PROCESS_MAX_FDS,
            process.max_fds.filter(|limit| *limit > 0),
        ),
        (super::PROCESS_OPEN_FDS, process.open_fds),
        (
            super::PROCESS_RESIDENT_MEMORY,
            process.resident_memory_bytes,
        ),
        (super::PROCESS_START_TIME, process.start_time_seconds),
        (super::PROCESS_THREADS, process.threads),
        (super::PROCESS_VIRTUAL_MEMORY, process.virtual_memory_bytes),
    ] {
        if let Some(value) = value {
            push(text, metric, &value.to_string());
        }
    }
}

/// Puts families, which the exporter ends with an empty line, and their series in order. The
/// exporter keeps both in hash maps, so their order would change from one scrape to the next.
pub(super) fn sorted(text: &str) -> String {
    let mut families: Vec<Vec<&str>> = text
        .split_terminator("\n\n")
        .map(|family| family.lines().collect())
        .collect();
    for family in &mut families {
        // Buckets come in the order of their bounds; that of their text is another.
        if !is_histogram(family) {
            family.sort_unstable(); // `# HELP`, `# TYPE`, then names
        }
    }
    families.sort_unstable();
    let mut sorted = String::with_capacity(text.len());
    for line in families.iter().flatten() {
        sorted.push_str(line);
        sorted.push('\n');
    }
    sorted
}

/// Gives every series one more label, in front.
pub(super) fn labelled(text: &str, name: &str, value: &str) -> String {
    let mut labelled = String::with_capacity(text.len() * 2);
    for line in text.lines() {
        match line.split_once(['{', ' ']) {
            Some((series, rest)) if !series.starts_with('#') => {
                labelled.extend([series, "{", name, "=\"", value, "\""]);
                let has_labels = line.as_bytes().get(series.len()) == Some(&b'{');
                labelled.extend([if has_labels { "," } else { "} " }, rest]);
            }
            _ => labelled.push_str(line),
        }
        labelled.push('\n');
    }
    labelled
}

fn is_histogram(family: &[&str]) -> bool {
    family
        .get(1)
        .is_some_and(|type_line| type_line.ends_with(Kind::Histogram.word()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_fixed() {
        let cases = [
            ("", ""),
            (
                "# HELP b B\n# TYPE b gauge\nb 1\n\n",
                "# HELP b B\n# TYPE b gauge\nb 1\n",
            ),
            (
                "# HELP b B\n# TYPE b counter\nb{x=\"2\"} 1\nb{x=\"1\"} 7\n\n# HELP a A\n# TYPE a gauge\na 0\n\n",
                "# HELP a A\n# TYPE a gauge\na 0\n# HELP b B\n# TYPE b counter\nb{x=\"1\"} 7\nb{x=\"2\"} 1\n",
            ),
            (
                "# HELP h H\n# TYPE h histogram\nh_bucket{le=\"9\"} 1\nh_bucket{le=\"10\"} 2\nh_sum 3\n\n",
                "# HELP h H\n# TYPE h histogram\nh_bucket{le=\"9\"} 1\nh_bucket{le=\"10\"} 2\nh_sum 3\n",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(sorted(text), expected);
        }
    }

    #[test]
    fn a_label_is_added_to_every_series() {
        let text = "# HELP a A {b} c\n# TYPE a counter\na 0\nb_bucket{le=\"1\"} 2\nc{x=\"1\",y=\"2\"} 3.5\n";
        assert_eq!(
            labelled(text, "pid", "7"),
            "# HELP a A {b} c\n# TYPE a counter\na{pid=\"7\"} 0\nb_bucket{pid=\"7\",le=\"1\"} 2\n\
             c{pid=\"7\",x=\"1\",y=\"2\"} 3.5\n"
        );
    }
}
