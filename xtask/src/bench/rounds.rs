//! A B A B: the order in which states are measured.

use std::collections::BTreeMap;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

use super::context::Context;
use super::figures::Figures;
use super::results::{Measured, Point, Told};
use super::scenario::{Better, Measure, Numbers, Scenario, State, VALUE};

/// A state that is being measured, or was to be.
struct Running {
    told: Told,
    measure: Option<Measure>,
    up_to: u64,
}

/// Measures all scenarios.
pub(super) fn measure(
    scenarios: Vec<Scenario>,
    context: &Context,
    rounds: u32,
) -> Result<Vec<Measured>> {
    let total: usize = scenarios.iter().map(|one| one.points.len()).sum();
    let bar = ProgressBar::new(total as u64);
    let style = ProgressStyle::with_template("{msg:36} {wide_bar} {pos}/{len}  {eta} left")?;
    bar.set_style(style);
    let measured = scenarios.into_iter().map(|one| scenario(one, context, rounds, &bar)).collect();
    bar.finish_and_clear();
    Ok(measured)
}

fn scenario(scenario: Scenario, context: &Context, rounds: u32, bar: &ProgressBar) -> Measured {
    let Scenario { name, what, unit, better, varies, points, states, beside } = scenario;
    bar.set_message(name.clone());
    let prepare = |state: State| {
        let prepared = bar.suspend(|| (state.prepare)(context));
        let missing = prepared.as_ref().err().map(|error| format!("{error:#}"));
        let (name, what) = (state.name.to_owned(), state.what.to_owned());
        let told = Told { name, what, missing, failed: None };
        Running { told, measure: prepared.ok(), up_to: state.up_to }
    };
    let mut states: Vec<_> = states.into_iter().map(prepare).collect();
    let mut measured = Vec::with_capacity(points.len());
    for at in points {
        bar.set_message(format!("{name} {at}"));
        measured.push(point(&mut states, at, better, rounds, !context.quick));
        bar.inc(1);
    }
    let states = states.into_iter().map(|state| state.told).collect();
    let (unit, varies) = (unit.to_owned(), varies.to_owned());
    let beside = beside.iter().map(ToString::to_string).collect();
    Measured { name, what, unit, better, varies, states, points: measured, beside }
}

/// All states at one point, by turns.
fn point(states: &mut [Running], at: u64, better: Better, rounds: u32, warm: bool) -> Point {
    let mut rows: Vec<Vec<Option<Numbers>>> = Vec::new();
    for round in 0..rounds + u32::from(warm) {
        let row = states.iter_mut().map(|state| state.measure_once(at)).collect();
        // What is done the first time only is not to be in the result: caches of files, a CPU that slept.
        if !warm || round > 0 {
            rows.push(row);
        }
    }
    let names: Vec<_> = states.iter().map(|state| &state.told.name).collect();
    summary(&names, &rows, at, better)
}

impl Running {
    /// What fails once is not measured again.
    fn measure_once(&mut self, at: u64) -> Option<Numbers> {
        let measure = self.measure.as_ref().filter(|_| at <= self.up_to)?;
        match measure(at) {
            Ok(numbers) => Some(numbers),
            Err(error) => {
                self.told.failed = Some(format!("{error:#}"));
                self.measure = None;
                None
            }
        }
    }
}

/// Medians over the rounds; of ratios, each of one round.
fn summary(names: &[&String], rows: &[Vec<Option<Numbers>>], at: u64, better: Better) -> Point {
    let mut point = Point { at, ..Point::default() };
    for (index, &name) in names.iter().enumerate() {
        let column = || rows.iter().filter_map(|row| row[index].as_ref());
        let values = column().map(|numbers| numbers[VALUE]).collect();
        let Some(values) = Figures::of(values) else { continue };
        point.values.insert(name.clone(), values);
        point.also.insert(name.clone(), others(column()));
        let ratios = rows.iter().filter(|_| index > 0).filter_map(|row| {
            Some(better.ratio(row[0].as_ref()?[VALUE], row[index].as_ref()?[VALUE]))
        });
        if let Some(ratios) = Figures::of(ratios.collect()) {
            point.ratios.insert(name.clone(), ratios);
        }
    }
    point
}

fn others<'n>(all: impl Iterator<Item = &'n Numbers>) -> BTreeMap<String, f64> {
    let mut columns: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (name, number) in all.flatten().filter(|(name, _)| *name != VALUE) {
        columns.entry(name.clone()).or_default().push(*number);
    }
    let medians =
        columns.into_iter().filter_map(|(name, all)| Some((name, Figures::of(all)?.median)));
    medians.collect()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    fn state(log: &Rc<RefCell<String>>, name: &'static str, value: fn(u64) -> f64) -> State {
        let log = Rc::clone(log);
        State::new(name, "", move |_| {
            Ok(Box::new(move |at| {
                log.borrow_mut().push_str(name);
                Ok([(VALUE.to_owned(), value(at)), ("also".to_owned(), 7.0)].into())
            }))
        })
    }

    fn measured(states: Vec<State>) -> Measured {
        let (name, what, points) = ("x-y".to_owned(), String::new(), vec![2, 4]);
        let better = Better::Less;
        let (unit, varies, beside) = ("ns", "flows", &["also"]);
        let one = Scenario { name, what, unit, better, varies, points, states, beside };
        let context = Context::new(true).unwrap();
        measure(vec![one], &context, 3).unwrap().remove(0)
    }

    #[test]
    fn states_take_turns_and_ratios_are_of_one_round() {
        let log = Rc::default();
        let states = vec![state(&log, "a", |at| at as f64), state(&log, "b", |at| 3.0 * at as f64)];
        let measured = measured(states);
        assert_eq!(*log.borrow(), "abababababab");
        let point = &measured.points[1];
        assert_eq!((point.at, point.values["b"].median, point.ratios["b"].median), (4, 12.0, 3.0));
        assert_eq!((point.also["a"]["also"], &*measured.beside), (7.0, &["also".to_owned()][..]));
        assert!(!point.ratios.contains_key("a"));
    }

    #[test]
    fn beyond_its_last_point_a_state_is_not_measured_and_the_others_are() {
        let log = Rc::default();
        let limited = state(&log, "b", |_| 3.0).up_to(3);
        let measured = measured(vec![state(&log, "a", |_| 1.0), limited]);
        assert_eq!(*log.borrow(), "abababaaa");
        assert_eq!(measured.states[1].failed, None);
        assert!(!measured.points[1].values.contains_key("b"));
    }

    #[test]
    fn what_is_missing_or_fails_is_told_and_the_others_are_measured() {
        let log = Rc::default();
        let missing = State::new("m", "", |_| anyhow::bail!("install it"));
        let fails = State::new("f", "", |_| Ok(Box::new(|_| anyhow::bail!("broke"))));
        let measured = measured(vec![state(&log, "a", |_| 1.0), missing, fails]);
        assert_eq!(*log.borrow(), "aaaaaa");
        assert_eq!(measured.states[1].missing.as_deref(), Some("install it"));
        assert_eq!(measured.states[2].failed.as_deref(), Some("broke"));
        assert_eq!(measured.points[0].values.len(), 1);
    }
}
