//! The id of a config follows from what its options say, and from nothing else.

use std::collections::{BTreeMap, BTreeSet};

use dcos_core::{PackageId, PkgInfo};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use crate::generate::generate;
use crate::options::{Options, Syntax};

/// What an operator may want to say of agents.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wish {
    group: Option<&'static str>,
    modules: BTreeSet<&'static str>,
    flags: BTreeMap<&'static str, Value>,
    limit: Option<u8>,
}

/// How it is written down.
#[derive(Clone, Debug)]
struct Form {
    json: bool,
    /// The order of sections, flags and modules: a number to sort each by.
    order: Vec<u8>,
    comments: bool,
    /// Numbers and truths as texts; documents too.
    quoted: bool,
}

/// Flags, each with values that differ.
fn flags() -> impl Strategy<Value = BTreeMap<&'static str, Value>> {
    let pool: Vec<(&'static str, Vec<Value>)> = vec![
        ("acls", vec![json!({"permissive": true, "a": [1]}), json!({"permissive": false, "a": [1]}), json!({})]),
        ("cgroups_root", vec![json!("mesos"), json!("m # not a comment"), json!("a \"b\" \\ c")]),
        ("gc_delay", vec![json!("1days"), json!("24hrs")]),
        ("gc_disk_headroom", vec![json!(0.5), json!(0.25), json!(1)]),
        ("logbufsecs", vec![json!(0), json!(1)]),
        ("resources", vec![json!("cpus:1"), json!("cpus:2;mem:64"), json!([{"name": "x"}])]),
        ("strict", vec![json!(true), json!(false)]),
    ];
    let count = pool.len();
    subsequence(pool, 0..=count).prop_flat_map(|flags| {
        let values: Vec<_> = flags.iter().map(|(_, values)| select(values.clone())).collect();
        let names: Vec<&'static str> = flags.iter().map(|(name, _)| *name).collect();
        values.prop_map(move |values| names.iter().copied().zip(values).collect())
    })
}

fn wish() -> impl Strategy<Value = Wish> {
    let group = prop::option::of(select(vec!["agents", "gpu"]));
    let modules = subsequence(vec!["dcos-bits", "fizzbuzz", "twin"], 0..=3);
    (group, modules, flags(), prop::option::of(0..3_u8)).prop_map(|(group, modules, flags, limit)| {
        let modules: BTreeSet<&'static str> = modules.into_iter().collect();
        // A parameter needs its module.
        let limit = limit.filter(|_| modules.contains("fizzbuzz"));
        Wish { group, modules, flags, limit }
    })
}

fn form() -> impl Strategy<Value = Form> {
    (any::<bool>(), prop::collection::vec(any::<u8>(), 16), any::<bool>(), any::<bool>())
        .prop_map(|(json, order, comments, quoted)| Form { json, order, comments, quoted })
}

impl Form {
    fn ordered<T>(&self, items: impl IntoIterator<Item = T>) -> Vec<T> {
        let mut items: Vec<(u8, T)> = self.order.iter().copied().cycle().zip(items).collect();
        items.sort_by_key(|(place, _)| *place);
        items.into_iter().map(|(_, item)| item).collect()
    }

    fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(_) => value.clone(),
            value if self.quoted || value.is_array() => Value::String(value.to_string()),
            value => value.clone(),
        }
    }

    fn write(&self, wish: &Wish) -> (String, Syntax) {
        let modules: Vec<Value> = self.ordered(wish.modules.iter().map(|name| json!(name)));
        let flags = self.ordered(wish.flags.iter().map(|(name, value)| (*name, self.value(value))));
        if self.json {
            (self.json(wish, &modules, &flags), Syntax::Json)
        } else {
            (self.toml(wish, &modules, &flags), Syntax::Toml)
        }
    }

    fn json(&self, wish: &Wish, modules: &[Value], flags: &[(&str, Value)]) -> String {
        let space = if self.comments { "\n\t " } else { "" };
        let member = |(name, value): &(&str, Value)| format!("{space}\"{name}\":{space}{value}");
        let flags: Vec<String> = flags.iter().map(member).collect();
        let mut members = vec![
            "\"role\": \"agent\"".to_owned(),
            format!("\"modules\": {}", json!(modules)),
            format!("\"flags\": {{{}}}", flags.join(",")),
        ];
        members.extend(wish.group.map(|group| format!("\"group\": \"{group}\"")));
        members.extend(
            wish.limit.map(|limit| format!("\"parameters\": {{\"org_example_FizzBuzz\": {{\"limit\": {limit}}}}}")),
        );
        format!("{{{}}}", self.ordered(members).join(&format!(",{space}")))
    }

    fn toml(&self, wish: &Wish, modules: &[Value], flags: &[(&str, Value)]) -> String {
        let comment = if self.comments { "  # why not\n\n" } else { "\n" };
        let mut keys = vec!["role = 'agent'".to_owned(), format!("modules = {}", json!(modules))];
        keys.extend(wish.group.map(|group| format!("group = \"{group}\"")));
        let lines: Vec<String> = flags
            .iter()
            .map(|(name, value)| match value {
                // JSON's texts, numbers and truths are TOML's, too; its tables are not.
                Value::Object(_) => format!("{name} = '{value}'"),
                value => format!("{name} = {value}"),
            })
            .collect();
        let mut sections = vec![format!("[flags]\n{}\n", lines.join(comment))];
        sections.extend(wish.limit.map(|limit| format!("[parameters.org_example_FizzBuzz]\nlimit = {limit}\n")));
        format!("{}\n{}", self.ordered(keys).join(comment), self.ordered(sections).join(comment))
    }
}

fn available() -> Vec<PkgInfo> {
    let info = |name: &str, module: &str| {
        let text = format!(
            r#"{{ "format": 1, "name": "{name}", "version": "1", "kind": "module", "mesos": {{ "version": "1.11.0" }},
                "modules": [ {{ "library": "lib/x.so", "name": "{module}",
                                "parameters": {{ "limit": {{"type": "integer"}} }} }} ] }}"#
        );
        PkgInfo::parse(&text).unwrap_or_else(|error| panic!("{error}"))
    };
    vec![
        info("dcos-bits", "org_dcos_bits_Pkg"),
        info("fizzbuzz", "org_example_FizzBuzz"),
        info("twin", "org_example_Twin"),
    ]
}

fn id(wish: &Wish, form: &Form) -> PackageId {
    let (text, syntax) = form.write(wish);
    let made = Options::parse(&text, syntax).and_then(|options| generate(&options, &available()));
    made.unwrap_or_else(|error| panic!("{text}\n{:?}", error.problem())).id
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn comments_order_and_format_change_nothing(wish in wish(), one in form(), other in form()) {
        prop_assert_eq!(id(&wish, &one), id(&wish, &other));
    }

    #[test]
    fn any_other_change_makes_another_id(one in wish(), other in wish(), form in form()) {
        // Not to name a group is to name the usual one.
        let said = |wish: &Wish| Wish { group: wish.group.or(Some("agents")), ..wish.clone() };
        prop_assert_eq!(id(&one, &form) == id(&other, &form), said(&one) == said(&other));
    }

    #[test]
    fn one_small_change_makes_another_id(wish in wish(), form in form(), which in 0..4_usize) {
        let mut other = wish.clone();
        match which {
            0 => other.group = Some(if wish.group == Some("gpu") { "agents" } else { "gpu" }),
            1 => { if !other.modules.remove("twin") { other.modules.insert("twin"); } }
            2 => { if other.flags.remove("strict").is_none() { other.flags.insert("strict", json!(true)); } }
            _ => { other.flags.insert("cgroups_root", json!("another")); }
        }
        prop_assert_ne!(id(&wish, &form), id(&other, &form));
    }
}
