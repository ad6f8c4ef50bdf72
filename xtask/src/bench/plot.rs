//! The same as pictures: lines where something varies, else bars; of times, how many are below which.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::distribution;
use super::results::Measured;
use super::table::is_there;

const SIZE: (u32, u32) = (760, 400);
/// Colours that people who see few of them can tell apart (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A state's name, and its medians by point.
struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

/// Draws a scenario to `file`.
pub(super) fn draw(scenario: &Measured, file: &Path) -> Result<()> {
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    let drawn = area.fill(&WHITE).map_err(|error| anyhow!("{error}")).and_then(|()| match scenario
        .points
        .len()
    {
        _ if distribution::is_there(scenario) => shares(scenario, &area),
        0 | 1 => bars(scenario, &area),
        _ => lines(scenario, &area),
    });
    drawn.map_err(|error| anyhow!("cannot draw {}: {error}", file.display()))?;
    area.present().map_err(|error| anyhow!("cannot write {}: {error}", file.display()))
}

fn measured(scenario: &Measured) -> Vec<Line> {
    let states = scenario.states.iter().filter(|state| is_there(scenario, state));
    let line = |name: &String| {
        let points = scenario.points.iter();
        let points = points.filter_map(|p| Some((p.at as f64, p.values.get(name)?.median)));
        Line { name: name.clone(), points: points.collect() }
    };
    states.map(|state| line(&state.name)).collect()
}

/// Both axes logarithmic: what costs the same for each is a level line.
fn lines(scenario: &Measured, area: &Area<'_>) -> Result<()> {
    let lines = measured(scenario);
    let (x, y) = (bounds(&lines, |point| point.0), bounds(&lines, |point| point.1));
    let (x, y) = ((x.0 * 0.8)..(x.1 * 1.25), (y.0 / 1.5)..(y.1 * 1.5));
    let mut chart = ChartBuilder::on(area)
        .caption(&scenario.what, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(x.log_scale(), y.log_scale())
        .map_err(|error| anyhow!("{error}"))?;
    chart
        .configure_mesh()
        .x_desc(&scenario.varies)
        .y_desc(&scenario.unit)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .draw()
        .map_err(|error| anyhow!("{error}"))?;
    named(&mut chart, lines)
}

/// The distributions at the first point, times to the right: the further to the left a line, the better.
fn shares(scenario: &Measured, area: &Area<'_>) -> Result<()> {
    let Some(point) = scenario.points.first() else { return Ok(()) };
    let line = |name: &String| {
        let times = distribution::of(point, name).into_iter();
        Line { name: name.clone(), points: times.map(|(share, time)| (time, share)).collect() }
    };
    let states = scenario.states.iter().filter(|state| is_there(scenario, state));
    let lines: Vec<_> = states.map(|state| line(&state.name)).collect();
    let x = bounds(&lines, |point| point.0);
    let caption = format!("{}, {} {}", scenario.what, point.at, scenario.varies);
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(((x.0 * 0.8)..(x.1 * 1.25)).log_scale(), 0.0..102.0)
        .map_err(|error| anyhow!("{error}"))?;
    chart
        .configure_mesh()
        .x_desc(&scenario.unit)
        .y_desc("% that take no longer")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .draw()
        .map_err(|error| anyhow!("{error}"))?;
    named(&mut chart, lines)
}

/// Draws lines, and says whose they are.
fn named<'a, X, Y>(
    chart: &mut ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>,
    lines: Vec<Line>,
) -> Result<()>
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    for (line, colour) in lines.into_iter().zip(COLOURS.into_iter().cycle()) {
        let marks = line.points.iter().map(|&at| Circle::new(at, 3, colour.filled()));
        chart.draw_series(marks).map_err(|error| anyhow!("{error}"))?;
        chart
            .draw_series(LineSeries::new(line.points, colour.stroke_width(2)))
            .map_err(|error| anyhow!("{error}"))?
            .label(line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    let mut legend = chart.configure_series_labels();
    let legend = legend.border_style(BLACK.mix(0.3)).background_style(WHITE.mix(0.8));
    legend.draw().map_err(|error| anyhow!("{error}"))
}

fn bounds(lines: &[Line], of: fn(&(f64, f64)) -> f64) -> (f64, f64) {
    let all = || lines.iter().flat_map(|line| &line.points).map(of);
    (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max))
}

/// A bar a state, from zero, with its number beside it.
fn bars(scenario: &Measured, area: &Area<'_>) -> Result<()> {
    let lines = measured(scenario);
    let most = bounds(&lines, |point| point.1).1;
    let mut chart = ChartBuilder::on(area)
        .caption(&scenario.what, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(36)
        .build_cartesian_2d(0.0..most * 1.3, 0.0..lines.len() as f64)
        .map_err(|error| anyhow!("{error}"))?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_desc(&scenario.unit)
        .draw()
        .map_err(|error| anyhow!("{error}"))?;
    let count = lines.len();
    for (row, (line, colour)) in lines.into_iter().zip(COLOURS.into_iter().cycle()).enumerate() {
        let Some(&(_, value)) = line.points.first() else { continue };
        let bottom = (count - row) as f64 - 0.85;
        let bar = Rectangle::new([(0.0, bottom), (value, bottom + 0.7)], colour.filled());
        let text = format!("{}: {}", line.name, super::table::number(value));
        let at = (value + most * 0.01, bottom + 0.45);
        chart.draw_series([bar]).map_err(|error| anyhow!("{error}"))?;
        let text = Text::new(text, at, ("sans-serif", 14).into_font());
        chart.draw_series([text]).map_err(|error| anyhow!("{error}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::distribution::tests::distributed;
    use super::super::table::tests::sample;
    use super::*;

    fn drawn(scenario: &Measured) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.svg");
        draw(scenario, &file).unwrap();
        std::fs::read_to_string(file).unwrap()
    }

    #[test]
    fn lines_and_bars_name_every_state_that_was_measured() {
        let mut scenario = sample();
        let lines = drawn(&scenario);
        scenario.points.truncate(1);
        let bars = drawn(&scenario);
        for svg in [&lines, &bars] {
            assert!(svg.starts_with("<svg") && svg.contains("theirs") && !svg.contains("dpdk"));
        }
        assert!(lines.contains("<circle") && !bars.contains("<circle"));
        let shares = drawn(&distributed());
        assert!(shares.contains("% that take no longer") && shares.contains("ours"));
    }
}
