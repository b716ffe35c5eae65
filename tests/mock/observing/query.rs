//! A query of Prometheus, checked against what a scrape holds.
//!
//! It knows as much of the language as the rules and the dashboard use, and refuses the rest: a
//! function that it does not know would go unchecked.

use std::collections::BTreeSet;

use promql_parser::label::{Labels, MatchOp};
use promql_parser::parser::token::{T_LAND, T_LOR, T_LUNLESS};
use promql_parser::parser::{
    self, AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, VectorMatchCardinality,
    VectorSelector,
};

use crate::support::Metrics;

/// What Prometheus adds to each sample: whom it has it from.
const OF_THE_TARGET: [&str; 2] = ["instance", "job"];

/// The labels that the samples of a result have.
pub type Names = BTreeSet<String>;

/// Whether a query finds what it asks for; the labels of its result, or what is wrong.
pub fn check(query: &str, scrape: &Metrics) -> Result<Names, String> {
    // The variable that stands for a time, in the only form that a dashboard here uses it in.
    let plain = query.replace("$__rate_interval", "5m").replace("$__range", "3h");
    let expression = parser::parse(&plain).map_err(|error| format!("{query}: {error}"))?;
    let found = look(&expression, scrape).map_err(|error| format!("{query}: {error}"))?;
    found.ok_or_else(|| format!("{query}: a number, and nothing of Keyway"))
}

/// The labels of a result; `None` where it is a number.
fn look(expression: &Expr, scrape: &Metrics) -> Result<Option<Names>, String> {
    match expression {
        Expr::Paren(it) => look(&it.expr, scrape),
        Expr::Unary(it) => look(&it.expr, scrape),
        Expr::NumberLiteral(_) => Ok(None),
        Expr::VectorSelector(it) => selected(it, scrape).map(Some),
        Expr::Aggregate(it) => aggregated(it, scrape).map(Some),
        Expr::Binary(it) => combined(it, scrape),
        Expr::Call(it) => called(it, scrape).map(Some),
        other => Err(format!("this check does not know {other}")),
    }
}

/// The metric is there, and so are the labels that are asked for, in one of its samples.
fn selected(selector: &VectorSelector, scrape: &Metrics) -> Result<Names, String> {
    let name = name(selector)?;
    if !scrape.has(name) {
        return Err(format!("the scrape has no {name}"));
    }
    let mut known: Names = OF_THE_TARGET.map(str::to_owned).into();
    known.extend(scrape.labels(name).flatten().map(|(label, _)| label.clone()));
    let asked = &selector.matchers.matchers;
    if !selector.matchers.or_matchers.is_empty() {
        return Err("this check does not know or between labels".to_owned());
    }
    if let Some(other) = asked.iter().find(|it| !known.contains(&it.name)) {
        return Err(format!("{name} has no label {}", other.name));
    }
    // What the reader of a dashboard picks is not known here.
    let fixed = asked.iter().filter(|it| !it.value.contains('$'));
    let wanted: Vec<_> =
        fixed.filter(|it| matches!(it.op, MatchOp::Equal | MatchOp::Re(_))).collect();
    let meets = |labels: &[(String, String)]| {
        let has = |name: &str, is: &dyn Fn(&str) -> bool| {
            labels.iter().any(|(label, value)| label == name && is(value))
        };
        wanted.iter().all(|it| has(&it.name, &|value| it.is_match(value)))
    };
    if scrape.labels(name).any(meets) {
        Ok(known)
    } else {
        Err(format!("no sample of {name} has {wanted:?}"))
    }
}

fn name(selector: &VectorSelector) -> Result<&str, String> {
    selector.name.as_deref().ok_or_else(|| "a metric without a name".to_owned())
}

fn aggregated(it: &AggregateExpr, scrape: &Metrics) -> Result<Names, String> {
    let of = vector(&it.expr, scrape)?;
    let Some(modifier) = &it.modifier else { return Ok(Names::new()) };
    let (Labels { labels }, kept) = match modifier {
        LabelModifier::Include(labels) => (labels, true),
        LabelModifier::Exclude(labels) => (labels, false),
    };
    let named: Names = labels.iter().cloned().collect();
    match named.difference(&of).next() {
        Some(other) => Err(format!("nothing to group by {other}: there is {of:?}")),
        None if kept => Ok(named),
        None => Ok(of.difference(&named).cloned().collect()),
    }
}

/// Both sides find each other: by the labels that are named, else by all that they have.
fn combined(it: &BinaryExpr, scrape: &Metrics) -> Result<Option<Names>, String> {
    let (left, right) = match (look(&it.lhs, scrape)?, look(&it.rhs, scrape)?) {
        (Some(left), Some(right)) => (left, right),
        (one, other) => return Ok(one.or(other)),
    };
    let is_set = [T_LAND, T_LOR, T_LUNLESS].contains(&it.op.id());
    let modifier = it.modifier.as_ref();
    let one_to_one = modifier.is_none_or(|it| {
        matches!(it.card, VectorMatchCardinality::OneToOne | VectorMatchCardinality::ManyToMany)
    });
    if !one_to_one {
        return Err("this check does not know group_left and group_right".to_owned());
    }
    match modifier.and_then(|it| it.matching.as_ref()) {
        None if left == right => Ok(Some(left)),
        None => Err(format!("{left:?} and {right:?} never match")),
        Some(LabelModifier::Include(Labels { labels })) => {
            let on: Names = labels.iter().cloned().collect();
            match on.iter().find(|label| !left.contains(*label) || !right.contains(*label)) {
                Some(other) => Err(format!("{other} is not on both sides")),
                None if is_set => Ok(Some(left)),
                None => Ok(Some(on)),
            }
        }
        Some(LabelModifier::Exclude(_)) => Err("this check does not know ignoring".to_owned()),
    }
}

/// Counters are asked how they grow, gauges how they stand.
fn called(it: &Call, scrape: &Metrics) -> Result<Names, String> {
    let arguments = &it.args.args;
    let function = it.func.name;
    match (function, arguments.as_slice()) {
        ("rate" | "increase" | "resets", [of]) => ranged(of, function, true, scrape),
        ("min_over_time" | "max_over_time" | "deriv", [of]) => ranged(of, function, false, scrape),
        ("absent", [of]) => vector(of, scrape).map(|_| Names::new()),
        ("vector", [of]) => look(of, scrape).map(|_| Names::new()),
        ("histogram_quantile", [_, of]) => {
            let mut labels = vector(of, scrape)?;
            if labels.remove("le") { Ok(labels) } else { Err("a quantile without le".to_owned()) }
        }
        _ => Err(format!("this check does not know {function}")),
    }
}

fn ranged(of: &Expr, function: &str, grows: bool, scrape: &Metrics) -> Result<Names, String> {
    let Expr::MatrixSelector(of) = of else {
        return Err(format!("{function} of what is no metric over a time"));
    };
    let name = name(&of.vs)?;
    match (kind(name, scrape), grows) {
        (Some("counter"), true) | (Some("gauge"), false) => selected(&of.vs, scrape),
        (None, _) => Err(format!("the scrape has no {name}")),
        (Some(kind), _) => Err(format!("{function} of {name}, a {kind}")),
    }
}

/// What the samples of a name are: those of a histogram are counters.
fn kind<'a>(name: &str, scrape: &'a Metrics) -> Option<&'a str> {
    let of_histogram =
        |ending| name.strip_suffix(ending).and_then(|it| scrape.kind(it)) == Some("histogram");
    if ["_bucket", "_sum", "_count"].into_iter().any(of_histogram) {
        Some("counter")
    } else {
        scrape.kind(name)
    }
}

fn vector(expression: &Expr, scrape: &Metrics) -> Result<Names, String> {
    look(expression, scrape)?.ok_or_else(|| format!("{expression} is a number"))
}

fn made_up() -> Metrics {
    Metrics::parse(
        "# TYPE a_total counter\n\
         a_total{to=\"x\"} 1\n\
         a_total{to=\"y\"} 1\n\
         # TYPE b gauge\n\
         b{to=\"x\",by=\"z\"} 1\n\
         # TYPE c_seconds histogram\n\
         c_seconds_bucket{to=\"x\",le=\"+Inf\"} 1\n\
         c_seconds_sum{to=\"x\"} 1\n\
         c_seconds_count{to=\"x\"} 1\n",
    )
}

#[test]
fn what_the_scrape_has_is_found_with_its_labels() {
    for (query, labels) in [
        ("rate(a_total{to=\"x\"}[$__rate_interval]) > 0", "instance job to"),
        ("sum(increase(a_total{to=~\"x|w\", to=~\"$to\"}[5m]))", ""),
        ("sum by (to) (b) / sum by (to) (b)", "to"),
        ("max without (by, instance) (b == 1)", "job to"),
        ("histogram_quantile(0.5, sum by (le) (rate(c_seconds_bucket[5m])))", ""),
        ("rate(c_seconds_sum[5m]) / rate(c_seconds_count[5m])", "instance job to"),
        ("b and on (to) rate(a_total[5m]) == 0", "by instance job to"),
        ("min_over_time(b[10m]) > max_over_time(b[10m] offset 30m)", "by instance job to"),
        ("absent(b) or vector(0)", ""),
    ] {
        let names: Vec<String> = check(query, &made_up()).expect(query).into_iter().collect();
        assert_eq!(names.join(" "), labels, "{query}");
    }
}

#[test]
fn what_the_scrape_lacks_is_refused() {
    for (query, why) in [
        ("sum(rate(d_total[5m]))", "no d_total"),
        ("c_seconds", "no c_seconds"),
        ("b{from=\"x\"}", "no label from"),
        ("b{to=\"y\"}", "no sample of b"),
        ("a_total{to=~\"z.*\"}", "no sample of a_total"),
        ("sum by (by) (a_total)", "group by by"),
        ("sum without (by) (a_total)", "group by by"),
        ("rate(b[5m])", "rate of b, a gauge"),
        ("max_over_time(c_seconds_count[5m])", "c_seconds_count, a counter"),
        ("histogram_quantile(0.5, rate(c_seconds_count[5m]))", "without le"),
        ("a_total > b", "never match"),
        ("a_total > on (by) b", "not on both sides"),
        ("label_replace(b, \"x\", \"$1\", \"to\", \"(.*)\")", "does not know label_replace"),
        ("sum(b", "sum(b"),
        ("1 + 1", "a number"),
    ] {
        let refused = check(query, &made_up()).expect_err(query);
        assert!(refused.contains(why), "{query}: {refused}");
    }
}
