/** What the page asks of the gateway: its own questions, and the webhooks that providers post to. */

import { wait } from "./dom.js";

const page = document.querySelector("main").dataset;
export const USSD_CODE = page.ussdCode;
export const SHORT_CODE = page.shortCode;

/** The gateway said no; the message is for people. */
export class Refused extends Error {
  constructor(status, reason) {
    super(reason);
    this.status = status;
  }
}

async function answered(response) {
  if (response.ok) return response;
  let reason = "Gateway tidak dapat menjawab. Coba sebentar lagi.";
  try {
    const said = await response.json();
    reason = said.reason || reason;
  } catch {
    // Its answers to a provider have no body.
  }
  throw new Refused(response.status, reason);
}

async function asked(url, options) {
  let response;
  try {
    response = await fetch(url, options);
  } catch {
    throw new Refused(0, "Gateway tidak menjawab. Apakah masih berjalan?");
  }
  return answered(response);
}

/** Ask for JSON. */
export async function ask(path, parameters = {}) {
  const response = await asked(`/simulator/${path}?${new URLSearchParams(parameters)}`);
  return response.json();
}

/** Ask for a text. */
export async function askText(path) {
  return (await asked(`/simulator/${path}`)).text();
}

/** Hand something to the simulator's own side; gives the response. */
export function hand(path, body, type = "application/json") {
  return asked(`/simulator/${path}`, {
    method: "POST",
    headers: { "Content-Type": type, "X-Timpora": "simulator" },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

/** Post to a webhook as Africa's Talking does; gives the body. */
async function post(kind, form) {
  const response = await asked(`${page.webhook}/${kind}`, {
    method: "POST",
    body: new URLSearchParams(form),
  });
  return response.text();
}

/** A moment as they write it, in UTC. */
function utc(moment) {
  return moment.toISOString().slice(0, 19).replace("T", " ");
}

/** Something that no other message or session has. */
export function unique(prefix) {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return prefix + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const lastSent = new Map();

/** A phone sends a text; never two in one second, or a network would take them for the same. */
export async function sendSms(from, text) {
  while (lastSent.get(from) === utc(new Date())) await wait(50);
  const date = utc(new Date());
  lastSent.set(from, date);
  return post("sms", { from, to: SHORT_CODE, id: unique("sim-"), date, text, networkCode: "99999" });
}

/** One request of a USSD session: all that was keyed so far. */
export function sendUssd(session, inputs) {
  return post("ussd", { ...session, networkCode: "99999", text: inputs.join("*") });
}

/** A session is over. */
export function endUssd(session, status, inputs) {
  return post("ussd/end", {
    ...session,
    date: utc(new Date()),
    networkCode: "99999",
    status,
    hopsCount: String(inputs.length),
  });
}
