//! What the body of a request that makes a pipeline may be, as a JSON schema: made from the table of
//! settings, so that the two cannot say different things.
//!
//! The schema says which keys there are, and which kinds of values; what a text has to be, and what
//! goes with what, is in the descriptions, and a body is checked for it when it comes.

use std::borrow::Cow;

use serde_json::{Value, json};
use utoipa::openapi::schema::{
    AdditionalProperties, AllOfBuilder, ArrayBuilder, KnownFormat, Object, ObjectBuilder, Schema,
    SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::level::Level;
use super::table::{self, Entry, Row, Scope, Standard};

/// The rule for a single value: the reader takes a number or a boolean for the text that it would be.
const PLAIN: [Type; 3] = [Type::String, Type::Number, Type::Boolean];

/// A pipeline, as a body defines it.
pub struct Definition;

/// The same with its name, where the path does not have that.
pub struct NamedDefinition;

/// Properties of librdkafka.
struct Properties;

impl ToSchema for Definition {
    fn name() -> Cow<'static, str> {
        "PipelineDefinition".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Properties::name().into_owned(), Properties::schema()));
    }
}

impl PartialSchema for Definition {
    fn schema() -> RefOr<Schema> {
        let about = "What a `[[pipeline]]` of the configuration file is. A key with null is as if it \
            were not there.";
        let whole = ObjectBuilder::from(section("")).description(Some(about));
        let whole = whole.property("route", routes()).examples([example()]);
        Schema::Object(whole.build()).into()
    }
}

impl ToSchema for NamedDefinition {
    fn name() -> Cow<'static, str> {
        "NamedPipelineDefinition".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Definition::name().into_owned(), Definition::schema()));
        Definition::schemas(schemas);
    }
}

impl PartialSchema for NamedDefinition {
    fn schema() -> RefOr<Schema> {
        let named = ObjectBuilder::new().required(table::NAME.row.key);
        let both = AllOfBuilder::new()
            .item(Ref::from_schema_name(Definition::name()))
            .item(named)
            .description(Some("A pipeline, with its name."));
        Schema::AllOf(both.build()).into()
    }
}

impl ToSchema for Properties {
    fn name() -> Cow<'static, str> {
        "KafkaProperties".into()
    }
}

impl PartialSchema for Properties {
    fn schema() -> RefOr<Schema> {
        let about = "Properties of librdkafka, by their names: `\"bootstrap.servers\"`. An object \
            within another is the same as dots: `{\"bootstrap\": {\"servers\": ...}}`.";
        let value = utoipa::openapi::schema::AnyOfBuilder::new()
            .item(ObjectBuilder::new().schema_type(or_null(PLAIN)))
            .item(Ref::from_schema_name(Self::name()));
        let object = ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some(about))
            .additional_properties(Some(RefOr::T(Schema::AnyOf(value.build()))));
        Schema::Object(object.build()).into()
    }
}

/// A body that is taken.
pub fn example() -> Value {
    json!({
        "name": "orders",
        "topics": ["orders"],
        "group_id": "orders-delivery",
        "kafka": { "bootstrap.servers": "kafka.example:9092" },
        "http": { "url": "https://orders.example/records", "timeout": "10s" },
        "retry": { "max_attempts": 5, "on_exhausted": "dead_letter" },
        "dead_letter": { "topic": "orders.failed" },
    })
}

/// The settings of a pipeline and what is allowed for each.
fn entries() -> impl Iterator<Item = &'static Entry> {
    let is_its = |row: &Row| Level::Pipeline.rows().any(|its| std::ptr::eq(its, row));
    table::GROUPS.iter().flat_map(|group| group.entries).filter(move |entry| is_its(entry.row))
}

/// The object whose keys begin with `prefix`, which is empty or ends with a dot.
fn section(prefix: &str) -> Object {
    let mut object = ObjectBuilder::new()
        .schema_type(if prefix.is_empty() { Type::Object.into() } else { or_null([Type::Object]) })
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    let mut inner: Vec<&str> = Vec::new();
    for entry in entries() {
        let Some(key) = entry.row.key.strip_prefix(prefix) else { continue };
        match key.split_once('.') {
            None => {
                // What is required in a section may have another in its place: routes for a URL.
                let is_required =
                    prefix.is_empty() && matches!(entry.row.standard, Standard::Required);
                if is_required {
                    object = object.required(key);
                }
                object = object.property(key, setting(entry, is_required));
            }
            Some((name, _)) if !inner.contains(&name) => inner.push(name),
            Some(_) => {}
        }
    }
    for name in inner {
        object = object.property(name, section(&format!("{prefix}{name}.")));
    }
    if matches!(prefix, "" | "dead_letter.") {
        object = object.property("kafka", Ref::from_schema_name(Properties::name()));
    }
    object.build()
}

/// One setting.
fn setting(entry: &Entry, is_required: bool) -> Schema {
    let Entry { row, allowed } = entry;
    let about = described(row, &allowed());
    if row.key == table::NAME.row.key {
        return ObjectBuilder::new().schema_type(Type::String).description(Some(about)).into();
    }
    let kinds = |kinds: &[Type]| {
        let null = (!is_required).then_some(Type::Null);
        kinds.iter().cloned().chain(null).collect::<SchemaType>()
    };
    let default = match row.standard {
        Standard::Text(text) => Some(Value::from(text)),
        _ => None,
    };
    if row.list {
        let item = ObjectBuilder::new().schema_type(SchemaType::from_iter(PLAIN));
        let item = if row.secret { item.write_only(true) } else { item };
        let [text, number, boolean] = PLAIN;
        return ArrayBuilder::new()
            .schema_type(kinds(&[text, number, boolean, Type::Array]))
            .items(item)
            .min_items(Some(1))
            .description(Some(about))
            .default(default)
            .into();
    }
    let object =
        ObjectBuilder::new().schema_type(kinds(&PLAIN)).description(Some(about)).default(default);
    if row.secret {
        let format = SchemaFormat::KnownFormat(KnownFormat::Password);
        return object.write_only(true).format(Some(format)).into();
    }
    object.into()
}

/// What a setting sets, and what it may be.
fn described(row: &Row, allowed: &str) -> String {
    let list = if row.list { "a list, or one: " } else { "" };
    let standard = match (row.standard, row.scope) {
        // Explained in the document of the configuration.
        (Standard::Described("*") | Standard::Nothing | Standard::Required, _) => String::new(),
        (standard, Scope::Tuning) => {
            format!(" Without it: what a variable or flag says, or {}.", standard.shown())
        }
        (standard, _) => format!(" Without it: {}.", standard.shown()),
    };
    let about = row.about;
    format!("{about}. Allowed: {list}{allowed}.{standard}")
}

/// Where records go, and as what.
fn routes() -> Schema {
    let text = |about: &str| {
        ObjectBuilder::new().schema_type(or_null(PLAIN)).description(Some(about.to_owned()))
    };
    let url = ObjectBuilder::new()
        .schema_type(SchemaType::from_iter(PLAIN))
        .description(Some("Where it goes: a template."));
    let headers = ObjectBuilder::new()
        .schema_type(or_null([Type::Object]))
        .description(Some("Its headers by their names: templates."))
        .additional_properties(Some(RefOr::T(Schema::from(text("A template.")))));
    let request = closed()
        .property("method", text("Its method: a template. Without it: POST."))
        .property("url", url)
        .property("headers", headers)
        .property("body", text("Its body: a template. Without it: the record's value."))
        .required("url");
    let requests = ArrayBuilder::new()
        .schema_type(or_null([Type::Array]))
        .items(request)
        .description(Some("What is sent, one after the other."));
    let route = closed()
        .property("when", text("A condition; without it the route matches every record."))
        .property("request", requests);
    ArrayBuilder::new()
        .schema_type(or_null([Type::Array]))
        .items(route)
        .min_items(Some(1))
        .description(Some("Which records go where: the first that matches, or all (`match`)."))
        .into()
}

fn closed() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
}

fn or_null<const N: usize>(kinds: [Type; N]) -> SchemaType {
    kinds.into_iter().chain([Type::Null]).collect()
}
