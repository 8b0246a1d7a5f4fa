// Asking the master. Whatever goes wrong becomes a `Trouble` that says what to do about it.

const PATIENCE = 20000;

export class Trouble extends Error {
  constructor(kind, detail, hints = []) {
    super(detail);
    this.kind = kind;
    this.hints = hints;
  }
}

async function problem(response) {
  let told = {};
  try {
    told = await response.json();
  } catch {
    // Mesos itself and proxies answer in their own words, which are not for us to show.
  }
  const hints = Array.isArray(told.hints) ? told.hints.map(String) : [];
  const detail = typeof told.detail === "string" ? told.detail : `the master answered ${response.status}`;
  switch (response.status) {
    case 401:
      return new Trouble("unknown", "this master does not know who you are", ["reload the page, and sign in"]);
    case 403:
      return new Trouble("forbidden", detail, hints);
    case 503:
      return new Trouble("unable", detail, hints);
    default:
      return new Trouble("refused", detail, hints);
  }
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(new URL(path, location.origin), {
      cache: "no-store",
      credentials: "same-origin",
      redirect: "manual",
      signal: AbortSignal.timeout(PATIENCE),
      ...options,
    });
  } catch {
    throw new Trouble("silent", "this master does not answer");
  }
  // Where to is kept from pages, so that another question finds it out.
  if (response.type === "opaqueredirect") {
    throw new Trouble("elsewhere", "another master leads");
  }
  if (!response.ok) {
    throw await problem(response);
  }
  try {
    return await response.json();
  } catch {
    throw new Trouble("silent", "the answer broke off");
  }
}

export function get(path) {
  return ask(path, {});
}

export function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return ask(path, { method: "POST", headers, body: JSON.stringify(body) });
}

// Every event after `after`, page by page. What is older than the master remembers is gone.
export async function eventsAfter(after) {
  const found = [];
  for (let next = after; ; ) {
    const page = await get(`/deploy/events?after=${next}`);
    found.push(...page.events);
    if (page.events.length === 0 || page.next === next) {
      return { events: found, next: page.next };
    }
    next = page.next;
  }
}
