/** One phone on the page: its screen, its keys, and what it sends, gets and dials. */

import { USSD_CODE, sendSms } from "./api.js";
import { clock, el, freshId, wait } from "./dom.js";
import { KEYS, MultiTap } from "./keypad.js";
import { counted } from "./segments.js";
import { Panel } from "./timeline.js";
import { Session, isCode } from "./ussd.js";

/** What the two keys below the screen do, by what is on the screen. */
const SOFT = {
  home: ["Pesan", "Tulis"],
  dial: ["Panggil", "Hapus"],
  write: ["Kirim", "Hapus"],
  thread: ["Tulis", "Kembali"],
  ussd: ["Kirim", "Tutup"],
  over: ["OK", ""],
  busy: ["", "Tutup"],
  notice: ["OK", ""],
};
const RECEIVED = new Set(["sent", "delivered"]);

/** A phone and the desk it lies on. */
export class Phone {
  constructor(person, { recorder, onActivity, onRemove }) {
    Object.assign(this, { person, recorder, onActivity, onRemove });
    this.who = recorder.join(person);
    this.incoming = new Map();
    this.outgoing = new Map();
    this.heard = [];
    this.screens = [];
    this.received = new Set();
    this.afterIn = 0;
    this.afterOut = 0;
    this.unread = 0;
    this.isFresh = true;
    this.looked = new Promise((done) => {
      this.wasLookedAt = done;
    });
    this.mode = "home";
    this.dialled = "";
    this.keyed = "";
    this.lastDialled = USSD_CODE;
    this.session = null;
    this.tap = new MultiTap(() => this.showScreen());
    this.build();
    this.showScreen();
  }

  // --- building ----------------------------------------------------------------------------------

  build() {
    const title = freshId("phone");
    const { name, place, number, pin } = this.person;
    this.live = el("p", { class: "sr-only", role: "status", "aria-live": "polite" });
    this.panel = new Panel();
    this.element = el(
      "section",
      { class: "desk", "aria-labelledby": title, "data-who": this.who },
      el(
        "header",
        { class: "desk-head" },
        el(
          "div",
          {},
          el("h2", { id: title }, name),
          el(
            "p",
            { class: "place" },
            [place, number].filter(Boolean).join(" · "),
            pin ? el("span", { class: "pin" }, `PIN ${pin}`) : null,
          ),
        ),
        el("button", {
          type: "button",
          class: "quiet",
          "aria-label": `Simpan HP ${name}, tidak dipakai lagi`,
          onclick: () => this.onRemove(this),
        }, "Tutup HP"),
      ),
      this.handset(),
      el("div", { class: "beside" }, this.plainKeyboard(), this.panel.element),
      this.live,
    );
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.preventDefault();
        this.end();
      }
    });
  }

  handset() {
    this.bar = el("div", { class: "bar", "aria-hidden": "true" });
    this.view = el("div", { class: "view", tabindex: "0", role: "group", "aria-label": "Layar" });
    this.softLabels = el("div", { class: "soft-labels", "aria-hidden": "true" });
    return el(
      "div",
      { class: "handset" },
      el("div", { class: "earpiece", "aria-hidden": "true" }),
      el("div", { class: "glass" }, this.bar, this.view, this.softLabels),
      this.controls(),
      this.keypad(),
    );
  }

  controls() {
    const key = (cls, name, act, text = "") =>
      el("button", { type: "button", class: `control ${cls}`, "aria-label": name, onclick: act }, text);
    this.softLeft = key("soft-left", "", () => this.soft(0));
    this.softRight = key("soft-right", "", () => this.soft(1));
    return el(
      "div",
      { class: "controls", role: "group", "aria-label": "Tombol HP" },
      this.softLeft,
      key("up", "Gulir ke atas", () => this.scroll(-1), "▲"),
      this.softRight,
      key("call", "Panggil", () => this.call()),
      key("down", "Gulir ke bawah", () => this.scroll(1), "▼"),
      key("end", "Akhiri", () => this.end()),
    );
  }

  keypad() {
    this.keys = KEYS.map(({ key, small, name }) =>
      el(
        "button",
        {
          type: "button",
          class: "key",
          "data-key": key,
          "aria-label": name,
          tabindex: key === "1" ? "0" : "-1",
          onclick: () => this.press(key),
        },
        el("span", { class: "digit", "aria-hidden": "true" }, key),
        el("span", { class: "letters", "aria-hidden": "true" }, small),
      ),
    );
    return el(
      "div",
      {
        class: "keypad",
        role: "group",
        "aria-label": "Tombol angka; panah untuk berpindah, angka untuk menekan",
        onkeydown: (event) => this.keypadKey(event),
      },
      ...this.keys,
    );
  }

  /** The keypad is one stop of the Tab key: arrows move in it, digits press it. */
  keypadKey(event) {
    const place = this.keys.indexOf(document.activeElement);
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 3, ArrowUp: -3 }[event.key];
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (step !== undefined) {
      const next = this.keys[place + step];
      if (next) this.focusKey(next);
    } else if (/^[0-9*#]$/.test(event.key)) {
      this.focusKey(this.keys.find((key) => key.dataset.key === event.key));
      this.press(event.key);
    } else if (event.key === "Backspace") {
      this.erase();
    } else if (event.key === "Enter" && ["write", "ussd", "dial"].includes(this.mode)) {
      this.soft(0);
    } else {
      return;
    }
    event.preventDefault();
  }

  focusKey(next) {
    for (const key of this.keys) key.tabIndex = key === next ? 0 : -1;
    next.focus();
  }

  plainKeyboard() {
    const id = freshId("plain");
    const help = freshId("count");
    this.plainLabel = el("label", { for: id });
    this.plain = el("textarea", {
      id,
      rows: "2",
      maxlength: "1600",
      autocomplete: "off",
      spellcheck: "false",
      "aria-describedby": help,
      oninput: () => this.count(),
      onkeydown: (event) => {
        if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
          event.preventDefault();
          this.submit();
        }
      },
    });
    this.counter = el("span", { id: help, class: "counter" });
    this.send = el("button", { type: "submit", class: "primary" });
    return el(
      "form",
      {
        class: "plain",
        onsubmit: (event) => {
          event.preventDefault();
          this.submit();
        },
      },
      this.plainLabel,
      this.plain,
      el("div", { class: "plain-foot" }, this.counter, this.send),
    );
  }

  // --- the screen --------------------------------------------------------------------------------

  showScreen() {
    const signal = el("span", { class: "signal" }, el("i"), el("i"), el("i"), el("i"));
    const middle = this.mode === "write" ? `${this.tap.mode} · ${counted(this.tap.text)}` : "TIMPORA";
    this.bar.replaceChildren(signal, el("span", {}, middle), el("span", {}, clock(new Date())));
    this.view.replaceChildren(...this.content());
    this.view.className = `view on-${this.mode}`;
    if (["thread", "write"].includes(this.mode)) this.view.scrollTop = this.view.scrollHeight;
    else this.view.scrollTop = 0;
    const [left, right] = SOFT[this.mode];
    this.softLabels.replaceChildren(el("span", {}, left), el("span", {}, right));
    this.softLeft.setAttribute("aria-label", left ? `Tombol kiri: ${left}` : "Tombol kiri");
    this.softRight.setAttribute("aria-label", right ? `Tombol kanan: ${right}` : "Tombol kanan");
    const answers = this.isInSession();
    this.plainLabel.textContent = answers
      ? "Jawab menu di layar"
      : `Tulis SMS atau ${USSD_CODE}`;
    this.send.textContent = answers ? "Jawab" : "Kirim";
    this.count();
  }

  content() {
    switch (this.mode) {
      case "home":
        return [
          el("p", { class: "time" }, clock(new Date())),
          el("p", { class: "owner" }, this.person.name),
          el(
            "p",
            { class: "news" },
            this.unread ? `${this.unread} SMS baru` : "Tidak ada SMS baru",
          ),
        ];
      case "dial":
        return [el("p", { class: "hint" }, "Nomor:"), this.typed(this.dialled, "big")];
      case "write":
        return [el("p", { class: "hint" }, "SMS ke 22345"), this.typed(this.tap.text)];
      case "thread":
        return this.thread();
      case "busy":
        return [el("p", { class: "hint" }, this.busyText)];
      case "notice":
        return [el("p", { class: "screen-text" }, this.notice)];
      default:
        return [
          el("p", { class: "screen-text" }, this.shown.text),
          this.mode === "ussd" ? this.typed(this.keyed, "answer") : null,
        ].filter(Boolean);
    }
  }

  typed(text, cls = "") {
    const pending = this.mode === "write" && this.tap.pending;
    const last = pending ? text.slice(-1) : "";
    return el(
      "p",
      { class: `typed ${cls}` },
      pending ? text.slice(0, -1) : text,
      last ? el("mark", {}, last === " " ? "␣" : last) : el("span", { class: "cursor" }),
    );
  }

  thread() {
    const sent = [...this.incoming.values()].map((row) => ({ ...row, mine: true }));
    const got = [...this.outgoing.values()].filter((row) => this.received.has(row.id));
    const all = [...sent, ...got].sort((a, b) => new Date(a.at) - new Date(b.at));
    if (!all.length) return [el("p", { class: "hint" }, "Belum ada SMS.")];
    return all.map((row) =>
      el(
        "p",
        { class: `bubble ${row.mine ? "mine" : "theirs"}` },
        el("span", { class: "sr-only" }, row.mine ? "Dikirim: " : "Diterima: "),
        row.text,
        el("span", { class: "when" }, clock(row.at)),
      ),
    );
  }

  count() {
    this.counter.textContent = this.isInSession()
      ? "USSD · gratis"
      : isCode(this.plain.value)
        ? "kode USSD"
        : counted(this.plain.value);
  }

  announce(text) {
    this.live.textContent = text;
  }

  go(mode) {
    this.mode = mode;
    this.showScreen();
  }

  say(notice) {
    this.notice = notice;
    this.announce(notice);
    this.go("notice");
  }

  isInSession() {
    return this.session !== null && !this.session.isOver;
  }

  // --- the keys ----------------------------------------------------------------------------------

  press(key) {
    if (["home", "dial"].includes(this.mode)) {
      this.dialled = (this.mode === "home" ? "" : this.dialled) + key;
      this.go("dial");
    } else if (this.mode === "write") {
      this.tap.press(key);
    } else if (this.mode === "ussd") {
      this.keyed += key;
      this.showScreen();
    } else if (this.mode === "thread") {
      this.write();
      this.tap.press(key);
    }
  }

  erase() {
    if (this.mode === "write") {
      if (this.tap.text) this.tap.erase();
      else this.go("home");
    } else if (this.mode === "dial") {
      this.dialled = this.dialled.slice(0, -1);
      this.go(this.dialled ? "dial" : "home");
    } else if (this.mode === "ussd") {
      this.keyed = this.keyed.slice(0, -1);
      this.showScreen();
    }
  }

  soft(side) {
    const acts = {
      home: [() => this.read(), () => this.write()],
      dial: [() => this.dial(this.dialled), () => this.erase()],
      write: [() => this.sendTyped(), () => this.erase()],
      thread: [() => this.write(), () => this.go("home")],
      ussd: [() => this.key(this.keyed), () => this.end()],
      over: [() => this.end()],
      busy: [undefined, () => this.end()],
      notice: [() => this.go("home")],
    };
    acts[this.mode][side]?.();
  }

  call() {
    if (this.mode === "home") {
      this.dialled = this.lastDialled;
      this.go("dial");
    } else if (this.mode === "dial") {
      this.dial(this.dialled);
    } else if (["write", "ussd"].includes(this.mode)) {
      this.soft(0);
    }
  }

  async end() {
    const { session } = this;
    const wasOpen = this.isInSession();
    this.session = null;
    this.go("home");
    if (wasOpen) {
      this.recorder.note(this.who, "hangs_up");
      await session.hangUp();
      this.onActivity();
    }
  }

  scroll(direction) {
    this.view.scrollBy({ top: direction * 60 });
  }

  read() {
    this.unread = 0;
    this.go("thread");
  }

  write() {
    this.tap.clear();
    this.go("write");
  }

  // --- sending and dialling ----------------------------------------------------------------------

  async submit() {
    const text = this.plain.value;
    if (!text.trim() || this.mode === "busy") return;
    this.plain.value = "";
    if (this.isInSession()) await this.key(text.trim());
    else if (isCode(text)) await this.dial(text.trim());
    else await this.text(text.trim());
  }

  async sendTyped() {
    this.tap.settle();
    const text = this.tap.text.trim();
    if (!text) return;
    await this.text(text);
    this.tap.clear();
  }

  /** Send a text; gives false when the gateway did not take it. */
  async text(text) {
    this.busyText = "Mengirim SMS …";
    this.go("busy");
    // What came before the first look counts as old, and the answer to this must not.
    await Promise.race([this.looked, wait(3000)]);
    const noted = this.recorder.note(this.who, "says", { text });
    try {
      await sendSms(this.person.number, text);
    } catch (error) {
      this.recorder.drop(noted);
      this.say(`SMS tidak terkirim. ${error.message}`);
      return false;
    }
    this.announce("SMS terkirim.");
    this.read();
    this.onActivity();
    return true;
  }

  async dial(code) {
    if (!isCode(code)) {
      this.say("Nomor ini tidak dapat dipanggil dari sini. Coba kode seperti *384*22345#.");
      return;
    }
    this.lastDialled = code;
    try {
      this.session = new Session(this.person.number, code);
    } catch {
      this.say("Kode itu tidak lengkap.");
      return;
    }
    this.recorder.note(this.who, "dials", { text: code });
    await this.ask(() => this.session.begin());
  }

  async key(input) {
    if (!this.isInSession()) return;
    this.recorder.note(this.who, "keys", { text: input });
    await this.ask(() => this.session.key(input));
  }

  /** The provider sends the last request once more. */
  async again() {
    if (this.session) await this.ask(() => this.session.ask());
  }

  /** The connection breaks, and nobody tells the gateway. */
  dropOut() {
    this.session?.drop();
    this.session = null;
    this.go("home");
  }

  async ask(act) {
    const { session } = this;
    this.keyed = "";
    this.busyText = "Memproses …";
    this.go("busy");
    try {
      const screen = await act();
      if (session !== this.session) return; // hung up meanwhile
      this.show(screen);
    } catch (error) {
      this.session?.drop();
      this.say(`Sambungan terputus. ${error.message}`);
    }
    this.onActivity();
  }

  show(screen) {
    this.shown = screen;
    this.screens.push(screen);
    this.recorder.note(this.who, "sees", screen);
    this.announce(`Layar: ${screen.text}`);
    this.go(screen.ends ? "over" : "ussd");
  }

  // --- what comes in -----------------------------------------------------------------------------

  /** Take what the gateway tells of this phone; says whether something is under way. */
  take(told) {
    for (const row of told.in) this.incoming.set(row.id, row);
    for (const row of told.out) this.outgoing.set(row.id, row);
    const fresh = told.out.filter((row) => RECEIVED.has(row.status) && !this.received.has(row.id));
    for (const row of fresh) this.receive(row);
    this.isFresh = false;
    this.wasLookedAt();
    this.afterIn = settledUntil(this.incoming, this.afterIn);
    this.afterOut = settledUntil(this.outgoing, this.afterOut);
    this.panel.show([...this.incoming.values()], [...this.outgoing.values()], told);
    const changed = JSON.stringify([told.in.length, [...this.received].length]);
    if (changed !== this.lastShown && this.mode === "thread") this.showScreen();
    this.lastShown = changed;
    return [...told.in, ...told.out].some((row) => !row.settled);
  }

  receive(row) {
    this.received.add(row.id);
    if (this.isFresh) return; // from before the phone was taken up
    this.heard.push(row.text);
    this.recorder.note(this.who, "hears", { text: row.text });
    this.announce(`SMS dari TIMPORA: ${row.text}`);
    if (this.mode === "thread") this.showScreen();
    else {
      this.unread += 1;
      if (this.mode === "home") this.read();
    }
  }
}

/** The row before the first one to which something may still happen. */
function settledUntil(rows, before) {
  const later = [...rows.values()].filter((row) => row.id > before).sort((a, b) => a.id - b.id);
  let until = before;
  for (const row of later) {
    if (!row.settled) break;
    until = row.id;
  }
  return until;
}
