//! A plot of the report: for each case the throughput and the CPU of each arm, as bars in an SVG.

use std::fmt::Write as _;

use crate::case::Arm;
use crate::report;
use crate::suite::Outcome;

const ROW: f64 = 16.0;
const BAR: f64 = 300.0;
const LEFT: f64 = 190.0;
const GAP: f64 = 130.0;

/// The whole picture.
pub fn svg(outcomes: &[Outcome]) -> String {
    let mut body = String::new();
    let mut y = 30.0;
    text(&mut body, LEFT, 16.0, "requests a second", "bold");
    text(&mut body, LEFT + BAR + GAP, 16.0, "CPU a record, µs", "bold");
    for outcome in outcomes {
        let all = report::summaries(outcome);
        text(&mut body, 4.0, y + 12.0, &outcome.case.name, "bold");
        y += ROW + 2.0;
        let most = |of: fn(&report::Summary) -> f64| all.iter().map(of).fold(0.0, f64::max);
        let (throughput, cpu) = (most(|it| it.throughput), most(|it| it.cpu));
        for it in &all {
            text(&mut body, 12.0, y + 12.0, &it.arm.to_string(), "normal");
            let figure = format!("{:.0}", it.throughput);
            bar(&mut body, LEFT, y, it.arm, it.throughput / throughput, &figure);
            let figure = format!("{:.1}", it.cpu);
            bar(&mut body, LEFT + BAR + GAP, y, it.arm, it.cpu / cpu, &figure);
            y += ROW;
        }
        y += 8.0;
    }
    let width = LEFT + 2.0 * (BAR + GAP);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {y}\" \
        font-family=\"sans-serif\" font-size=\"11\">\n\
        <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

fn bar(body: &mut String, x: f64, y: f64, arm: Arm, part: f64, figure: &str) {
    let (width, height) = (BAR * part, ROW - 4.0);
    let colour = match arm {
        Arm::Keyway => "#2a6f97",
        Arm::Awc => "#adb5bd",
        Arm::PcStock => "#e09f3e",
        Arm::PcTuned => "#9e2a2b",
    };
    let _ = writeln!(
        body,
        "<rect x=\"{x}\" y=\"{}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{colour}\"/>",
        y + 2.0
    );
    text(body, x + width + 4.0, y + 12.0, figure, "normal");
}

fn text(body: &mut String, x: f64, y: f64, text: &str, weight: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ =
        writeln!(body, "<text x=\"{x:.1}\" y=\"{y:.1}\" font-weight=\"{weight}\">{text}</text>");
}
