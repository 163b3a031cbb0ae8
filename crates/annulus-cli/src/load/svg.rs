//! Two charts as plain SVG: latency by percentile, and answers over time.
//!
//! Owns: the drawing. No script, no font of its own, readable on light and on dark pages. Both
//! latencies of an open loop are drawn: where they part, requests had to wait to be sent.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

use super::report::{Report, amount, time};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 44.0;
const PLOT: f64 = 220.0;
const FIRST_TOP: f64 = 84.0;
const SECOND_TOP: f64 = FIRST_TOP + PLOT + 96.0;
const HEIGHT: f64 = SECOND_TOP + PLOT + 48.0;
/// Nines of the percentiles that are drawn, if there are enough answers for them.
const NINES_MAX: f64 = 6.0;

/// The charts of a run.
pub fn draw(report: &Report<'_>) -> String {
    let mut svg = head(report);
    latency(report, &mut svg);
    course(report, &mut svg);
    svg + "</svg>\n"
}

fn head(report: &Report<'_>) -> String {
    let title = escaped(&report.plan.target.to_string());
    let text = report.text();
    let how = escaped(text.lines().nth(1).unwrap_or_default());
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{title}">
<style>
  text {{ font: 13px system-ui, sans-serif; fill: #333 }}
  .title {{ font-size: 15px; font-weight: 600 }}
  .faint {{ fill: #777 }}
  .grid {{ stroke: #ddd; stroke-width: 1 }}
  .line {{ fill: none; stroke-width: 2; stroke-linejoin: round }}
  .due {{ stroke: #d9622b }}
  .sent {{ stroke: #7b8794; stroke-dasharray: 5 4 }}
  .area {{ fill: #d9622b; fill-opacity: 0.25 }}
  @media (prefers-color-scheme: dark) {{
    text {{ fill: #ddd }}
    .faint {{ fill: #999 }}
    .grid {{ stroke: #444 }}
  }}
</style>
<text class="title" x="12" y="22">{title}</text>
<text class="faint" x="12" y="42">{how}</text>
"#
    )
}

fn escaped(text: &str) -> String {
    let one = |c| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        c => String::from(c),
    };
    text.chars().map(one).collect()
}

/// A place in a plot: from 0 to 1, from the left and from below.
struct Plot {
    top: f64,
}

impl Plot {
    fn x(part: f64) -> f64 {
        LEFT + part.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, part: f64) -> f64 {
        self.top + (1.0 - part.clamp(0.0, 1.0)) * PLOT
    }

    /// A line across, with what it stands for.
    fn level(&self, part: f64, label: &str, svg: &mut String) {
        let (y, end) = (self.y(part), Self::x(1.0));
        let (x, text_y) = (LEFT - 8.0, y + 4.5);
        let _ = writeln!(svg, r#"<path class="grid" d="M{LEFT} {y:.1}H{end:.1}"/>"#);
        let _ = writeln!(
            svg,
            r#"<text class="faint" x="{x:.1}" y="{text_y:.1}" text-anchor="end">{label}</text>"#
        );
    }

    /// A mark below.
    fn mark(&self, part: f64, label: &str, svg: &mut String) {
        let (x, y) = (Self::x(part), self.y(0.0) + 18.0);
        let _ = writeln!(
            svg,
            r#"<text class="faint" x="{x:.1}" y="{y:.1}" text-anchor="middle">{label}</text>"#
        );
    }

    fn line(&self, class: &str, points: &[(f64, f64)], svg: &mut String) {
        let points: Vec<String> =
            points.iter().map(|(x, y)| format!("{:.1},{:.1}", Self::x(*x), self.y(*y))).collect();
        let points = points.join(" ");
        let _ = writeln!(svg, r#"<polyline class="line {class}" points="{points}"/>"#);
    }

    fn title(&self, text: &str, svg: &mut String) {
        let y = self.top - 14.0;
        let _ = writeln!(svg, r#"<text x="12" y="{y:.1}">{text}</text>"#);
    }
}

fn latency(report: &Report<'_>, svg: &mut String) {
    let plot = Plot { top: FIRST_TOP };
    let (due, sent) = (&report.tally.latency_ns, &report.tally.service_ns);
    if due.is_empty() {
        return plot.title("Nothing was answered.", svg);
    }
    // As many nines as there are answers to tell them apart.
    let nines = (due.len() as f64).log10().ceil().clamp(1.0, NINES_MAX);
    let least = (sent.min().min(due.min()).max(1) as f64).log10().floor();
    let most = (due.max().max(10) as f64).log10().ceil().max(least + 1.0);
    let both = report.plan.rate.is_some();
    plot.title(
        if both {
            "Latency by percentile: since a request was due, and since it was sent (dashed)"
        } else {
            "Latency by percentile"
        },
        svg,
    );
    for power in least as i32..=most as i32 {
        let part = (f64::from(power) - least) / (most - least);
        plot.level(part, &time(10_f64.powi(power)), svg);
    }
    for nine in 0..=nines as usize {
        let label = match nine {
            0 => "0 %".to_owned(),
            1 => "90 %".to_owned(),
            2 => "99 %".to_owned(),
            nine => format!("99.{} %", "9".repeat(nine - 2)),
        };
        plot.mark(nine as f64 / nines, &label, svg);
    }
    let points = |histogram: &Histogram<u64>| -> Vec<(f64, f64)> {
        let steps = (40.0 * nines) as usize;
        let at = |step: usize| {
            let nine = nines * step as f64 / steps as f64;
            let percent = 100.0 * (1.0 - 10_f64.powf(-nine));
            let ns = histogram.value_at_percentile(percent).max(1) as f64;
            (nine / nines, (ns.log10() - least) / (most - least))
        };
        (0..=steps).map(at).collect()
    };
    if both {
        plot.line("sent", &points(sent), svg);
    }
    plot.line("due", &points(due), svg);
}

fn course(report: &Report<'_>, svg: &mut String) {
    let plot = Plot { top: SECOND_TOP };
    plot.title("Answers a second, over time", svg);
    let series = &report.tally.series;
    let (width, elapsed) = (series.width().as_secs_f64(), report.tally.elapsed.as_secs_f64());
    let span = elapsed.max(width);
    let answers = series.answers();
    // Times that were not over, the last one mostly, stand for less.
    let rates: Vec<(f64, f64)> = answers
        .iter()
        .enumerate()
        .map(|(index, answers)| {
            let begin = index as f64 * width;
            let lasted = (span - begin).clamp(width / 10.0, width);
            (begin, *answers as f64 / lasted)
        })
        .collect();
    let most = rates.iter().map(|(_, rate)| *rate).fold(report.plan.rate.unwrap_or(1.0), f64::max);
    let top = rounded_up(most);
    for quarter in 0..=4 {
        let part = f64::from(quarter) / 4.0;
        plot.level(part, &amount(part * top), svg);
        plot.mark(part, &seconds(part * span), svg);
    }
    let mut points = Vec::with_capacity(2 * rates.len());
    for (begin, rate) in &rates {
        points.push((begin / span, rate / top));
        points.push(((begin + width) / span, rate / top));
    }
    let area: Vec<String> =
        points.iter().map(|(x, y)| format!("{:.1},{:.1}", Plot::x(*x), plot.y(*y))).collect();
    if let (Some(first), Some(last)) = (points.first(), points.last()) {
        let (from, to, floor) = (Plot::x(first.0), Plot::x(last.0), plot.y(0.0));
        let area = area.join(" ");
        let _ = writeln!(
            svg,
            r#"<polygon class="area" points="{from:.1},{floor:.1} {area} {to:.1},{floor:.1}"/>"#
        );
    }
    plot.line("due", &points, svg);
    if let Some(rate) = report.plan.rate {
        plot.line("sent", &[(0.0, rate / top), (1.0, rate / top)], svg);
    }
}

/// A moment of a run, without digits that nobody needs.
fn seconds(number: f64) -> String {
    let text = format!("{number:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} s")
}

/// The next number that is easy to divide by four.
fn rounded_up(number: f64) -> f64 {
    let power = 10_f64.powf(number.max(1e-9).log10().floor());
    let steps = [1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 6.0, 8.0, 10.0];
    steps.iter().map(|step| step * power).find(|step| *step >= number).unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::known;
    use super::super::tally::Tally;
    use super::*;

    /// Whether every element is closed, as far as this drawing has elements.
    fn is_well_formed(svg: &str) -> bool {
        let mut open = Vec::new();
        let mut rest = svg;
        while let Some(begin) = rest.find('<') {
            let Some(len) = rest[begin..].find('>') else {
                return false;
            };
            let tag = &rest[begin + 1..begin + len];
            let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
            if tag.starts_with('/') {
                if open.pop() != Some(name) {
                    return false;
                }
            } else if !tag.ends_with('/') {
                open.push(name);
            }
            if tag.matches('"').count() % 2 != 0 {
                return false;
            }
            rest = &rest[begin + len + 1..];
        }
        open.is_empty() && !rest.contains('>')
    }

    #[test]
    fn an_open_loop_has_two_lines_of_latency_and_the_rate() {
        let (plan, tally) = known();
        let report = Report { plan: &plan, tally: &tally, server: None, interrupted: false };
        let svg = draw(&report);
        assert!(is_well_formed(&svg), "{svg}");
        assert_eq!(svg.matches("<polyline").count(), 4);
        assert!(svg.contains("http://host:8080/x?a&amp;b") && svg.contains("99.9 %"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn a_run_without_answers_is_drawn_all_the_same() {
        let (mut plan, _) = known();
        plan.rate = None;
        let tally = Tally::new();
        let report = Report { plan: &plan, tally: &tally, server: None, interrupted: false };
        let svg = draw(&report);
        assert!(is_well_formed(&svg) && svg.contains("Nothing was answered."), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn moments_are_short() {
        assert_eq!([0.0, 0.75, 1.5, 30.0].map(seconds), ["0 s", "0.75 s", "1.5 s", "30 s"]);
    }

    #[test]
    fn scales_end_at_round_numbers() {
        assert_eq!([0.7, 1.0, 9.9, 101.0, 1234.0].map(rounded_up), [0.8, 1.0, 10.0, 120.0, 1600.0]);
    }
}
