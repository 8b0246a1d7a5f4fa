// What happens when: what is asked of the master how often, and what is painted when it has answered.
//
// Each question has a loop of its own, so that a slow answer holds up nothing else, and rests for a multiple of what its
// last answer took: a page that is left open over a large cluster costs the master a small share of its time. New events
// wake the questions whose answers they change.

import { eventsAfter, get, post, Trouble } from "./api.js";
import { paint } from "./chart.js";
import { isAsking, nodeDialog, question } from "./dialogs.js";
import { byId, clock, count, say, span } from "./dom.js";
import { told } from "./history.js";
import { has, isOver, rowsOf, STATES, tally, title } from "./model.js";
import { announcement, showChips, showDeployment, showEvents, showHalts, showLink, showPast, showTrouble, showWho } from "./panels.js";
import { Table } from "./table.js";

// How long the notice of another leader stands before the page follows.
const FOLLOW_AFTER = 2000;

const page = {
  who: undefined,
  nodes: undefined,
  list: [],
  deployment: undefined,
  halts: [],
  events: [],
  next: 0,
  rows: [],
  series: undefined,
  by: "state",
  only: undefined,
  search: "",
  heard: 0,
  painted: false,
  troubles: new Map(),
};

const table = new Table(byId("scroller"), byId("grid"), byId("rows"), nodeDialog);

let firstPainted;
const firstRows = new Promise((done) => { firstPainted = done; });

// ---- what is painted

const dirty = new Set();

// Has `what` painted with the next frame, however often it is asked for until then.
function later(what) {
  if (dirty.size === 0) {
    requestAnimationFrame(frame);
  }
  dirty.add(what);
}

function frame() {
  const now = new Set(dirty);
  dirty.clear();
  if (now.has(showOrders)) {
    showOrders();
  }
  if (now.has(showFleet)) {
    showFleet();
    // The rows first: a chart of ten thousand steps would keep them waiting.
    setTimeout(showChart);
  }
  if (page.rows.length > 0 && !page.painted) {
    page.painted = true;
    setTimeout(() => performance.mark("nodes-painted"));
    firstPainted();
  }
}

function filtered() {
  const words = page.search.toLowerCase().split(/\s+/).filter(Boolean);
  if (!page.only && words.length === 0) {
    return page.rows;
  }
  return page.rows.filter((row) => (!page.only || row.state === page.only) && has(row, words));
}

function showNodes() {
  const shown = filtered();
  table.show(shown);
  const all = count(page.rows.length, "node");
  say(byId("shown"), shown.length === page.rows.length ? all : `${shown.length.toLocaleString("en")} of ${all}`);
}

function choose(state) {
  page.only = page.only === state ? undefined : state;
  showChips(tally(page.rows, "state"), page.only, choose);
  showNodes();
}

function kinds() {
  if (page.by === "state") {
    return [...STATES].reverse().map((state) => ({ id: state.id, text: state.text, class: `c-${state.id}` }));
  }
  const versions = new Set(page.series.mesos.samples.flatMap((sample) => [...sample.counts.keys()]));
  const sorted = [...versions].sort((one, other) => one.localeCompare(other, "en", { numeric: true }));
  return sorted.map((id, place) => ({ id, text: id || "unknown", class: id ? `v-${place % 6}` : "v-none" }));
}

function showChart() {
  if (!page.series && page.nodes && page.next > 0) {
    page.series = told(page.deployment, page.events, page.rows, Date.now());
    sample();
  }
  if (page.series) {
    paint(byId("chart"), byId("legend"), page.series[page.by === "state" ? "state" : "mesos"].samples, kinds(), Date.now());
  }
}

function sample() {
  const now = Date.now();
  page.series?.state.add(now, tally(page.rows, "state"));
  page.series?.mesos.add(now, tally(page.rows, "mesos"));
}

// Takes in what is known of the nodes now.
function fleet() {
  if (page.nodes || page.deployment) {
    page.rows = rowsOf(page.nodes, page.deployment);
    sample();
    later(showFleet);
  }
}

function showFleet() {
  showChips(tally(page.rows, "state"), page.only, choose);
  showNodes();
}

function showOrders() {
  showDeployment(page.deployment, page.who, order);
  showHalts(page.halts, page.who, resume);
  const text = announcement(page.deployment, page.halts);
  say(byId("said"), text);
  document.title = page.deployment ? `${page.deployment.state.replaceAll("_", " ")}: ${title(page.deployment.change)}` : "dcos-bits: deployments";
}

// ---- what goes wrong

function masters() {
  const others = (page.nodes ?? []).filter((node) => node.role === "master" && node.url !== location.origin);
  return others.map((node) => node.url).filter((url) => /^https?:\/\//.test(url));
}

function describe(trouble) {
  switch (trouble.kind) {
    case "silent":
      return {
        text: `No answer from this master since ${page.heard ? clock(new Date(page.heard)) : "the page was opened"}.`,
        hints: [
          "If a deployment restarts this master, that is expected: the page goes on when it is back.",
          "If all masters are down: `dcos deploy --direct` finishes a deployment from a terminal.",
        ],
      };
    case "elsewhere":
      return { text: trouble.message, hints: trouble.hints };
    default:
      return { text: `${trouble.message[0].toUpperCase()}${trouble.message.slice(1)}.`, hints: trouble.hints };
  }
}

function showTroubles() {
  const found = new Map();
  for (const trouble of page.troubles.values()) {
    const line = describe(trouble);
    found.set(line.text, line);
  }
  const kinds = new Set([...page.troubles.values()].map((trouble) => trouble.kind));
  const lines = kinds.has("elsewhere") ? [...found.values()].slice(0, 1) : [...found.values()];
  showTrouble(lines, kinds.has("silent") || kinds.has("unable") ? masters() : []);
  if (lines.length === 0) {
    showLink("live", "live");
  } else {
    showLink("lost", kinds.has("silent") ? "no answer" : "in trouble");
  }
}

// Another master leads: the page goes there, unless somebody is in the middle of an order.
async function follow() {
  const who = await get("/deploy/whoami");
  if (who.leader && /^https?:\/\//.test(who.leader)) {
    setTimeout(() => isAsking() || location.assign(`${who.leader}/deploy/ui`), FOLLOW_AFTER);
    return new Trouble("elsewhere", `The master at ${who.leader} leads now: this page follows.`, ["If it can't be reached from here, open its address yourself."]);
  }
  return new Trouble("unable", who.reason || "no master is known to lead", ["the page goes on when one does"]);
}

// ---- what is asked

class Question {
  // `pause` is the least rest in milliseconds, `share` how many times as long as its answer took it rests.
  constructor(name, pause, share, ask) {
    Object.assign(this, { name, pause, share, ask, wakes: undefined });
  }

  async run() {
    for (;;) {
      const began = performance.now();
      try {
        await this.ask();
        page.heard = Date.now();
        page.troubles.delete(this.name);
      } catch (problem) {
        await this.#note(problem);
      }
      showTroubles();
      const took = performance.now() - began;
      const pause = Math.max(this.pause, this.share * took) * (document.hidden ? 5 : 1);
      await this.#rest(pause, Math.min(pause, this.share * took));
    }
  }

  async #note(problem) {
    let trouble = problem instanceof Trouble ? problem : new Trouble("refused", `this page failed: ${problem.message}`);
    if (trouble.kind === "elsewhere") {
      trouble = await follow().catch((other) => other);
    }
    page.troubles.set(this.name, trouble);
  }

  // Rests, and is woken no earlier than after `least`.
  async #rest(pause, least) {
    const wait = (time) => new Promise((done) => setTimeout(done, time));
    await wait(least);
    await Promise.race([wait(pause - least), new Promise((done) => { this.wakes = done; })]);
    this.wakes = undefined;
  }

  wake() {
    this.wakes?.();
  }
}

async function askWho() {
  page.who = await get("/deploy/whoami");
  if (!page.who.leads) {
    throw new Trouble("elsewhere", "another master leads");
  }
  showWho(page.who);
  later(showOrders);
}

async function askList() {
  page.list = (await get("/deploy/deployments")).deployments;
  page.deployment = page.list.find((one) => !isOver(one)) ?? page.list[0];
  showPast(page.list);
  if (!page.deployment) {
    firstPainted();
  }
  later(showOrders);
  fleet();
}

async function askDeployment() {
  if (!page.deployment || isOver(page.deployment)) {
    return;
  }
  const { id } = page.deployment;
  const fresh = await get(`/deploy/deployments/${encodeURIComponent(id)}`);
  if (page.deployment.id === id) {
    page.deployment = fresh;
    if (isOver(fresh)) {
      questions.list.wake();
      questions.nodes.wake();
    }
    later(showOrders);
    fleet();
  }
}

async function askHalts() {
  page.halts = (await get("/deploy/halt")).halts;
  later(showOrders);
}

async function askNodes() {
  page.nodes = (await get("/deploy/nodes")).nodes;
  fleet();
}

async function askEvents() {
  const { events, next } = await eventsAfter(page.next);
  const isFirst = page.next === 0;
  page.next = next;
  if (events.length === 0) {
    return;
  }
  page.events = [...page.events, ...events].slice(-2000);
  showEvents(events);
  if (!isFirst) {
    questions.deployment.wake();
    questions.halts.wake();
    if (events.some((event) => event.kind.startsWith("deployment-"))) {
      questions.list.wake();
      questions.nodes.wake();
    }
  }
}

const questions = {
  who: new Question("who", 20000, 10, askWho),
  list: new Question("list", 15000, 10, askList),
  deployment: new Question("deployment", 2000, 8, askDeployment),
  halts: new Question("halts", 5000, 10, askHalts),
  events: new Question("events", 1000, 8, askEvents),
  nodes: new Question("nodes", 10000, 20, askNodes),
};

// ---- what is ordered

function halt() {
  question({
    title: "Halt the cluster",
    text: "No further node is started, in any deployment, until an admin clears the halt. Nodes that are restarting finish.",
    what: "Why",
    isNeeded: true,
    yes: "Halt",
    isDangerous: true,
    act: async (reason) => {
      await post("/deploy/halt", { reason });
      questions.halts.wake();
      questions.deployment.wake();
    },
  });
}

function resume(standing) {
  question({
    title: `Clear halt ${standing.id}`,
    text: `It was given because: ${standing.reason}. Deployments go on unless another halt stands.`,
    what: "Why it may go on",
    yes: "Resume",
    act: async (note) => {
      page.halts = (await post("/deploy/resume", { halt_id: standing.id, note })).halts;
      later(showOrders);
      questions.deployment.wake();
    },
  });
}

const ORDERS = {
  pause: "No further node is started until somebody starts it again. Nodes that are restarting finish.",
  start: "Nodes are restarted, as its strategy says.",
  abort: "No further node is started, ever. Nodes that have the new set keep it.",
  rollback: "Every node that has the new set is restarted into its old one, in the opposite order.",
  retry: "The nodes that failed are tried again.",
};

function order(deployment, word) {
  question({
    title: `${word === "rollback" ? "Roll back" : `${word[0].toUpperCase()}${word.slice(1)}`}: ${title(deployment.change)} · ${deployment.id}`,
    text: ORDERS[word],
    yes: word === "rollback" ? "Roll back" : `${word[0].toUpperCase()}${word.slice(1)}`,
    isDangerous: word === "abort" || word === "rollback",
    act: async () => {
      page.deployment = await post(`/deploy/deployments/${encodeURIComponent(deployment.id)}/${word}`, {});
      later(showOrders);
    },
  });
}

// ---- the beginning

say(byId("host"), location.host);
byId("halt").addEventListener("click", halt);
byId("node-close").addEventListener("click", () => byId("node").close());
byId("search").addEventListener("input", (event) => {
  page.search = event.target.value;
  showNodes();
});
byId("fleet-by").addEventListener("change", (event) => {
  page.by = event.target.value;
  showChart();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) {
    Object.values(questions).forEach((one) => one.wake());
  }
});
setInterval(() => {
  if (!document.hidden) {
    showChart();
    const silence = Date.now() - page.heard;
    if (page.heard && page.troubles.size > 0) {
      showLink("lost", `no answer for ${span(silence)}`);
    }
  }
}, 5000);
const { nodes: slowest, ...others } = questions;
for (const one of Object.values(others)) {
  one.run();
}
// What a deployment says of its nodes is there at once, and painted first; the list of all asks every node.
Promise.race([firstRows, new Promise((done) => setTimeout(done, 500))]).then(() => slowest.run());
