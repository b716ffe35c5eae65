//! `deploy/grafana/keyway.json`, as Grafana reads it.

use serde_json::Value;

/// A panel that is no row.
#[derive(Debug)]
pub struct Panel {
    pub id: u64,
    pub title: String,
    pub datasource: String,
    pub place: Place,
    /// Queries, each with the legend of what it finds.
    pub queries: Vec<(String, String)>,
}

/// Where something is on the grid, which is 24 wide.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub x: u64,
    pub y: u64,
    pub w: u64,
    pub h: u64,
}

impl Place {
    fn of(panel: &Value) -> Self {
        let of = |name: &str| panel["gridPos"][name].as_u64().expect("a place");
        Self { x: of("x"), y: of("y"), w: of("w"), h: of("h") }
    }

    /// Whether two have a spot in common.
    pub fn overlaps(self, other: Self) -> bool {
        let apart = self.x + self.w <= other.x
            || other.x + other.w <= self.x
            || self.y + self.h <= other.y
            || other.y + other.h <= self.y;
        !apart
    }
}

/// The file.
pub fn read() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/grafana/keyway.json");
    let text = std::fs::read_to_string(path).expect("the file is there");
    serde_json::from_str(&text).expect("it is JSON")
}

/// All that is on the grid, rows too.
pub fn places(dashboard: &Value) -> Vec<Place> {
    items(dashboard).iter().map(Place::of).collect()
}

/// All panels that show something.
pub fn panels(dashboard: &Value) -> Vec<Panel> {
    items(dashboard).iter().filter(|it| it["type"] != "row").map(panel).collect()
}

/// The queries of its variables: of `label_values(QUERY, LABEL)` the two.
pub fn variables(dashboard: &Value) -> Vec<(String, String)> {
    let all = dashboard["templating"]["list"].as_array().expect("variables");
    let asked = all.iter().filter(|it| it["type"] == "query");
    let parts = |it: &Value| {
        let query = text(&it["query"]["query"]);
        assert_eq!(query, text(&it["definition"]));
        let inside = query.strip_prefix("label_values(")?.strip_suffix(')')?.to_owned();
        let (metric, label) = inside.rsplit_once(", ")?;
        Some((metric.to_owned(), label.to_owned()))
    };
    asked.map(|it| parts(it).unwrap_or_else(|| panic!("another form: {it}"))).collect()
}

fn items(dashboard: &Value) -> &[Value] {
    dashboard["panels"].as_array().expect("panels")
}

fn panel(panel: &Value) -> Panel {
    let targets = panel["targets"].as_array().expect("targets");
    Panel {
        id: panel["id"].as_u64().expect("an id"),
        title: text(&panel["title"]),
        datasource: text(&panel["datasource"]["uid"]),
        place: Place::of(panel),
        queries: targets.iter().map(|it| (text(&it["expr"]), text(&it["legendFormat"]))).collect(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
