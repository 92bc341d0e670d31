//! Work that takes a while and tells how far it is.

use std::time::Duration;

use ostler_tools::{Progress, TaskPolicy, Tool, ToolContext, ToolResult};
use schemars::JsonSchema;
use serde::Deserialize;

/// What to report on.
#[derive(Debug, Deserialize, JsonSchema)]
struct Report {
    /// The subject.
    topic: String,
    /// How many sections; each takes half a second.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 1000))]
    sections: u32,
}

const fn ten() -> u32 {
    10
}

pub(super) fn tool() -> Tool {
    Tool::new("slow_report", slow_report)
        .title("Write a report")
        .describe("Write a report, half a second for each section")
        .tasks(TaskPolicy::Always)
        .read_only()
}

async fn slow_report(ctx: ToolContext, report: Report) -> ToolResult<String> {
    let mut text = format!("Report on {}\n", report.topic);
    for section in 1..=report.sections {
        ctx.sleep("write", Duration::from_millis(500)).await?;
        let progress = Progress::at(f64::from(section)).of(f64::from(report.sections));
        ctx.progress(progress.message(format!("section {section}"))).await;
        text.push_str(&format!("{section}. Nothing new about {}.\n", report.topic));
    }
    Ok(text)
}
