/** Multi-tap: what the keys of a feature phone type. Knows no page. */

export const KEYS = [
  { key: "1", letters: ".,?!'-1", small: ". , ?", name: "1 tanda baca" },
  { key: "2", letters: "abc2", small: "abc", name: "2 a b c" },
  { key: "3", letters: "def3", small: "def", name: "3 d e f" },
  { key: "4", letters: "ghi4", small: "ghi", name: "4 g h i" },
  { key: "5", letters: "jkl5", small: "jkl", name: "5 j k l" },
  { key: "6", letters: "mno6", small: "mno", name: "6 m n o" },
  { key: "7", letters: "pqrs7", small: "pqrs", name: "7 p q r s" },
  { key: "8", letters: "tuv8", small: "tuv", name: "8 t u v" },
  { key: "9", letters: "wxyz9", small: "wxyz", name: "9 w x y z" },
  { key: "*", letters: "#*/-:;@+()'\"&%=", small: "simbol", name: "bintang, simbol" },
  { key: "0", letters: " 0", small: "spasi", name: "0 spasi" },
  { key: "#", letters: "", small: "Abc", name: "pagar, ganti huruf" },
];
const LETTERS = new Map(KEYS.map(({ key, letters }) => [key, letters]));
export const MODES = ["Abc", "ABC", "123"];
/** After so long without a key the letter stands. */
export const PAUSE = 900;
/** Where a sentence begins, and with it a capital. */
const BEGINS = /(^|[.?!]\s+|\n)$/;

/** A text that is typed with the keys. */
export class MultiTap {
  constructor(changed, pause = PAUSE) {
    this.changed = changed;
    this.pause = pause;
    this.clear();
  }

  /** Begin anew. */
  clear() {
    this.settle();
    this.text = "";
    this.mode = MODES[0];
  }

  /** Let the letter that is being chosen stand. */
  settle() {
    clearTimeout(this.timer);
    this.pending = null;
  }

  /** Take a key. */
  press(key) {
    if (key === "#") {
      this.settle();
      this.mode = MODES[(MODES.indexOf(this.mode) + 1) % MODES.length];
    } else if (this.mode === "123" && key !== "*") {
      this.settle();
      this.text += key;
    } else {
      this.cycle(key);
    }
    this.changed();
  }

  /** Begin a letter, or go on to the next one of the same key. */
  cycle(key) {
    const letters = LETTERS.get(key);
    if (this.pending?.key === key) {
      this.pending.place = (this.pending.place + 1) % letters.length;
      this.text = this.text.slice(0, -1);
    } else {
      this.settle();
      this.pending = { key, place: 0 };
    }
    clearTimeout(this.timer);
    this.text += this.cased(letters[this.pending.place]);
    this.timer = setTimeout(() => {
      this.settle();
      this.changed();
    }, this.pause);
  }

  cased(letter) {
    const isCapital = this.mode === "ABC" || (this.mode === "Abc" && BEGINS.test(this.text));
    return isCapital ? letter.toUpperCase() : letter;
  }

  /** Take the last character away. */
  erase() {
    this.settle();
    this.text = Array.from(this.text).slice(0, -1).join("");
    this.changed();
  }
}
