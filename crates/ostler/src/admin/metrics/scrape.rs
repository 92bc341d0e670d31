//! One scrape: what is true now, and no series of what is gone.

use metrics::{Key, Label, Level, Metadata, Recorder, SharedString};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

use super::names::Metric;

/// A recorder of its own for each scrape.
#[derive(Debug)]
pub(super) struct Scrape {
    recorder: PrometheusRecorder,
}

/// Labels of a series.
pub(super) type Labels<'a> = &'a [(&'static str, &'a str)];

impl Scrape {
    pub(super) fn new() -> Self {
        Self { recorder: PrometheusBuilder::new().build_recorder() }
    }

    /// What goes up and down.
    pub(super) fn gauge(&self, metric: Metric, labels: Labels<'_>, value: f64) {
        self.recorder.describe_gauge(metric.name.into(), None, SharedString::const_str(metric.help));
        self.recorder.register_gauge(&key(metric, labels), &METADATA).set(value);
    }

    /// What only grows.
    pub(super) fn counter(&self, metric: Metric, labels: Labels<'_>, value: u64) {
        self.recorder.describe_counter(metric.name.into(), None, SharedString::const_str(metric.help));
        self.recorder.register_counter(&key(metric, labels), &METADATA).absolute(value);
    }

    /// In the text format of Prometheus. In order, so that people find things and can compare two scrapes.
    pub(super) fn render(&self) -> String {
        let text = self.recorder.handle().render();
        let mut metrics: Vec<Vec<&str>> = text
            .split("\n\n")
            .map(|metric| metric.lines().collect())
            .filter(|lines: &Vec<_>| !lines.is_empty())
            .collect();
        for lines in &mut metrics {
            // Behind HELP and TYPE.
            let series = lines.iter().position(|line| !line.starts_with('#')).unwrap_or(lines.len());
            lines[series..].sort_unstable();
        }
        metrics.sort_unstable();
        metrics.concat().join("\n") + "\n"
    }
}

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

fn key(metric: Metric, labels: Labels<'_>) -> Key {
    let labels: Vec<_> = labels.iter().map(|(name, value)| Label::new(*name, (*value).to_owned())).collect();
    Key::from_parts(metric.name, labels)
}
