/** What stands beside a phone: how its texts were understood, its reports, what went out. */

import { clock, el, freshId } from "./dom.js";

const OUTCOMES = {
  report: ["laporan", "good"],
  draft: ["belum lengkap", "wait"],
  answer: ["jawaban", "good"],
  joined: ["digabung dengan SMS sebelumnya", "good"],
  command: ["perintah", "good"],
  question: ["ditanya kembali", "wait"],
  rejected: ["tidak diterima", "bad"],
  chat: ["pesan tanpa kode", "wait"],
  again: ["kiriman yang sama", "wait"],
  menu: ["menu petugas", "good"],
  operator: ["pesan operator", "wait"],
};
const STATUSES = {
  queued: ["antre", "wait"],
  sending: ["sedang dikirim", "wait"],
  sent: ["dikirim", "good"],
  delivered: ["sampai", "good"],
  failed: ["gagal", "bad"],
  unconfirmed: ["belum pasti", "wait"],
  expired: ["kedaluwarsa", "bad"],
};
const LANES = {
  urgent: "mendesak",
  reply: "balasan",
  follow_up: "susulan",
  bulk: "massal",
};
const PLACES = {
  login: "PIN",
  login_by_sms: "kode sekali pakai",
  resume: "terputus tadi",
  main: "menu utama",
  find: "cari nomor",
  report: "laporan",
  latest: "laporan terbaru",
  villages: "desa",
  places: "pilih desa",
  village: "satu desa",
  days: "berapa hari",
  silent: "desa diam",
  month: "bulan",
  counts: "jumlah",
  waiting: "perlu dicek",
  waiting_some: "perlu dicek",
  waiting_one: "satu yang perlu dicek",
  new_pin: "PIN baru",
  pin_again: "ulangi PIN",
  pin_changed: "PIN diganti",
  locked: "terkunci",
  locked_officers: "buka kunci",
};
const MOST = 8;

/** The panel; it is drawn anew only when something is new. */
export class Panel {
  constructor() {
    this.opened = new Set();
    this.understood = section("Cara SMS dipahami", 1, "SMS sebelumnya");
    this.reports = section("Laporan di basis data", 1, "Laporan sebelumnya");
    this.sent = section("Ke penyedia", 1, "Balasan sebelumnya");
    this.dialogue = el("p", { class: "dialogue", hidden: true });
    this.element = el(
      "div",
      { class: "panel", tabindex: "0", role: "group", "aria-label": "Di balik layar" },
      this.dialogue,
      this.understood.element,
      this.reports.element,
      this.sent.element,
    );
    this.show([], [], { reports: [], dialogue: null });
  }

  show(incoming, outgoing, { reports, dialogue }) {
    const drawn = JSON.stringify([incoming, outgoing, reports, dialogue]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    const latest = (rows) => rows.sort((a, b) => b.id - a.id).slice(0, MOST);
    this.understood.fill(
      latest(incoming).map((row, place) => this.message(row, place === 0)),
      "SMS dari HP ini diurai di sini, kata demi kata.",
    );
    this.reports.fill(reports.map(report), "HP ini belum punya laporan.");
    this.sent.fill(latest(outgoing).map(outgoingRow), "Belum ada balasan.");
    this.showDialogue(dialogue);
  }

  showDialogue(dialogue) {
    this.dialogue.hidden = !dialogue;
    if (!dialogue) return;
    const way = [...dialogue.way, dialogue.at].map((name) => PLACES[name] ?? name);
    this.dialogue.replaceChildren(
      el("b", {}, `Menu petugas lewat ${dialogue.channel}: `),
      way.join(" › "),
      el("span", { class: "meta" }, `${dialogue.steps} isian, sejak ${clock(dialogue.started_at)}`),
    );
  }

  message(row, isLatest) {
    const name = `json-${row.id}`;
    const json = el(
      "details",
      { open: this.opened.has(name) },
      el("summary", {}, "JSON"),
      el("pre", { tabindex: "0" }, JSON.stringify(row.items, null, 1)),
    );
    json.addEventListener("toggle", () => {
      if (json.open) this.opened.add(name);
      else this.opened.delete(name);
    });
    return el(
      "li",
      { class: isLatest ? "card latest" : "card" },
      el("p", { class: "meta" }, outcome(row), `${clock(row.at)} · ${segments(row)}`),
      words(row),
      json,
    );
  }
}

/** A part of the panel: the newest items, and the older ones folded away. */
function section(title, most, older) {
  const id = freshId("section");
  const list = el("ul", { class: "list" });
  const rest = el("ul", { class: "list" });
  const summary = el("summary");
  const fold = el("details", { class: "older" }, summary, rest);
  const empty = el("p", { class: "empty" });
  const heading = el("h3", { id }, title);
  const element = el("section", { "aria-labelledby": id }, heading, empty, list, fold);
  return {
    element,
    fill(items, without) {
      list.replaceChildren(...items.slice(0, most));
      rest.replaceChildren(...items.slice(most));
      list.hidden = !items.length;
      fold.hidden = items.length <= most;
      summary.textContent = `${older} (${items.length - most})`;
      empty.hidden = Boolean(items.length);
      empty.textContent = without;
    },
  };
}

function badge([text, tone]) {
  return el("span", { class: `badge ${tone}` }, text);
}

function segments({ segments: count }) {
  return `${count} segmen`;
}

function outcome(row) {
  if (row.set_aside) return badge(["disisihkan", "bad"]);
  if (!row.settled) return badge([row.waits_until ? "menunggu sambungannya" : "diproses", "wait"]);
  return badge(OUTCOMES[row.outcome] ?? [row.outcome, "wait"]);
}

function words(row) {
  if (!row.words.length) return el("p", { class: "empty" }, "(tanpa kata)");
  return el(
    "ol",
    { class: "words" },
    ...row.words.map(({ text, became }) =>
      el(
        "li",
        { class: became === "kode" ? "is-code" : became === "catatan" ? "is-note" : "" },
        el("span", { class: "word" }, text),
        el("span", { class: "sr-only" }, ": "),
        el("span", { class: "became" }, became),
      ),
    ),
  );
}

function report(one) {
  const tone = { mendesak: "bad", sedang: "wait" }[one.urgency] ?? "plain";
  const state = { draft: "wait", invalid: "bad", duplicate: "wait" }[one.state] ?? "good";
  const rows = one.fields.map(({ label, value }) => pair(label, value));
  if (one.note) rows.push(pair("catatan", one.note));
  if (one.missing.length) rows.push(pair("kurang", one.missing.join(", ")));
  return el(
    "li",
    { class: "card" },
    el(
      "p",
      { class: "report-head" },
      el("b", {}, `${one.code} ${one.number ? `No ${one.number}` : "(tanpa nomor)"}`),
      badge([one.state_label, state]),
      badge([one.urgency_label, tone]),
    ),
    el("dl", {}, ...rows),
    el(
      "p",
      { class: "meta" },
      [one.village && `Ds ${one.village}`, one.verified ? "pelapor terdaftar" : "pelapor belum terdaftar"]
        .filter(Boolean)
        .join(" · "),
    ),
  );
}

function pair(label, value) {
  return el("div", {}, el("dt", {}, label), el("dd", {}, value));
}

function outgoingRow(row) {
  const facts = [
    segments(row),
    `lajur ${LANES[row.lane] ?? row.lane}`,
    `saluran ${row.channel}`,
    `percobaan ${row.attempts}`,
    row.provider_id,
  ];
  return el(
    "li",
    { class: "card" },
    el(
      "p",
      { class: "meta" },
      badge(STATUSES[row.status] ?? [row.status, "wait"]),
      clock(row.at),
    ),
    el("p", { class: "out-text" }, row.text),
    el("p", { class: "meta facts" }, facts.filter(Boolean).join(" · ")),
    row.error ? el("p", { class: "meta" }, row.error) : null,
  );
}
