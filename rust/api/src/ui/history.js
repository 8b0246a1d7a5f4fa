// What the fleet was like over time: up to when the page was opened as the newest deployment tells it, since then as the
// page has seen it.

import { mesosOf, shownState } from "./model.js";

// Samples that are kept: enough for a wide chart.
const SAMPLES = 600;

export class Series {
  constructor() {
    this.samples = [];
  }

  // Adds how many were what at `at`, which must not be before the last.
  add(at, counts) {
    const last = this.samples.at(-1);
    if (last && last.at > at) {
      return;
    }
    this.samples.push({ at, counts });
    if (this.samples.length > SAMPLES) {
      // Every second one goes: what is long ago needs less detail, and the newest stays.
      this.samples = this.samples.filter((_, place) => place % 2 === SAMPLES % 2);
    }
  }
}

// The steps of a deployment's nodes, in their order: to what, and when. A node says when it came to be what it is; when
// it was told to restart, an event says, while the master remembers it.
function stepsOf(deployment, events) {
  const steps = [];
  const members = new Map(deployment.nodes.map((member) => [member.node, member]));
  for (const event of events) {
    const [at, member] = [Date.parse(event.at), members.get(event.node)];
    if (event.kind === "node-started" && event.deployment === deployment.id && at <= Date.parse(member?.updated_at)) {
      steps.push({ at, node: event.node, state: "restarting" });
    }
  }
  for (const member of deployment.nodes) {
    const isNew = member.state === "confirmed" || member.state === "unconfirmed";
    const at = Date.parse(member.updated_at);
    steps.push({ at, node: member.node, state: shownState(member.state), mesos: isNew ? mesosOf(member.to) : undefined });
  }
  return steps.sort((one, other) => one.at - other.at);
}

// The series up to `now` by state and by version of Mesos. Before their step nodes of the deployment waited; the others
// were what they are.
export function told(deployment, events, rows, now) {
  const series = { state: new Series(), mesos: new Series() };
  if (!deployment || deployment.nodes.length === 0) {
    return series;
  }
  const is = new Map(rows.map((row) => [row.name, { state: row.state, mesos: row.mesos }]));
  for (const member of deployment.nodes) {
    const skipped = member.state === "skipped";
    is.set(member.node, { state: skipped ? "skipped" : "waiting", mesos: mesosOf(member.from) });
  }
  const totals = { state: new Map(), mesos: new Map() };
  for (const node of is.values()) {
    totals.state.set(node.state, (totals.state.get(node.state) ?? 0) + 1);
    totals.mesos.set(node.mesos, (totals.mesos.get(node.mesos) ?? 0) + 1);
  }
  const move = (kind, node, to) => {
    const total = totals[kind];
    total.set(node[kind], total.get(node[kind]) - 1);
    total.set(to, (total.get(to) ?? 0) + 1);
    node[kind] = to;
  };
  const sample = (at) => {
    series.state.add(at, new Map(totals.state));
    series.mesos.add(at, new Map(totals.mesos));
  };
  const begin = Date.parse(deployment.created_at);
  const width = Math.max(1, (now - begin) / (SAMPLES / 2));
  let next = begin;
  for (const step of stepsOf(deployment, events)) {
    if (step.at >= next) {
      sample(Math.max(begin, step.at - 1));
      next = step.at + width;
    }
    const node = is.get(step.node);
    move("state", node, step.state);
    if (step.mesos) {
      move("mesos", node, step.mesos);
    }
  }
  const last = series.state.samples.at(-1)?.at ?? begin;
  sample(Math.max(last, Math.min(now, Date.parse(deployment.finished_at ?? "") || now)));
  return series;
}
