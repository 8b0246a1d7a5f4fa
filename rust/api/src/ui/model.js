// What the answers mean: pure functions from documents to what is shown.

// The states of a node, worst first: how they are called, and which colour they have.
export const STATES = [
  { id: "lost", text: "lost", means: "came up on neither set: a person is needed" },
  { id: "failed", text: "failed", means: "refused, or did not come back in time" },
  { id: "away", text: "away", means: "does not answer, or is not registered" },
  { id: "rolled_back", text: "rolled back", means: "runs its old set again" },
  { id: "unconfirmed", text: "unconfirmed", means: "runs the new set, and can't tell yet whether it is well" },
  { id: "restarting", text: "restarting", means: "on its way to the new set" },
  { id: "drift", text: "drift", means: "does not run what its group should" },
  { id: "fetching", text: "fetching", means: "gets its packages" },
  { id: "waiting", text: "waiting", means: "its turn has not come" },
  { id: "skipped", text: "skipped", means: "left as it is" },
  { id: "well", text: "well", means: "runs what it should" },
];

const PLACES = new Map(STATES.map((state, place) => [state.id, place]));

export function stateOf(id) {
  return STATES[PLACES.get(id)] ?? { id, text: id, means: "" };
}

const FINAL = new Set(["done", "failed", "aborted", "rolled_back"]);
// What a node keeps being after its deployment has ended.
const STAYS = new Set(["failed", "lost", "rolled_back", "unconfirmed"]);

export function isOver(deployment) {
  return FINAL.has(deployment.state);
}

// The version in a set: of `mesos--1.11.0` among others, `1.11.0`.
export function mesosOf(set) {
  const found = (set ?? []).find((id) => id.startsWith("mesos--"));
  return found ? found.slice("mesos--".length) : "";
}

// The state of a deployment's node as the page calls it.
export function shownState(state) {
  switch (state) {
    case "confirmed":
      return "well";
    case "fetched":
      return "waiting";
    default:
      return state;
  }
}

function standing(node) {
  if (!node.reachable || !node.registered) {
    return "away";
  }
  return node.drift ? "drift" : "well";
}

function mesosAfter(member) {
  const runsNew = member.state === "confirmed" || member.state === "unconfirmed";
  return mesosOf(runsNew ? member.to : member.from);
}

// One row per node: what the cluster's list says, and above it what the newest deployment says while that matters.
export function rowsOf(nodes, deployment) {
  const members = new Map((deployment?.nodes ?? []).map((member) => [member.node, member]));
  const over = !deployment || isOver(deployment);
  const rows = [];
  const add = (name, node, member) => {
    const counts = member && (!over || STAYS.has(member.state));
    const state = counts ? shownState(member.state) : node ? standing(node) : "waiting";
    rows.push({
      name,
      role: node?.role ?? member.role,
      group: node?.group || member?.group || "",
      // While a deployment goes on it knows sooner than the list, for which every node is asked.
      mesos: (counts ? mesosAfter(member) : "") || node?.mesos_version || mesosOf(node?.set) || (member ? mesosAfter(member) : ""),
      state,
      why: (counts ? member.detail : "") || node?.detail || (state === "drift" ? "runs another set than its group should" : ""),
      node,
      member,
    });
  };
  for (const node of nodes ?? []) {
    const member = members.get(node.node);
    members.delete(node.node);
    add(node.node, node, member);
  }
  for (const [name, member] of members) {
    add(name, undefined, member);
  }
  // Stable: masters first and by name as the master lists them, what needs a look above all.
  return rows.sort((one, other) => urgency(one) - urgency(other));
}

// Whether a row has every word somewhere.
export function has(row, words) {
  row.text ??= `${row.name}\n${row.role}\n${row.group}\n${row.mesos}\n${stateOf(row.state).text}\n${row.why}`.toLowerCase();
  return words.every((word) => row.text.includes(word));
}

function urgency(row) {
  const place = PLACES.get(row.state) ?? 0;
  return place <= PLACES.get("restarting") ? place : STATES.length;
}

export function tally(rows, key) {
  const found = new Map();
  for (const row of rows) {
    found.set(row[key], (found.get(row[key]) ?? 0) + 1);
  }
  return found;
}

// What a change is called, as the command line calls it.
export function title(change) {
  if (change?.upgrade) {
    return `Upgrade to Mesos ${change.upgrade.mesos}`;
  }
  if (change?.install) {
    return `Install ${change.install.modules.join(", ")}`;
  }
  if (change?.uninstall) {
    return `Uninstall ${change.uninstall.modules.join(", ")}`;
  }
  if (change?.keep) {
    return "Chores, every set kept";
  }
  return change?.set ? `Sets of ${Object.keys(change.set).join(", ")}` : "Change";
}

const TURN_OVER = new Set(["confirmed", "unconfirmed", "failed", "rolled_back", "skipped", "lost"]);

// What was worked out of a deployment's document, once for all who ask.
const known = new WeakMap();

// The waves with how far each is.
export function wavesOf(deployment) {
  if (!known.has(deployment)) {
    known.set(deployment, lookAtWaves(deployment));
  }
  return known.get(deployment);
}

function lookAtWaves(deployment) {
  const members = new Map(deployment.nodes.map((member) => [member.node, member]));
  let isFirstOfAgents = true;
  const waves = deployment.waves.map((names) => {
    const states = new Map();
    let over = 0;
    for (const name of names) {
      const member = members.get(name);
      const state = member ? shownState(member.state) : "waiting";
      states.set(state, (states.get(state) ?? 0) + 1);
      over += member && TURN_OVER.has(member.state) ? 1 : 0;
    }
    const ofMasters = members.get(names[0])?.role === "master";
    const isCanary = !ofMasters && isFirstOfAgents && deployment.waves.length > 1;
    isFirstOfAgents &&= ofMasters;
    return { names, states, over, label: ofMasters ? "master" : isCanary ? "canary" : "agents" };
  });
  const current = waves.findIndex((wave) => wave.over < wave.names.length);
  return { waves, current: current < 0 ? waves.length - 1 : current };
}

// The budget: how many may be away at once and are, how many may fail and did.
export function budgetOf(deployment) {
  const inWaves = new Set(deployment.waves.flat());
  const agents = deployment.nodes.filter((member) => member.role === "agent" && inWaves.has(member.node));
  const allowed = deployment.strategy.max_unavailable;
  const percent = typeof allowed === "string" ? Number.parseInt(allowed, 10) : undefined;
  const limit = percent === undefined ? allowed : Math.max(1, Math.floor((agents.length * percent) / 100));
  const of = (...states) => agents.filter((member) => states.includes(member.state)).length;
  return {
    away: of("restarting", "unconfirmed", "failed", "lost"),
    limit,
    failed: deployment.nodes.filter((member) => ["failed", "rolled_back", "lost"].includes(member.state)).length,
    failures: deployment.strategy.max_failures,
  };
}

// What the nodes wait for that wait, the most frequent reason first.
export function reasonsOf(deployment) {
  const found = new Map();
  for (const member of deployment.nodes) {
    if (["waiting", "fetching", "fetched"].includes(member.state) && member.detail) {
      found.set(member.detail, (found.get(member.detail) ?? 0) + 1);
    }
  }
  return [...found].sort((one, other) => other[1] - one[1]);
}

const RANKS = ["reader", "monitor", "operator", "admin"];

export function may(who, role) {
  return RANKS.indexOf(who?.role) >= RANKS.indexOf(role);
}

// The orders that a deployment takes in its state, as the controller accepts them.
export function ordersFor(deployment) {
  if (isOver(deployment)) {
    const undone = deployment.state === "failed" || deployment.state === "aborted";
    return [...(undone ? ["retry"] : []), ...(deployment.changed && deployment.state !== "rolled_back" ? ["rollback"] : [])];
  }
  const waits = deployment.state === "paused" || deployment.state === "staged";
  return [waits ? "start" : "pause", "abort", ...(deployment.changed ? ["rollback"] : [])];
}
