//! What Prometheus's Alertmanager posts to a webhook (its version 4), so that `POST /deploy/halt` can be one.
//!
//! The body that Alertmanager sends is fixed, and something between it and us would be one more thing that may be down
//! when a deployment must stop. So the endpoint takes both: a body with `alerts` is Alertmanager's, all else must be a
//! [`HaltRequest`]. Fields that a later Alertmanager may add are ignored; what decides is there since its beginnings.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use super::deploy::HaltRequest;
use crate::strict::Strict;

/// How many alerts are named in the reason of a halt.
const NAMED: usize = 3;

/// What may be posted to `/deploy/halt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HaltCall {
    /// Somebody's order.
    Order(HaltRequest),
    /// Alerts that Alertmanager tells of.
    Alerts(AlertGroup),
}

impl<'de> Deserialize<'de> for HaltCall {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = serde_json::Map::<String, Value>::deserialize(deserializer)?;
        let alerts = fields.contains_key("alerts");
        let body = Value::Object(fields);
        match alerts {
            true => AlertGroup::deserialize(Strict(body)).map(Self::Alerts),
            false => HaltRequest::deserialize(Strict(body)).map(Self::Order),
        }
        .map_err(de::Error::custom)
    }
}

impl JsonSchema for HaltCall {
    fn schema_name() -> Cow<'static, str> {
        "HaltCall".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (order, alerts) = (generator.subschema_for::<HaltRequest>(), generator.subschema_for::<AlertGroup>());
        json_schema!({"anyOf": [order, alerts]})
    }
}

/// Whether alerts fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlertStatus {
    /// They do; of a group, at least one does.
    Firing,
    /// They don't any more.
    Resolved,
}

/// A group of alerts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertGroup {
    /// The version of the body: `4`.
    pub version: String,
    /// Whether any of them fires.
    pub status: AlertStatus,
    /// What tells the group from others.
    #[serde(default)]
    pub group_key: String,
    /// The labels that all of them have.
    #[serde(default)]
    pub common_labels: BTreeMap<String, String>,
    /// The annotations that all of them have.
    #[serde(default)]
    pub common_annotations: BTreeMap<String, String>,
    /// The alerts, some of which may be resolved.
    pub alerts: Vec<Alert>,
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Alert {
    /// Whether it fires.
    pub status: AlertStatus,
    /// What it is about.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What it says.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

impl AlertGroup {
    /// The order that these alerts amount to; none once all of them are resolved.
    ///
    /// The same alerts give the same reason, so that Alertmanager's reminders can be told from news.
    pub fn order(&self) -> Option<HaltRequest> {
        let firing: Vec<&Alert> = self.alerts.iter().filter(|alert| alert.status == AlertStatus::Firing).collect();
        if self.status == AlertStatus::Resolved || firing.is_empty() {
            return None;
        }
        let summary = |annotations: &BTreeMap<String, String>| {
            ["summary", "description"].iter().find_map(|key| annotations.get(*key)).cloned()
        };
        let mut said: Vec<String> = match summary(&self.common_annotations) {
            Some(text) => vec![text],
            None => firing
                .iter()
                .map(|alert| summary(&alert.annotations).unwrap_or_else(|| name(&alert.labels).to_owned()))
                .collect(),
        };
        said.sort();
        said.dedup();
        let more = said.len().saturating_sub(NAMED);
        said.truncate(NAMED);
        let and_more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let title = name(&self.common_labels);
        Some(HaltRequest { reason: format!("alert {title}: {}{and_more}", said.join("; ")) })
    }
}

fn name(labels: &BTreeMap<String, String>) -> &str {
    labels.get("alertname").map_or("without a name", String::as_str)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::HaltCall;

    fn reason(json: &str) -> Option<String> {
        match serde_json::from_str(json).unwrap() {
            HaltCall::Order(order) => Some(order.reason),
            HaltCall::Alerts(alerts) => alerts.order().map(|order| order.reason),
        }
    }

    #[test]
    fn an_order_is_an_order_and_a_typo_in_it_is_refused() {
        assert_eq!(reason(r#"{"reason": "the pager says so"}"#).unwrap(), "the pager says so");
        for json in [r#"{"reson": "x"}"#, "{}", r#"{"reason": "x", "more": 1}"#, "[]", r#"{"alerts": 1}"#] {
            assert!(serde_json::from_str::<HaltCall>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn alerts_that_fire_give_their_reason_and_others_give_none() {
        let group = |status: &str, alerts: &str| {
            format!(r#"{{"version": "4", "status": "{status}", "later": 1, "alerts": [{alerts}]}}"#)
        };
        let firing = r#"{"status": "firing", "labels": {"alertname": "B"}}, {"status": "firing", "labels": {"alertname": "A"},
            "annotations": {"summary": "a hurts"}}, {"status": "resolved", "labels": {"alertname": "C"}}"#;
        assert_eq!(reason(&group("firing", firing)).unwrap(), "alert without a name: B; a hurts");
        assert_eq!(reason(&group("resolved", r#"{"status": "resolved"}"#)), None);
        assert_eq!(reason(&group("firing", "")), None);
        let many: Vec<String> =
            (0..9).map(|n| format!(r#"{{"status": "firing", "labels": {{"alertname": "N{n}"}}}}"#)).collect();
        assert_eq!(reason(&group("firing", &many.join(","))).unwrap(), "alert without a name: N0; N1; N2; and 6 more");
    }
}
