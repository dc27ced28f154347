//! The summary: what was released, how it ended, and what it cost.

use std::time::Duration;

use aviary_core::record::Ending;

use crate::{
    outsider::Figures,
    stage::REPLICAS,
    status::word,
    text::{Line, Style},
};

/// One release, from the new image to its end.
#[derive(Clone, Debug)]
pub struct Release {
    pub image: String,
    pub ending: Ending,
    pub reason: String,
    pub took: Duration,
    pub figures: Figures,
}

/// Where the reasons begin.
pub const INDENT: usize = COLUMNS[0].1;

const COLUMNS: [(&str, usize); 7] = [
    ("released", 12),
    ("ended", 13),
    ("after", 8),
    ("least available", 17),
    ("most pods", 11),
    ("started", 9),
    ("canary in", 9),
];
const LEGEND: &str = "started: pods; canary in: from the new image to the canary's first pod";

/// The table and, below it, each reason.
pub fn summary(releases: &[Release]) -> Vec<Line> {
    let heading = COLUMNS.iter().map(|(title, width)| format!("{title:<width$}")).collect::<String>();
    let mut lines = vec![Line::default().add(Style::Dim, heading)];
    lines.extend(releases.iter().map(row));
    lines.push(Line::default().add(Style::Dim, LEGEND));
    lines.push(Line::default());
    lines.extend(releases.iter().map(reason));
    lines
}

fn row(release: &Release) -> Line {
    let figures = &release.figures;
    let first = figures.first_canary.map_or_else(|| "none".to_owned(), |first| format!("{} ms", first.as_millis()));
    let cells = [
        (Style::Bold, release.image.clone()),
        (Style::of(word(release.ending)), word(release.ending).to_owned()),
        (Style::Plain, format!("{:.1} s", release.took.as_secs_f64())),
        (Style::Plain, format!("{} of {REPLICAS}", figures.least_available)),
        (Style::Plain, figures.most_pods.to_string()),
        (Style::Plain, figures.started.to_string()),
        (Style::Plain, first),
    ];
    let mut line = Line::default();
    let mut width = 0;
    for ((style, cell), (_, columns)) in cells.into_iter().zip(COLUMNS) {
        width += columns;
        line = line.add(style, cell).pad(width);
    }
    line
}

fn reason(release: &Release) -> Line {
    let line = Line::default().add(Style::Bold, format!("{:<INDENT$}", release.image));
    line.add(Style::Plain, release.reason.clone())
}
