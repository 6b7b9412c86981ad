/** One USSD session of a phone: what was keyed, and the screens that come back. */

import { endUssd, sendUssd, unique } from "./api.js";

const CODE = /^(\*\d+(?:\*\d+)?)((?:\*[^*#]*)*)#$/;

/** Say whether this is dialled and not sent. */
export function isCode(text) {
  return /^\*[\d*]+#$/.test(text.trim());
}

/** A session from the dial to its end. */
export class Session {
  constructor(number, dialled) {
    const [, code, path] = CODE.exec(dialled.trim());
    this.form = {
      sessionId: unique("ATUid_sim"),
      phoneNumber: number,
      serviceCode: `${code}#`,
    };
    this.inputs = path ? path.slice(1).split("*") : [];
    this.isOver = false;
  }

  /** Dial: ask for the first screen. */
  begin() {
    return this.ask();
  }

  /** Key something in. */
  key(input) {
    this.inputs.push(input);
    return this.ask();
  }

  async ask() {
    const body = await sendUssd(this.form, this.inputs);
    const ends = !body.startsWith("CON ");
    const text = body.replace(/^(CON|END) /, "");
    if (ends && !this.isOver) {
      this.isOver = true;
      await this.tell("Success");
    }
    return { text, ends };
  }

  /** Hang up; the provider tells that it is over. */
  async hangUp() {
    if (this.isOver) return;
    this.isOver = true;
    await this.tell("Incomplete");
  }

  /** Drop out, and nobody tells. */
  drop() {
    this.isOver = true;
  }

  async tell(status) {
    try {
      await endUssd(this.form, status, this.inputs);
    } catch {
      // The notice can get lost; sessions end by themselves.
    }
  }
}
