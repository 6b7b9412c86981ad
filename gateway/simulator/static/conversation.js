/** A conversation on the page: recorded while it happens, saved as a file, played from one. */

import { hand } from "./api.js";
import { el, wait } from "./dom.js";

/** Replies to a text without a code wait for its second half, twenty seconds. */
const REPLY_WITHIN = 30_000;
const PACE = { slow: 1200, fast: 0 };
const SKIPPED = {
  now: "jam tidak bisa diubah di sini",
  later: "jam tidak bisa diubah di sini",
  written: "jam tidak bisa diubah di sini",
  is_state: "lihat laporan di samping HP",
  one_more_draft: "lihat laporan di samping HP",
  removed: "petugas tidak dicabut dari sini",
};
const OTHERWISE = "Jam dan isi basis data di sini bisa lain dari yang di berkas.";
const MARKS = {
  right: ["✓", "sesuai"],
  wrong: ["✗", "berbeda"],
  done: ["•", "dilakukan"],
  skipped: ["–", "dilewati"],
  running: ["…", "sedang berjalan"],
  note: ["", ""],
};

/** Writes down what the phones did, in order. */
export class Recorder {
  constructor() {
    this.people = [];
    this.events = [];
  }

  /** Give a phone its name in the file. */
  join(person) {
    const wanted = person.who ?? nameOf(person);
    let who = wanted;
    for (let place = 2; this.people.some((one) => one.who === who); place += 1) {
      who = `${wanted}${place}`;
    }
    this.people.push({ ...person, who });
    return who;
  }

  /** Note one thing that happened. */
  note(who, kind, more = {}) {
    const event = { who, kind, at: Date.now(), ...more };
    this.events.push(event);
    return event;
  }

  /** It did not happen after all. */
  drop(event) {
    this.events = this.events.filter((one) => one !== event);
  }

  /** Begin anew, with the phones that are there. */
  restart(present) {
    this.events = [];
    this.people = this.people.filter((one) => present.has(one.who));
  }

  /** Have it written as a file. */
  async file() {
    const took = new Set(this.events.map((event) => event.who));
    const people = this.people.filter((one) => took.has(one.who));
    return (await hand("conversation", { people, events: this.events })).text();
  }
}

function nameOf(person) {
  const slug = (text) =>
    text
      .normalize("NFKD")
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, "");
  if (person.kind === "officer") return slug(person.institution);
  if (person.kind === "reporter") {
    return `${slug(person.role)}.${slug(person.name.replace(/^\S+\s*/, "")) || "desa"}`;
  }
  return "warga";
}

/** Plays a file on phones of its own. */
export class Player {
  constructor({ list, summary, addPhone }) {
    Object.assign(this, { list, summary, addPhone });
    this.run = 0;
  }

  stop() {
    this.run += 1;
  }

  /** Read a file; gives its steps. */
  async read(text) {
    return (await (await hand("script", text, "text/plain; charset=utf-8")).json()).steps;
  }

  /** Play it; gives what it came to. */
  async play(text, pace) {
    this.run += 1;
    const run = this.run;
    const steps = await this.read(text);
    const roles = steps.filter((step) => ["reporter", "officer"].includes(step.kind));
    this.list.replaceChildren(...steps.map((step) => this.item(step)));
    const { numbers } = await (await hand("cast", { people: roles })).json();
    this.phones = new Map();
    this.names = new Map();
    for (const [who, number] of Object.entries(numbers)) {
      const ofThisPhone = roles.filter((role) => role.who === who);
      this.phones.set(who, this.addPhone(personOf(ofThisPhone, number)));
    }
    const count = { right: 0, wrong: 0, skipped: 0 };
    for (const step of steps) {
      if (run !== this.run) return this.sumUp(count, "Dihentikan. ");
      const isAct = !["comment", "reporter", "officer"].includes(step.kind);
      this.mark(step, "running");
      if (isAct && PACE[pace]) await wait(PACE[pace]);
      const [verdict, why] = await this.do(step);
      this.mark(step, verdict, why);
      if (verdict in count) count[verdict] += 1;
    }
    return this.sumUp(count, "Selesai. ");
  }

  sumUp(count, begin) {
    const text = `${begin}${count.right} sesuai, ${count.wrong} berbeda, ${count.skipped} dilewati.`;
    // What passed over the clock, or counts what others reported, can be another here.
    this.summary.textContent = count.wrong ? `${text} ${OTHERWISE}` : text;
    this.summary.dataset.wrong = String(count.wrong);
    return count;
  }

  item(step) {
    step.mark = el("span", { class: "mark", "aria-hidden": "true" });
    step.verdict = el("span", { class: "verdict" });
    step.why = el("span", { class: "why" });
    step.element = el(
      "li",
      { class: `step kind-${step.kind}`, value: String(step.number) },
      step.mark,
      el("code", {}, step.line),
      step.verdict,
      step.why,
    );
    return step.element;
  }

  mark(step, verdict, why = "") {
    const [sign, word] = MARKS[verdict];
    step.element.dataset.verdict = verdict;
    step.mark.textContent = sign;
    step.verdict.textContent = word;
    step.why.textContent = why;
    const { list } = this;
    const top = step.element.offsetTop;
    const below = top + step.element.offsetHeight - list.clientHeight;
    if (top < list.scrollTop || below > list.scrollTop) list.scrollTop = below + 8;
  }

  /** Do one step; gives a verdict and a reason. */
  async do(step) {
    if (step.kind in SKIPPED) return ["skipped", SKIPPED[step.kind]];
    if (["comment", "reporter", "officer"].includes(step.kind)) return ["note"];
    if (step.kind === "silence") return this.silence();
    const phone = this.phones.get(step.who);
    if (!phone) return ["wrong", "HP ini tidak disebut di awal berkas"];
    switch (step.kind) {
      case "says":
        return (await phone.text(this.filled(step.text))) ? ["done"] : ["wrong", "tidak diterima"];
      case "hears":
        return this.compare(step.text, await next(phone.heard, REPLY_WITHIN));
      case "dials":
        await phone.dial(step.code);
        return ["done"];
      case "keys":
        await phone.key(this.filled(step.key));
        return ["done"];
      case "again":
        await phone.again();
        return ["done"];
      case "drops":
        phone.dropOut();
        return ["done"];
      case "sees":
        return this.seen(step, await next(phone.screens, 0));
      default:
        await phone.end();
        return ["done"];
    }
  }

  seen(step, screen) {
    if (!screen) return ["wrong", "tidak ada layar"];
    if (screen.ends !== step.ends) {
      return ["wrong", screen.ends ? `sudah berakhir: ${screen.text}` : `belum berakhir: ${screen.text}`];
    }
    return this.compare(step.text, screen.text);
  }

  compare(expected, text) {
    if (text === undefined) return ["wrong", "tidak ada SMS"];
    const found = pattern(expected, this.names).exec(text);
    if (!found) return ["wrong", `yang datang: ${text}`];
    for (const [name, number] of Object.entries(found.groups ?? {})) this.names.set(name, number);
    return ["right"];
  }

  silence() {
    const left = [...this.phones.values()].flatMap((phone) => [
      ...phone.heard,
      ...phone.screens.map((screen) => screen.text),
    ]);
    return left.length ? ["wrong", `masih ada: ${left.join(" | ")}`] : ["right"];
  }

  filled(text) {
    return text.replace(/<(\w+)>/g, (whole, name) => this.names.get(name) ?? whole);
  }
}

/** Make one person of the lines about a phone: who reports may be an officer too. */
function personOf(roles, number) {
  const office = roles.find((role) => role.kind === "officer");
  const villages = roles.flatMap((role) => role.villages ?? []);
  const [{ who }] = roles;
  const kind = office ? "officer" : villages.length ? "reporter" : "stranger";
  const place = office ? [`${office.institution} ${office.area}`, ...villages] : villages;
  return {
    kind,
    who,
    number,
    name: who,
    place: ["Pemeran", ...place].join(" \u00b7 "),
    role: office?.role ?? "kades",
    institution: office?.institution,
    area: office?.area,
    pin: office?.pin,
    villages,
  };
}

/** What an expected text must look like: a name stands for the same digits everywhere. */
function pattern(expected, names) {
  const known = new Set();
  const parts = expected.split(/<(\w+)>/);
  const source = parts.map((part, place) => {
    if (place % 2 === 0) return part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    if (names.has(part)) return names.get(part);
    if (known.has(part)) return `\\k<${part}>`;
    known.add(part);
    return `(?<${part}>\\d{4,8})`;
  });
  return new RegExp(`^${source.join("")}$`, "s");
}

/** Take the first of what came, or wait for it. */
async function next(queue, within) {
  const until = Date.now() + within;
  while (!queue.length && Date.now() < until) await wait(60);
  return queue.shift();
}
